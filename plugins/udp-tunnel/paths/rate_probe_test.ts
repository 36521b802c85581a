import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { CoDel } from "../schedule/codel.ts";
import { PathMeter } from "./path_meter.ts";
import { RateProbe } from "./rate_probe.ts";
import { Clock, type LinkOptions, Tunnel } from "../testing/links.ts";
import { Constant, Download } from "../testing/sources.ts";

/** A tunnel over one link with a flow of `mbps`; the allowance in Mbit/s every 100 ms from `fromS` on. */
function allowances(
  link: LinkOptions,
  mbps: number,
  seconds: number,
  fromS = 2,
): { rates: number[]; tunnel: Tunnel } {
  const clock = new Clock();
  const tunnel = new Tunnel(clock, [link]);
  new Constant(tunnel, {}, mbps, 1280);
  const rates = [];
  for (let atS = 0.1; atS <= seconds; atS += 0.1) {
    clock.run(atS * 1e6);
    if (atS >= fromS) rates.push(tunnel.probes[0]!.rateBitsPerSecond / 1e6);
  }
  return { rates, tunnel };
}

const within = (rates: number[], from: number, to: number, share = 1) => {
  const inside = rates.filter((rate) => rate >= from && rate <= to).length;
  assert.ok(
    inside >= share * rates.length,
    `${inside} of ${rates.length} within ${from}..${to}: ${rates.map(Math.round)}`,
  );
};

Deno.test("the rate of a full link is found within two seconds and held, its queue stays short", () => {
  for (const mbps of [2, 20, 200]) {
    for (const rttMs of [5, 60, 600]) {
      const settledS = 2 + rttMs / 100;
      const { rates, tunnel } = allowances({ mbps, rttMs, queueMs: 300 }, 2 * mbps, settledS + 3, settledS);
      within(rates, 0.84 * mbps, 1.15 * mbps);
      within(rates, 0.96 * mbps, 1.1 * mbps, 0.7);
      tunnel.links[0]!.queuedUs = 0;
      tunnel.clock.run(tunnel.clock.nowUs + 2e6);
      // Ours is 60 ms for one greedy flow; twice that and a burst where a burst takes longer than that.
      const oursUs = Math.max(60_000, 1.5 * 16_384 * 8 / mbps);
      assert.ok(tunnel.links[0]!.queuedUs < oursUs + 60_000, `${mbps} ${rttMs} ${tunnel.links[0]!.queuedUs}`);
    }
  }
});

Deno.test("a change of the link's rate is followed within a second, down and up", () => {
  const { rates } = allowances({ mbps: 40, rttMs: 40, changes: [[4, 10], [8, 40]] }, 60, 12, 0);
  within(rates.slice(55, 78), 8, 12);
  within(rates.slice(110), 36, 46);
});

Deno.test("a radio's losses are not taken for a full link", () => {
  const { rates, tunnel } = allowances({ mbps: 30, rttMs: 40, loss: 0.02 }, 60, 8);
  within(rates, 24, 35);
  within(rates, 28, 34, 0.7);
  const { lossRatio } = tunnel.probes[0]!;
  assert.ok(lossRatio > 0.006 && lossRatio < 0.04, `${lossRatio}`);
});

Deno.test("a policer without a queue is found by its losses", () => {
  const { rates } = allowances({ mbps: 30, rttMs: 40, queueMs: 3 }, 60, 10, 3);
  within(rates, 24, 34);
});

Deno.test("what nobody asks for is not learned: the allowance stays while sources are the limit", () => {
  const { rates, tunnel } = allowances({ mbps: 100, rttMs: 20 }, 4, 6);
  assert.ok(tunnel.probes[0]!.isStarting);
  // What the train of packets at its start has shown.
  within(rates, 79, 81);
});

Deno.test("a cap is never exceeded and believed from the start", () => {
  const { rates } = allowances({ mbps: 50, rttMs: 20, capMbps: 20 }, 60, 4, 0);
  within(rates, 19, 20);
});

Deno.test("a full link's base is not forgotten in a minute", () => {
  const clock = new Clock();
  const tunnel = new Tunnel(clock, [{ mbps: 20, rttMs: 40 }]);
  new Constant(tunnel, {}, 30, 1280);
  clock.run(1e6);
  const { baseUs } = tunnel.meters[0]!.delay;
  clock.run(60e6);
  assert.ok(tunnel.meters[0]!.delay.baseUs - baseUs < 3_000, `${tunnel.meters[0]!.delay.baseUs - baseUs}`);
});

Deno.test("a queue that is not ours is told from ours: the allowance does not go to nothing", () => {
  const probe = new RateProbe({ capBitsPerSecond: 50e6 });
  // 20 Mbit/s of ours arrive as sent, 30 ms late all the time.
  const report = {
    receivedBytes: 250_000,
    receivedPackets: 200,
    lostPackets: 0,
    receivedSpanUs: 100_000,
    sentSpanUs: 100_000,
    excessUs: 30_000,
    peakUs: 30_000,
    baseUs: 0,
    delayUs: 30_000,
  };
  for (let beat = 0; beat < 100; beat++) probe.report(report, 40_000, beat * 100_000);
  assert.ok(probe.rateBitsPerSecond >= 16e6, `${probe.rateBitsPerSecond}`);
  assert.ok(probe.foreignUs > 20_000);
  probe.report({ ...report, excessUs: 100, peakUs: 100, delayUs: 100 }, 40_000, 11e6);
  assert.ok(probe.foreignUs <= 100, "gone as soon as it is seen to be gone");
});

Deno.test("what a cut has lost is not held against the path, what is lost again and again is, until it had rest", () => {
  const probe = new RateProbe({ startBitsPerSecond: 20e6 });
  const report = (receivedPackets: number, lostPackets: number, beat: number) =>
    probe.report(
      {
        ...{ receivedBytes: 1_250 * receivedPackets, receivedPackets, lostPackets },
        ...{ receivedSpanUs: 100_000, sentSpanUs: 100_000, excessUs: 0, peakUs: 0, baseUs: 0, delayUs: 0 },
      },
      40_000,
      beat * 100_000,
    );
  report(200, 0, 0);
  const before = probe.rateBitsPerSecond;
  report(1, 600, 30);
  assert.equal(probe.lossRatio, 0);
  assert.ok(probe.rateBitsPerSecond >= before);
  report(100, 100, 31);
  assert.ok(probe.lossRatio > 0.1, `${probe.lossRatio}`);
  const lossy = probe.lossRatio;
  for (let beat = 0; beat < 300; beat++) probe.unused();
  assert.ok(Math.abs(probe.lossRatio / lossy - 0.5) < 0.01, `${probe.lossRatio} of ${lossy}`);
});

Deno.test("a queue that a call cannot have made says nothing of what the path carries", () => {
  const probe = new RateProbe({ startBitsPerSecond: 8e6 });
  const call = { receivedBytes: 1_200, receivedPackets: 5, lostPackets: 0, receivedSpanUs: 100_000 };
  for (let beat = 0; beat < 50; beat++) {
    probe.report(
      { ...call, sentSpanUs: 100_000, excessUs: 150_000, peakUs: 160_000, baseUs: 0, delayUs: 150_000 },
      40_000,
      beat * 100_000,
    );
  }
  assert.equal(probe.rateBitsPerSecond, 8e6);
  assert.equal(probe.foreignUs, 150_000, "but it is where packets wait");
});

Deno.test("a download on one link takes 95 % of it, and a second one its share", () => {
  const clock = new Clock();
  const tunnel = new Tunnel(clock, [{ mbps: 30, rttMs: 30 }]);
  const first = new Download(tunnel, { source: 1 }, 15_000),
    second = new Download(tunnel, { source: 2 }, 15_000);
  clock.run(6e6);
  first.reset();
  second.reset();
  clock.run(26e6);
  const [one, other] = [first, second].map(({ bytes }) => bytes * 8 / 20e6 * 1360 / 1280);
  assert.ok(one! + other! > 0.95 * 30, `${one} + ${other}`);
  assert.ok(Math.min(one!, other!) > 0.25 * 30, `${one} and ${other}`);
});

Deno.test("property: whatever a far end reports, the allowance stays a number between its limits", () => {
  const number = fc.oneof(
    fc.integer({ min: -1e9, max: 1e9 }),
    fc.integer({ min: 1, max: 1e6 }),
    fc.constantFrom(0, NaN, Infinity, -Infinity),
  );
  const report = fc.record({
    receivedBytes: number,
    receivedPackets: number,
    lostPackets: number,
    receivedSpanUs: number,
    sentSpanUs: number,
    excessUs: number,
    peakUs: number,
    baseUs: number,
    delayUs: number,
  });
  fc.assert(fc.property(fc.array(report, { maxLength: 30 }), fc.boolean(), (reports, isCapped) => {
    const probe = new RateProbe(isCapped ? { capBitsPerSecond: 1e8 } : {});
    for (const [beat, one] of reports.entries()) {
      probe.report(one, 50_000, beat * 100_000);
      assert.ok(probe.rateBitsPerSecond >= 100_000 && probe.rateBitsPerSecond <= (isCapped ? 1e8 : 1e11));
      assert.ok(probe.lossRatio >= 0 && probe.lossRatio <= 1);
      assert.ok(probe.foreignUs >= 0 && Number.isFinite(probe.foreignUs));
    }
  }));
});

Deno.test("a meter counts losses, spans and the delay that the sender does not explain", () => {
  const meter = new PathMeter();
  assert.equal(meter.report(0), undefined);
  meter.packet(1000, 2 ** 32 - 2, 20_000, 0, 1_000_000);
  meter.packet(1000, 2 ** 32 - 1, 22_560, 10, 1_010_000);
  meter.packet(1000, 2 ** 32 + 3, 25_000, 10, 1_050_000);
  meter.packet(1000, 2 ** 32 + 2, 25_000, 255, 1_051_000);
  assert.deepEqual(meter.report(1_100_000), {
    receivedBytes: 3000,
    receivedPackets: 3,
    lostPackets: 2,
    receivedSpanUs: 50_000,
    sentSpanUs: 50_000 - 25_000 + 2_560 + 20_000,
    excessUs: 20_000,
    peakUs: 25_000 - 2_560,
    baseUs: 20_000,
    delayUs: Math.round(meter.delay.smoothedUs),
  });
  assert.equal(meter.report(1_200_000), undefined);
});

Deno.test("CoDel speaks after 100 ms of a standing queue, then ever more often, and stops with it", () => {
  const codel = new CoDel();
  const signals: number[] = [];
  for (let atMs = 0; atMs < 1000; atMs++) {
    if (codel.isDue(8_000, 5_000, atMs * 1000, true)) signals.push(atMs);
  }
  assert.equal(signals[0], 101);
  const gaps = signals.slice(1).map((atMs, index) => atMs - signals[index]!);
  assert.deepEqual(gaps.slice(0, 4), [100, 71, 58, 50]);
  assert.equal(codel.isDue(4_000, 5_000, 1_000_000, true), false);
  for (let atMs = 1001; atMs < 1100; atMs++) {
    assert.equal(codel.isDue(8_000, 5_000, atMs * 1000, true), false);
  }
});

Deno.test("CoDel is silent for bursts between which the queue was empty", () => {
  const codel = new CoDel();
  for (let atMs = 0; atMs < 1000; atMs += 30) {
    for (let packet = 0; packet < 20; packet++) {
      assert.equal(codel.isDue(6_000 + packet * 100, 5_000, atMs * 1000, true), false);
    }
  }
});
