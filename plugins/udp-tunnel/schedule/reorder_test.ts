import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { DUPLICATE, HELD, READY, Reorder, Room, WAIT_BULK_US, WAIT_URGENT_US } from "./reorder.ts";

const BULK_STREAM = 3000, CALL_STREAM = 1030, DNS_STREAM = 5;

/** Both paths are in use. */
const BOTH = 3;

/** Takes what is ready. */
function taken(reorder: Reorder): number[] {
  const slots = [...reorder.ready.subarray(0, reorder.readyCount)];
  reorder.readyCount = 0;
  return slots;
}

/** Two paths of 10 and 30 ms. */
function twoPaths(): Reorder {
  const reorder = new Reorder(1024, new Room(512));
  reorder.heard(0, -20 >>> 0, 10_000);
  reorder.heard(1, -10 >>> 0, 30_000);
  return reorder;
}

Deno.test("a packet that overtook another waits for it", () => {
  const reorder = twoPaths();
  assert.equal(reorder.accept(0, BULK_STREAM, 1, 0, 1, 0, BOTH, 10_000, 10_000), HELD);
  reorder.release(10_000);
  assert.deepEqual(taken(reorder), []);
  assert.equal(reorder.accept(1, BULK_STREAM, 0, 0, 0, 1, BOTH, 30_000, 30_000), READY);
  assert.deepEqual(taken(reorder), [1, 0]);
});

Deno.test("it waits until the slowest path could have brought the missing one, not longer", () => {
  const reorder = twoPaths();
  reorder.accept(0, BULK_STREAM, 1, 0, 1, 0, BOTH, 10_000, 10_000);
  // Sent at 0; 30 ms on the slowest path and 30 ms for its bursts.
  assert.equal(reorder.nextUs, 60_000);
  reorder.release(59_999);
  assert.deepEqual(taken(reorder), []);
  reorder.release(60_000);
  assert.deepEqual(taken(reorder), [0]);
  assert.equal(reorder.lost, 1);
  assert.equal(reorder.nextUs, Infinity);
});

Deno.test("it waits less when the missing one left long before", () => {
  const reorder = twoPaths();
  reorder.accept(0, BULK_STREAM, 1, 2, 1, 0, BOTH, 10_000, 10_000);
  assert.equal(reorder.nextUs, 40_000);
  reorder.accept(1, DNS_STREAM, 1, 15, 2, 0, BOTH, 10_000, 10_000);
  reorder.release(10_000);
  assert.deepEqual(taken(reorder), [1], "a flow that was silent before waits for nothing");
});

Deno.test("what every path has overtaken is lost, and nobody waits for it", () => {
  const reorder = twoPaths();
  reorder.accept(0, BULK_STREAM, 1, 0, 11, 0, BOTH, 10_000, 10_000);
  reorder.release(10_000);
  assert.deepEqual(taken(reorder), []);
  // Urgent packets may have overtaken the missing one on a full link: they say nothing of it.
  reorder.accept(1, DNS_STREAM, 0, 0, 12, 1, BOTH, 30_000, 11_000);
  reorder.release(11_000);
  assert.deepEqual(taken(reorder), [1]);
  // Another bulk stream's packet on the slow path, numbered later.
  reorder.accept(2, BULK_STREAM + 1, 0, 0, 13, 1, BOTH, 30_000, 12_000);
  reorder.release(12_000);
  assert.deepEqual(taken(reorder), [2, 0]);
});

Deno.test("a single path never waits", () => {
  const reorder = new Reorder(64, new Room(32));
  for (const [slot, order] of [0, 2, 3, 7].entries()) {
    reorder.accept(slot, BULK_STREAM, order, 0, order, 0, 1, 10_000, 0);
    reorder.release(0);
  }
  assert.deepEqual(taken(reorder), [0, 1, 2, 3]);
});

Deno.test("duplicates leave once, late ones leave late, and other streams never wait", () => {
  const reorder = twoPaths();
  assert.equal(reorder.accept(0, CALL_STREAM, 0, 0, 0, 0, BOTH, 10_000, 0), READY);
  assert.equal(reorder.accept(1, CALL_STREAM, 0, 0, 1, 1, BOTH, 30_000, 20_000), DUPLICATE);
  reorder.accept(2, CALL_STREAM, 2, 0, 4, 0, BOTH, 10_000, 20_000);
  assert.equal(
    reorder.accept(3, CALL_STREAM, 2, 0, 5, 1, BOTH, 30_000, 20_000),
    DUPLICATE,
    "of one that is held",
  );
  assert.equal(reorder.accept(4, DNS_STREAM, 0, 0, 6, 0, BOTH, 10_000, 20_000), READY);
  reorder.release(90_000);
  assert.deepEqual(taken(reorder), [0, 4, 2]);
  assert.equal(reorder.accept(5, CALL_STREAM, 1, 0, 2, 0, BOTH, 10_000, 95_000), READY);
  assert.equal(reorder.accept(6, CALL_STREAM, 1, 0, 3, 1, BOTH, 10_000, 95_000), DUPLICATE);
  assert.deepEqual(taken(reorder), [5]);
  assert.deepEqual([reorder.late, reorder.lost, reorder.duplicates], [1, 1, 3]);
});

Deno.test("property: every packet leaves exactly once, in order where nothing is later than the wait, within its bound", () => {
  const arrivals = fc.array(
    fc.record({ stream: fc.constantFrom(BULK_STREAM, CALL_STREAM), path: fc.nat(1), lateUs: fc.nat(1_000) }),
    { maxLength: 300 },
  );
  fc.assert(
    fc.property(
      arrivals,
      fc.constantFrom(0, 300, 65_400, 65_530),
      fc.boolean(),
      (packets, firstOrder, isLossy) => {
        const reorder = twoPaths();
        const orders = new Map<number, number>();
        const owdUs = [10_000, 30_000], lastUs = [0, 0];
        // Packets are sent every 200 us; each path keeps its own order.
        const wire = packets.map(({ stream, path, lateUs }, index) => {
          const order = orders.get(stream) ?? firstOrder;
          orders.set(stream, order + 1 & 0xffff);
          const atUs = Math.max(lastUs[path]!, index * 200 + owdUs[path]! + lateUs);
          lastUs[path] = atUs;
          return {
            index,
            stream,
            path,
            order,
            atUs,
            sentUs: index * 200,
            isLost: isLossy && index % 7 === 3,
          };
        });
        const received = wire.filter(({ isLost }) => !isLost).sort((a, b) =>
          a.atUs - b.atUs || a.index - b.index
        );
        // To numbers that wrap around soon, by two leaps.
        for (const order of [30_000, firstOrder - 1 & 0xffff]) {
          for (const stream of [BULK_STREAM, CALL_STREAM]) {
            reorder.accept(
              1000,
              stream,
              order,
              0,
              -5 >>> 0,
              0,
              BOTH,
              10_000,
              0,
            );
          }
        }
        taken(reorder);
        const leftUs = new Map<number, number>();
        const left: number[] = [];
        const drain = (nowUs: number) => {
          for (const slot of taken(reorder)) {
            assert.ok(!leftUs.has(slot));
            leftUs.set(slot, nowUs);
            left.push(slot);
          }
        };
        for (const { index, stream, path, order, atUs, sentUs } of received) {
          while (reorder.nextUs <= atUs) {
            const nextUs = reorder.nextUs;
            reorder.release(nextUs);
            drain(nextUs);
          }
          reorder.accept(index, stream, order, 0, index, path, BOTH, atUs - sentUs, atUs);
          reorder.release(atUs);
          drain(atUs);
        }
        reorder.release(1e9);
        drain(1e9);
        assert.equal(left.length, received.length);
        for (const stream of [BULK_STREAM, CALL_STREAM]) {
          const numbers = left.filter((index) => wire[index]!.stream === stream);
          assert.deepEqual(numbers, numbers.toSorted((a, b) => a - b));
        }
        for (const { index, stream, atUs } of received) {
          const bound = stream === CALL_STREAM ? WAIT_URGENT_US : WAIT_BULK_US;
          assert.ok(leftUs.get(index) === 1e9 || leftUs.get(index)! - atUs <= bound);
        }
      },
    ),
  );
});

Deno.test("property: whatever numbers come, memory stays bounded and every slot comes back once", () => {
  const hostile = fc.array(fc.tuple(fc.nat(4095), fc.nat(0xffff), fc.nat(15), fc.nat(), fc.nat(7)), {
    maxLength: 400,
  });
  fc.assert(fc.property(hostile, fc.boolean(), (packets, isOneStream) => {
    const reorder = new Reorder(400, new Room(16));
    const out = new Set<number>();
    let inside = 0;
    for (const [slot, [stream, order, age, global, path]] of packets.entries()) {
      const outcome = reorder.accept(
        slot,
        isOneStream ? 2100 : stream,
        order % 9000,
        age,
        global >>> 0,
        path,
        BOTH,
        0,
        slot,
      );
      inside++;
      if (outcome === DUPLICATE) inside--;
      for (const one of taken(reorder)) {
        assert.ok(!out.has(one));
        out.add(one);
        inside--;
      }
      assert.ok(inside <= 16, `${inside} held`);
    }
    reorder.release(Infinity);
    inside -= taken(reorder).length;
    assert.equal(inside, 0);
  }));
});
