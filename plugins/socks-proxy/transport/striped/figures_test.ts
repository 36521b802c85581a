// What is concluded from figures of connections: rates and arrivals, windows, congestion control, shares of memory.
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { HANDSHAKE_MS } from "../../peer/server.ts";
import { Allowance, UNUSED_BYTES } from "./allowance.ts";
import type { Carrier } from "./carrier.ts";
import { Carriers } from "./carriers.ts";
import { HEAD_BYTES, WINDOW_UNIT } from "./frames.ts";
import { Gauge, type Reading } from "./gauge.ts";
import { Line } from "./line.ts";
import { Blocks, Held, LEAST, LITTLE } from "./memory.ts";
import { UsedTokens } from "./used_tokens.ts";
import { KEPT_MS } from "./warm_pool.ts";
import { FIRST_WINDOW_BYTES, Window } from "./window.ts";

const MIB = 2 ** 20;

/** A link that carries `rate` bytes a second and always has something queued. */
function gaugeOf(rate: number, rttMs: number, isBusy: boolean, seconds: number): Gauge {
  const gauge = new Gauge();
  for (let nowMs = 0; nowMs <= seconds * 1000; nowMs += 20) {
    gauge.read({
      rttUs: rttMs * 1000,
      minRttUs: rttMs * 1000,
      unacked: isBusy ? 10 : 0,
      mss: 1_400,
      notSentBytes: isBusy ? 10_000 : 0,
      bytesAcked: rate * nowMs / 1000,
      deliveryRateBytesPerSecond: rate,
    }, nowMs);
  }
  return gauge;
}

Deno.test("a busy link's rate is what it confirms; one with little to do is not taken for slow", () => {
  const busy = gaugeOf(5e6, 30, true, 3);
  assert.ok(Math.abs(busy.rate / 5e6 - 1) < 0.02, `${busy.rate}`);
  const idle = gaugeOf(1_000, 30, false, 3);
  assert.ok(idle.rate >= 1_000);
  assert.ok(busy.arrivalMs(50_000) < gaugeOf(5e5, 30, true, 3).arrivalMs(50_000));
});

Deno.test("property: whatever is read of a connection, its figures are finite, chunks fit, and more takes longer", () => {
  const reading: fc.Arbitrary<Reading> = fc.record({
    rttUs: fc.nat(5e6),
    minRttUs: fc.nat(5e6),
    unacked: fc.nat(100_000),
    mss: fc.nat(65_535),
    notSentBytes: fc.nat(1e9),
    bytesAcked: fc.nat(2 ** 31 - 1),
    deliveryRateBytesPerSecond: fc.oneof(fc.nat(1e9), fc.constant(2 ** 60)),
  });
  fc.assert(fc.property(fc.array(fc.tuple(reading, fc.nat(1_000)), { maxLength: 50 }), (readings) => {
    const gauge = new Gauge();
    let nowMs = 0;
    for (const [one, laterMs] of readings) {
      gauge.read(one, nowMs += laterMs);
      assert.ok(Number.isFinite(gauge.rate) && gauge.rate > 0);
      const chunk = gauge.chunkBytes(65_523);
      assert.ok(chunk >= 4_096 && chunk <= 65_523);
      assert.ok(gauge.arrivalMs(1_000) <= gauge.arrivalMs(2_000));
      assert.ok(gauge.dueMs(1_000) >= 150);
    }
  }));
});

Deno.test("property: a promise holds: the window's limit never goes back, and no told window is beyond it", () => {
  const step = fc.record({
    laterMs: fc.nat(400),
    bytes: fc.nat(5e6),
    held: fc.nat(200 * MIB),
    waiting: fc.nat(5e6),
    rttMs: fc.nat(700),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const window = new Window();
    let nowMs = 0, next = 0, limit = window.limit;
    assert.equal(limit, FIRST_WINDOW_BYTES);
    for (const { laterMs, bytes, held, waiting, rttMs } of steps) {
      next = Math.min(limit, next + bytes);
      window.beat(next, nowMs += laterMs, rttMs);
      const all = new Held();
      all.add(held);
      // Nothing comes beyond what was promised.
      const come = Math.min(limit, next + waiting);
      const told = window.tell(next, come, all) * WINDOW_UNIT;
      assert.ok(told >= 0 && told <= 16 * MIB && told / WINDOW_UNIT < 65_536);
      assert.ok(come > next || told >= LEAST);
      assert.ok(window.limit >= limit && window.limit >= come + told);
      ({ limit } = window);
    }
  }));
});

Deno.test("a stream that is fast and far gets more window, and little once all hold much", () => {
  const window = new Window();
  for (let nowMs = 0; nowMs <= 2_000; nowMs += 250) window.beat(nowMs * 5_000, nowMs, 600);
  assert.ok(window.tell(1e7, 1e7, new Held()) * WINDOW_UNIT > 8 * MIB);
  const held = new Held();
  held.add(50 * MIB);
  assert.equal(window.tell(1e7, 1e7, held) * WINDOW_UNIT, LITTLE);
});

Deno.test("a stream over which nothing comes any more needs no looks", () => {
  const window = new Window();
  window.beat(0, 0, 20);
  assert.ok(!window.isMoving(0));
  assert.ok(window.isMoving(1));
  for (const nowMs of [250, 500, 750]) window.beat(1, nowMs, 20);
  assert.ok(!window.isMoving(1));
});

Deno.test("beyond the bound those go that hold much, of boxes that have more than their share; who holds little stays", () => {
  const all = new Held(), greedy = new Held(all), modest = new Held(all);
  greedy.add(127 * MIB);
  modest.add(MIB);
  assert.ok(greedy.hasRoom(16 * MIB));
  greedy.add(10 * MIB);
  assert.ok(!greedy.hasRoom(16 * MIB));
  assert.ok(greedy.hasRoom(LEAST));
  assert.ok(modest.hasRoom(MIB));
  greedy.add(-137 * MIB);
  modest.add(-MIB);
  assert.equal(all.bytes, 0);
});

Deno.test("blocks of whole chunks are used again, and a small chunk holds no more memory than its own", () => {
  const blocks = new Blocks();
  const large = blocks.take();
  assert.equal(blocks.keep(large, 60_000), large);
  assert.equal(blocks.used, 60_000);
  assert.equal(blocks.room(1e9), Infinity);
  const taken = blocks.take();
  assert.notEqual(taken, large);
  taken.fill(7, 0, HEAD_BYTES + 100);
  const small = blocks.keep(taken, 100);
  assert.deepEqual(small, new Uint8Array(HEAD_BYTES + 100).fill(7));
  assert.equal(small.buffer.byteLength, HEAD_BYTES + 100);
  assert.equal(blocks.take(), taken);
  blocks.give(small, 100);
  blocks.give(large, 60_000);
  assert.equal(blocks.used, 0);
  assert.equal(blocks.take(), large);
});

/** What a line takes to, given how each second goes: segments lost of a thousand, and the queue in milliseconds. */
function lineAfter(seconds: { lost: number; queueMs: number }[]): string {
  const line = new Line();
  let nowMs = 0;
  for (const { lost, queueMs } of seconds) {
    for (let look = 0; look < 50; look++, nowMs += 20) {
      line.take({
        ...{ rttMs: 60 + queueMs, minRttMs: 60, segments: 20, lost: look % 10 === 0 ? lost / 5 : 0 },
      }, nowMs);
    }
  }
  return line.congestion;
}

Deno.test("a line that loses beside an empty queue takes bbr; one that loses only when it is full keeps cubic", () => {
  assert.equal(lineAfter(Array(5).fill({ lost: 5, queueMs: 2 })), "bbr");
  assert.equal(lineAfter(Array(20).fill({ lost: 5, queueMs: 200 })), "cubic");
  assert.equal(lineAfter(Array(20).fill({ lost: 0, queueMs: 2 })), "cubic");
  // It came from the line, and went.
  assert.equal(
    lineAfter([...Array(5).fill({ lost: 5, queueMs: 2 }), ...Array(70).fill({ lost: 0, queueMs: 2 })]),
    "cubic",
  );
  // Behind a queue that was long before, a short one is an empty one; the loss of a full one is soon over.
  const full = { lost: 20, queueMs: 150 }, half = { lost: 2, queueMs: 80 };
  assert.equal(lineAfter([full, half, ...Array(3).fill({ lost: 5, queueMs: 30 })]), "bbr");
  assert.equal(lineAfter(Array(10).fill([full, half, { lost: 0, queueMs: 100 }]).flat()), "cubic");
  // bbr loses much while it finds the rate; where that goes on, it is not for this line.
  assert.equal(lineAfter(Array(3).fill({ lost: 200, queueMs: 2 })), "bbr");
  assert.equal(lineAfter(Array(12).fill({ lost: 200, queueMs: 2 })), "cubic");
});

Deno.test("what is past is known for more than a minute, and not for ever", () => {
  const past = new UsedTokens();
  past.add("one", 0);
  past.add("two", 60_000);
  assert.ok(past.has("one") && past.has("two"));
  past.add("three", 70_000);
  assert.ok(past.has("one") && past.has("two") && past.has("three"));
  past.add("four", 140_000);
  assert.ok(!past.has("one") && past.has("three") && past.has("four"));
});

Deno.test("connections that wait in vain cost a link less than 5 MB a month, however often they are wanted", () => {
  for (const everyMs of [100, 10_000, 600_000]) {
    const allowance = new Allowance(0);
    let made = 0;
    for (let nowMs = 0; nowMs < 31 * 86_400_000; nowMs += everyMs) made += Number(allowance.spend(nowMs));
    assert.ok(made > 100 && made * UNUSED_BYTES < 5e6, `${made * UNUSED_BYTES} bytes`);
  }
  // Those that are taken cost nothing.
  const allowance = new Allowance(0);
  for (let count = 0; count < 1_000; count++) {
    assert.ok(allowance.spend(0));
    allowance.giveBack();
  }
  // None meets the end that the peer sets those who say nothing.
  assert.ok(KEPT_MS + 2_000 < HANDSHAKE_MS);
});

Deno.test("a link is left alone where all would wait for its chunk: where the others bring more before it arrives than may be sent", () => {
  const carrier = (mbps: number, rttMs: number, queued: number) => {
    const gauge = new Gauge();
    Object.assign(gauge, { rate: mbps * 125_000, rttMs, minRttMs: rttMs, queued });
    return { gauge, isSilent: false, isHeld: false } as Carrier;
  };
  const carriers = new Carriers({ lose() {} });
  const fibre = carrier(12, 8, 20_000), slow = carrier(0.12, 44, 30_000), dsl = carrier(8, 44, 30_000);
  carriers.all = [fibre, slow, dsl];
  // Two seconds of queue, of which a fibre and a DSL line bring 5 MB.
  assert.ok(carriers.wouldBlock(slow, 1_600_000));
  assert.ok(!carriers.wouldBlock(slow, 16_000_000));
  assert.ok(!carriers.wouldBlock(dsl, 1_600_000));
  // Who brings it first is never waited for, and who is alone is all there is.
  assert.ok(!carriers.wouldBlock(fibre, 1));
  carriers.all = [slow];
  assert.ok(!carriers.wouldBlock(slow, 1));
  // One that is silent, or held back, brings nothing.
  Object.assign(fibre, { isSilent: true });
  Object.assign(dsl, { isHeld: true });
  carriers.all = [fibre, slow, dsl];
  assert.ok(!carriers.wouldBlock(slow, 1));
});
