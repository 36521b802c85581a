import assert from "node:assert/strict";
import fc from "fast-check";
import { Autorate, type Sample } from "./autorate.ts";

const BEAT_MS = 200;

/** A link as a queue that fills and empties; what is offered is what a greedy sender sends when it may. */
class FluidLink {
  queueBits = 0;

  constructor(public capacity: number, readonly bufferMs = 200) {}

  /** One beat of it; what came out, and how long its queue is at the end. */
  carry(offered: number): { carried: number; queueMs: number } {
    const bits = this.queueBits + offered * BEAT_MS / 1000;
    const out = Math.min(bits, this.capacity * BEAT_MS / 1000);
    this.queueBits = Math.min(bits - out, this.capacity * this.bufferMs / 1000);
    return { carried: out * 1000 / BEAT_MS, queueMs: this.queueBits / this.capacity * 1000 };
  }
}

/** Beats a link under what `offered` says, or as much as may be, and gives each beat's queue and rate. */
function run(
  autorate: Autorate,
  link: FluidLink,
  beats: number,
  { offered = () => Infinity, most, startMs = 0 }: {
    offered?: (beat: number) => number;
    most?: number;
    startMs?: number;
  } = {},
) {
  const seen: { carried: number; queueMs: number; rate?: number }[] = [];
  for (let beat = 0; beat < beats; beat++) {
    const may = Math.min(offered(beat), autorate.rateBitsPerSecond ?? 1.5 * link.capacity);
    const { carried, queueMs } = link.carry(may);
    autorate.beat({
      nowMs: startMs + beat * BEAT_MS,
      queueMs,
      carriedBitsPerSecond: carried,
      ownQueueMs: 5,
      thresholdMs: 25,
      mostBitsPerSecond: most,
    });
    seen.push({ carried, queueMs, rate: autorate.rateBitsPerSecond });
  }
  return seen;
}

Deno.test("what is decided, sample by sample", () => {
  const autorate = new Autorate();
  let nowMs = 0;
  const after = (queueMs: number | undefined, carriedMbps: number, times = 1) => {
    for (let time = 0; time < times; time++) {
      const carriedBitsPerSecond = carriedMbps * 1e6;
      autorate.beat({
        nowMs: nowMs += BEAT_MS,
        queueMs,
        carriedBitsPerSecond,
        ownQueueMs: 20,
        thresholdMs: 25,
      });
    }
    const rate = autorate.rateBitsPerSecond;
    return rate === undefined ? "unknown" : (rate / 1e6).toFixed(2);
  };
  assert.equal(after(5, 18, 10), "unknown", "load without delay says nothing");
  assert.equal(after(80, 20), "unknown", "one late sample is none");
  assert.equal(after(80, 20), "18.00", "two: what it carried is its rate, and nine tenths empty the queue");
  assert.equal(
    after(95, 18.6, 2),
    "18.00",
    "the queue needs its time to empty; what comes out meanwhile is learned",
  );
  assert.equal(after(5, 14, 3), "18.00", "four samples without delay are needed");
  assert.equal(after(5, 14), "18.00", "beyond 95 % of what it is known to carry only what is used is raised");
  assert.equal(after(5, 17.5), "18.05", "and by little at first");
  assert.equal(after(5, 18, 20), "19.61", "by more while nothing happens");
  assert.equal(after(26, 18), "19.61", "a queue of our own explains 20 ms; what is longer is not clear");
  assert.equal(after(32, 18, 2), "19.22", "one that stands is taken down gently");
  assert.equal(after(5, 10, 10), "19.22", "half a load: it stays");
  assert.equal(after(200, 3, 3), "19.22", "nor is one lowered that hardly carries anything");
  assert.equal(after(undefined, 19.8, 20), "19.22", "nobody measures");
  assert.equal(after(100, 10, 2), "14.41", "a sudden fall: a quarter at most at once");
  assert.equal(after(90, 13, 2), "14.41", "the queue needs its time again");
  assert.equal(after(90, 10, 4), "10.81", "and a quarter more, when it should have emptied");
  assert.equal(
    after(5, 8.5, 8),
    "11.35",
    "known to carry 12.3 by then: 5 % a sample up to 95 % of it, small steps beyond",
  );
  assert.ok(Number(after(5, 0.1, 3_000)) > 12, "idle, it goes back to its base");
});

Deno.test("a greedy sender: the rate is found within seconds, the queue stays short, and the link is used", () => {
  for (const mbps of [2, 10, 50, 300]) {
    const capacity = mbps * 1e6;
    const seen = run(new Autorate(), new FluidLink(capacity), 600);
    assert.ok(seen.findIndex(({ rate }) => rate !== undefined) < 10, `${mbps}: held soon`);
    const later = seen.slice(100);
    const queues = later.map(({ queueMs }) => queueMs).sort((a, b) => a - b);
    const late = queues[Math.floor(queues.length * 0.95)]!;
    assert.ok(late < 25, `${mbps}: ${late} ms`);
    const mean = later.reduce((sum, { carried }) => sum + carried, 0) / later.length;
    assert.ok(mean > 0.88 * capacity, `${mbps}: ${mean / capacity} of it is used`);
  }
});

Deno.test("news half a second old, and what goes in counted instead of what comes out: the queue stays short all the same", () => {
  for (const mbps of [5, 10, 50]) {
    const capacity = mbps * 1e6;
    const autorate = new Autorate(), link = new FluidLink(capacity);
    const queues: number[] = [0, 0];
    let carriedBits = 0;
    for (let beat = 0; beat < 1_000; beat++) {
      const rate = autorate.rateBitsPerSecond ?? 1.5 * capacity;
      const { carried, queueMs } = link.carry(rate);
      queues.push(queueMs);
      if (beat >= 100) carriedBits += carried;
      autorate.beat({
        nowMs: beat * BEAT_MS,
        queueMs: queues[beat]!,
        carriedBitsPerSecond: rate,
        isCountedBefore: true,
        ownQueueMs: 5,
        thresholdMs: 25,
      });
    }
    const later = queues.slice(100).sort((a, b) => a - b);
    const late = later[Math.floor(later.length * 0.95)]!;
    assert.ok(late < 50, `${mbps}: ${late} ms`);
    assert.ok(carriedBits / 900 > 0.88 * capacity, `${mbps}: ${carriedBits / 900 / capacity} of it is used`);
  }
});

Deno.test("a link that becomes narrow is followed within seconds, and one that becomes wide again as well", () => {
  const autorate = new Autorate();
  const link = new FluidLink(40e6);
  run(autorate, link, 100);
  link.capacity = 15e6;
  const narrow = run(autorate, link, 100, { startMs: 20_000 });
  assert.ok(narrow.findIndex(({ queueMs }) => queueMs < 45) < 60, "12 s");
  assert.ok(autorate.rateBitsPerSecond! < 16e6);
  link.capacity = 40e6;
  run(autorate, link, 250, { startMs: 40_000 });
  assert.ok(autorate.rateBitsPerSecond! > 34e6, `${autorate.rateBitsPerSecond}`);
});

Deno.test("delay that is not ours costs no more than a moment: the rate is what it was", () => {
  const autorate = new Autorate(10e6);
  let least = Infinity;
  for (let beat = 0; beat < 100; beat++) {
    const carriedBitsPerSecond = autorate.rateBitsPerSecond! * 0.9;
    autorate.beat({
      nowMs: beat * BEAT_MS,
      queueMs: 300,
      carriedBitsPerSecond,
      ownQueueMs: 5,
      thresholdMs: 25,
    });
    least = Math.min(least, autorate.rateBitsPerSecond!);
  }
  assert.ok(least > 2e6, `${least}`);
  assert.equal(autorate.rateBitsPerSecond, 10e6);
});

Deno.test("whatever is seen, the rate is between floor and cap, known once known, and never lowered without load", () => {
  const sample = fc.record({
    queueMs: fc.option(fc.double({ min: 0, max: 2_000, noNaN: true }), { nil: undefined }),
    carriedBitsPerSecond: fc.double({ min: 0, max: 1e9, noNaN: true }),
  });
  fc.assert(fc.property(
    fc.array(sample, { maxLength: 200 }),
    fc.option(fc.integer({ min: 1_000_000, max: 500_000_000 }), { nil: undefined }),
    fc.boolean(),
    (samples, cap, isKnown) => {
      const autorate = new Autorate(isKnown ? cap ?? 50e6 : undefined);
      for (const [index, part] of samples.entries()) {
        const before = autorate.rateBitsPerSecond;
        const given: Sample = {
          ...part,
          nowMs: index * BEAT_MS,
          ownQueueMs: 20,
          thresholdMs: 25,
          mostBitsPerSecond: cap,
        };
        autorate.beat(given);
        const after = autorate.rateBitsPerSecond;
        if (part.queueMs === undefined) assert.equal(after, before);
        if (after === undefined) {
          assert.equal(before, undefined);
          continue;
        }
        assert.ok(after >= 500_000 && after <= (cap ?? Infinity), String(after));
        if (before === undefined) continue;
        assert.ok(after <= before * 1.05 + 1 || after <= autorate.baseBitsPerSecond!);
        if (part.carriedBitsPerSecond <= 0.2 * before && after < before) {
          assert.ok(before > autorate.baseBitsPerSecond!, "back to its base only");
        }
      }
    },
  ));
});
