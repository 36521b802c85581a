import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { DelayZero, PathDelay, RoundTrip } from "./owd.ts";

Deno.test("property: delays of one session compare with each other, whatever the clocks say and where they wrap", () => {
  const clocks = fc.tuple(fc.nat({ max: 2 ** 45 }), fc.nat({ max: 2 ** 32 - 1 }));
  const delays = fc.array(fc.tuple(fc.nat(1e9), fc.nat(2_000_000)), { minLength: 2, maxLength: 20 });
  fc.assert(fc.property(clocks, delays, ([receiverUs, senderUs], packets) => {
    const zero = new DelayZero();
    const seen = packets.map(([sentUs, delayUs]) =>
      zero.delayUs((senderUs + sentUs) % 2 ** 32, receiverUs + sentUs + delayUs)
    );
    for (const [index, [, delayUs]] of packets.entries()) {
      assert.equal(seen[index]! - seen[0]!, delayUs - packets[0]![1]);
    }
  }));
});

Deno.test("the base is the least delay, survives a queue, and follows a clock that drifts", () => {
  const path = new PathDelay();
  const play = (fromS: number, toS: number, delayUs: (atUs: number) => number) => {
    for (let atUs = fromS * 1e6; atUs < toS * 1e6; atUs += 20_000) {
      path.sample(delayUs(atUs), atUs);
      if (atUs % 100_000 === 0) path.beat(atUs);
    }
  };
  play(0, 1, () => -7_000);
  play(1, 8, () => 60_000);
  assert.equal(path.baseUs, -7_000);
  assert.ok(Math.abs(path.smoothedUs - 60_000) < 100);
  // 100 ppm for a minute: the base may lag by the 20 s of its window.
  play(8, 68, (atUs) => 5_000 + atUs / 10_000);
  assert.ok(path.baseUs >= 5_000 + 6_800 - 2_000 && path.baseUs <= 5_000 + 6_800, `${path.baseUs}`);
});

Deno.test("jitter is the mean deviation; a silent path keeps what it knew", () => {
  const path = new PathDelay();
  for (let index = 0; index < 2000; index++) path.sample(index % 2 ? 12_000 : 8_000, index * 1000);
  assert.ok(Math.abs(path.jitterUs - 2_000) < 300, `${path.jitterUs}`);
  assert.deepEqual([path.leastUs, path.mostUs], [8_000, 12_000]);
  for (let beat = 1; beat < 1000; beat++) path.beat(2e6 + beat * 100_000);
  assert.equal(path.baseUs, 8_000);
  assert.ok(Number.isNaN(path.leastUs));
});

Deno.test("golden: RFC 6298 by hand", () => {
  const rtt = new RoundTrip();
  assert.equal(rtt.timeoutUs(200_000), 1_000_000);
  rtt.sample(100_000);
  assert.deepEqual([rtt.smoothedUs, rtt.variationUs, rtt.timeoutUs(0)], [100_000, 50_000, 300_000]);
  rtt.sample(60_000);
  assert.deepEqual([rtt.smoothedUs, rtt.variationUs, rtt.timeoutUs(0)], [95_000, 47_500, 285_000]);
  assert.equal(rtt.timeoutUs(400_000), 400_000);
});
