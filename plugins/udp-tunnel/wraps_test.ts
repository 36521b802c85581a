// Every number of the tunnel that goes round, near the point where it does (9, line 10). Path numbers: ends_test and tunnel_test.
import assert from "node:assert/strict";
import { BULK } from "./schedule/classify.ts";
import { Fragments } from "./session/fragments.ts";
import { DelayZero, PathDelay } from "./paths/owd.ts";
import { PathMeter } from "./paths/path_meter.ts";
import { SeenSizes } from "./paths/path_mtu.ts";
import { HELD, READY, Reorder, Room } from "./schedule/reorder.ts";
import { SeenTrain, TRAIN_PACKETS } from "./paths/train.ts";

const BULK_STREAM = BULK << 10, ROUND = 2 ** 32, BOTH = 3;

/** Puts bulk packets in and takes what is ready. */
class Receiver {
  readonly reorder = new Reorder(256, new Room(128));
  #slot = 0;

  accept(order: number, global: number, path: number, atUs: number): number {
    const slot = this.#slot++ % 256;
    return this.reorder.accept(
      slot,
      BULK_STREAM,
      order & 0xffff,
      0,
      global % ROUND,
      path,
      BOTH,
      10_000,
      atUs,
    );
  }

  /** How many are ready. */
  take(atUs: number): number {
    this.reorder.release(atUs);
    const count = this.reorder.readyCount;
    this.reorder.readyCount = 0;
    return count;
  }
}

Deno.test("order per stream and number per session go round together and apart, and nothing waits for it", () => {
  for (const start of [65_530, 2 * 65_536 - 3]) {
    for (const global of [ROUND - 4, 2 ** 31 - 4, 0]) {
      const receiver = new Receiver();
      for (let count = 0; count < 20; count++) {
        assert.equal(receiver.accept(start + count, global + count, count % 2, 0), READY);
      }
      assert.equal(receiver.accept(start + 21, global + 21, 1, 0), HELD, "one is missing");
      assert.equal(receiver.accept(start + 20, global + 20, 0, 0), READY);
      assert.equal(receiver.take(0), 22);
    }
  }
});

Deno.test("a path that was silent while the session's numbers went half round and round is known to overtake at once", () => {
  for (const ahead of [2 ** 31 - 10, 2 ** 31 + 10, ROUND - 10, ROUND + 10]) {
    const receiver = new Receiver();
    receiver.accept(0, 0, 1, 0);
    receiver.take(0);
    // Path 0 alone carries what comes between, as seen here and there.
    let order = 1;
    for (let global = 0; global < ahead; global += 2 ** 29) receiver.accept(order++, global, 0, 0);
    receiver.take(0);
    receiver.accept(order + 1, ahead, 0, 0);
    assert.equal(receiver.take(0), 0, "the other path may still bring what is missing");
    receiver.accept(order + 2, ahead + 1, 1, 0);
    assert.equal(receiver.take(0), 2, `${ahead} ahead: it brought something newer, so that is lost`);
  }
});

Deno.test("a path's loss is counted right beyond 2^32 packets", () => {
  const meter = new PathMeter();
  meter.packet(1_000, ROUND - 2, 0, 0, 0);
  meter.report(0);
  for (const [index, number] of [ROUND - 1, ROUND, ROUND + 2, 2 * ROUND].entries()) {
    meter.packet(1_000, number, 0, 0, (index + 1) * 1_000);
    meter.other(number + 1);
  }
  assert.equal(meter.report(10_000)!.lostPackets, ROUND + 3 - 8);
});

Deno.test("times on the wire go round every 71 minutes, and delays do not notice", () => {
  const zero = new DelayZero();
  for (let minute = 0; minute < 300; minute++) {
    const sentUs = minute * 60e6 + ROUND - 30e6;
    assert.equal(zero.delayUs(sentUs % ROUND, sentUs + 12_345 + (minute % 7) * 100), minute % 7 * 100);
  }
});

Deno.test("clocks that drift half a round apart, as after 248 days at 100 ppm, cost one moment: the base follows at once", () => {
  const zero = new DelayZero(), delay = new PathDelay();
  const at = (driftUs: number) => zero.delayUs(1_000, 1_000 + driftUs);
  for (const driftUs of [0, 1e9, 2 ** 31 - 100, 2 ** 31 + 100, 2 ** 31 + 200]) delay.sample(at(driftUs), 0);
  delay.beat(0);
  assert.equal(delay.baseUs, -(2 ** 31) + 100);
  for (let count = 0; count < 200; count++) delay.sample(at(2 ** 31 + 200), 1);
  assert.ok(Math.abs(delay.smoothedUs - delay.baseUs) < 200);
});

Deno.test("a half of long ago, whose numbers come again, is not put together with a new one", () => {
  const freed: number[] = [];
  const free = (slot: number) => void freed.push(slot);
  const room = new Room(10), halves = new Fragments(room);
  const half = (slot: number, content: number, atUs: number) => ({ slot, length: 700, content, atUs });
  assert.equal(halves.take(7, 5, half(1, 1, 0), free), undefined);
  assert.equal(halves.take(7, 5, half(2, 2, 3e6), free), undefined, "65,536 packets later");
  assert.deepEqual(freed, [1]);
  assert.equal(room.held, 1);
  assert.equal(halves.take(7, 5, half(3, 1, 3e6 + 1), free)!.slot, 2);
  assert.equal(room.held, 0);
  for (let slot = 0; slot < 20; slot++) halves.take(slot, 0, half(slot, 1, 4e6), free);
  assert.ok(room.held <= 8, `${room.held} halves wait: as many as one may hold`);
  halves.clear(free);
  assert.equal(room.held, 0);
});

Deno.test("rounds of probes and trains, of which more than half were lost, are believed again", () => {
  const sizes = new SeenSizes(), train = new SeenTrain();
  sizes.probe(3, 1_280, 0);
  sizes.probe(200, 1_500, 1_000_000);
  assert.deepEqual([sizes.round, sizes.bytes], [3, 1_280], "it may be an old one that comes late");
  sizes.probe(200, 1_500, 200_000_000);
  assert.deepEqual([sizes.round, sizes.bytes], [200, 1_500]);
  sizes.probe(3, 1_400, 200_100_000);
  assert.equal(sizes.round, 3, "and 255 is followed by 1");
  for (let count = 0; count < TRAIN_PACKETS; count++) train.packet(3, count * 1_000);
  for (let count = 0; count < TRAIN_PACKETS; count++) train.packet(200, 200_000_000 + count * 100);
  assert.equal(train.round, 200);
});

Deno.test("one box that makes everything wait leaves others room to receive and to wait in (9, line 6)", () => {
  const room = new Room(1_000), most = 2_000;
  const greedy = new Reorder(most, room), other = new Reorder(most, room);
  const fill = (reorder: Reorder, count: number) => {
    for (let order = 0; order < count; order++) {
      // Every second number is missing, and both paths are unknown.
      reorder.accept(order, BULK_STREAM, 2 * order + 1, 0, order, 0, BOTH, 0, 0);
    }
  };
  fill(greedy, 1_500);
  assert.ok(room.held <= 801, `${room.held} held`);
  fill(other, 1_500);
  const all = room.held;
  assert.ok(all < 1_000, `${all} held by both`);
  greedy.drain(() => {});
  const others = room.held;
  assert.ok(others > 100 && others <= 801, `${others} held by the other one`);
  other.drain(() => {});
  assert.equal(room.held, 0);
});
