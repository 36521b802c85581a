// Bytes that come in any order and more than once leave in theirs; what was sent is kept until it is confirmed.
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { Inbox } from "./inbox.ts";
import { Outbox } from "./outbox.ts";

const RUNS = { numRuns: 300 };
const bytesAt = (offset: number, length: number) =>
  Uint8Array.from({ length }, (_, at) => (offset + at) * 31 & 255);

Deno.test("property: pieces in any order, overlapping and repeated, leave as the stream, whatever is taken at once", () => {
  const piece = fc.tuple(fc.nat(300), fc.integer({ min: 1, max: 80 }));
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 60 }),
      fc.array(fc.nat(40), { minLength: 1 }),
      (pieces, takes) => {
        const inbox = new Inbox();
        const out: number[] = [];
        let turn = 0;
        const deliver = (bytes: Uint8Array, at: number, length: number) => {
          const taken = Math.min(length, takes[turn++ % takes.length]!);
          out.push(...bytes.subarray(at, at + taken));
          return taken;
        };
        const come = new Set<number>();
        for (const [offset, length] of pieces) {
          assert.ok(inbox.take(offset, bytesAt(offset, length), 0, length, 10_000, deliver));
          for (let at = offset; at < offset + length; at++) come.add(at);
          const reach = [...Array(400).keys()].find((at) => !come.has(at))!;
          assert.ok(inbox.next <= reach);
          assert.equal(inbox.come, reach);
          assert.equal(inbox.held, [...come].filter((at) => at >= inbox.next).length);
          assert.ok(inbox.memory >= inbox.held);
        }
        inbox.drain((bytes, at, length) => {
          out.push(...bytes.subarray(at, at + length));
          return length;
        });
        assert.equal(inbox.next, [...Array(400).keys()].find((at) => !come.has(at))!);
        assert.deepEqual(Uint8Array.from(out), bytesAt(0, inbox.next));
      },
    ),
    RUNS,
  );
});

Deno.test("what is beyond the promise, behind the end, or of too many pieces is refused", () => {
  const deliver = (_bytes: Uint8Array, _at: number, length: number) => length;
  const inbox = new Inbox();
  assert.equal(inbox.take(90, bytesAt(90, 11), 0, 11, 100, deliver), false);
  assert.equal(inbox.take(90, bytesAt(90, 10), 0, 10, 100, deliver), true);
  assert.equal(inbox.ended(99), false);
  assert.equal(inbox.ended(100), true);
  assert.equal(inbox.ended(101), false);
  assert.equal(inbox.take(100, bytesAt(100, 1), 0, 1, 200, deliver), false);
  assert.equal(inbox.isDone, false);
  assert.equal(inbox.take(0, bytesAt(0, 95), 0, 95, 200, deliver), true);
  assert.equal(inbox.isDone, true);
  const many = new Inbox();
  let isFair = true;
  for (let at = 1; at < 40_000 && isFair; at += 2) {
    isFair = many.take(at, bytesAt(at, 1), 0, 1, 100_000, deliver);
  }
  assert.equal(isFair, false);
});

Deno.test("property: everything that was sent is kept until it is confirmed, freed once, and found when it is late", () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("send" as const),
      length: fc.integer({ min: 1, max: 50 }),
      way: fc.nat(2),
    }),
    fc.record({ kind: fc.constant("ack" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ kind: fc.constant("lose" as const), way: fc.nat(2) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const outbox = new Outbox<number>();
      let used = 0;
      const free = (bytes: Uint8Array) => void (used -= bytes.length);
      for (const one of steps) {
        if (one.kind === "send") {
          used += one.length;
          outbox.add(bytesAt(outbox.next, one.length), one.way, { arrivesMs: 10, dueMs: 20, doubtMs: 30 });
        } else if (one.kind === "ack") {
          const offset = outbox.acked + Math.round(one.share * outbox.unacked);
          assert.equal(outbox.ack(offset, free), true);
          assert.equal(outbox.acked, offset);
        } else {
          const had = outbox.find(({ way }) => way === one.way);
          outbox.lost(one.way);
          if (had) assert.ok(had.dueMs < 0);
          const late = outbox.find(({ dueMs }) => dueMs < 0);
          if (late) assert.ok(late.offset + late.bytes.length > outbox.acked);
          if (late) outbox.resent(late, 3, { arrivesMs: 10, dueMs: 20, doubtMs: 30 });
        }
        assert.ok(used >= outbox.unacked);
        const oldest = outbox.find(() => true);
        assert.equal(oldest === undefined, outbox.isEmpty);
        if (oldest) assert.deepEqual(oldest.bytes, bytesAt(oldest.offset, oldest.bytes.length));
      }
      assert.equal(outbox.ack(outbox.next + 1, free), false);
      outbox.clear(free);
      assert.equal(used, 0);
    }),
    RUNS,
  );
});
