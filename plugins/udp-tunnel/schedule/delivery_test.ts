import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { BULK, INTERACTIVE, type Kind, REAL_TIME } from "./classify.ts";
import { Delivery, DROPPED, type PathState } from "./delivery.ts";

const STREAM = { [INTERACTIVE]: 5, [REAL_TIME]: 1030, [BULK]: 3000 };
const BYTES = 1250;

function path(mbps: number, owdMs: number, more: Partial<PathState> = {}): PathState {
  return {
    tier: 0,
    isUsable: true,
    rateBitsPerSecond: mbps * 1e6,
    isStarting: false,
    owdUs: owdMs * 1000,
    lossRatio: 0,
    ...more,
  };
}

function delivery(...paths: PathState[]): Delivery {
  const made = new Delivery();
  made.update(paths, 0);
  return made;
}

/** Sends packets at an even rate for `seconds`. @returns packets by path, and lost ones last */
function send(one: Delivery, mbps: number, seconds: number, kind: Kind = BULK, fromUs = 0): number[] {
  const counts = [0, 0, 0, 0];
  const gapUs = BYTES * 8 / mbps;
  for (let atUs = fromUs; atUs < fromUs + seconds * 1e6; atUs += gapUs) {
    const chosen = one.choose(BYTES, kind, STREAM[kind], 1, mbps * 1e6, false, atUs);
    counts[chosen === DROPPED ? 3 : chosen]!++;
  }
  return counts;
}

Deno.test("bulk within the sum of the rates loses nothing and is shared by rate", () => {
  const [fast, slow, , lost] = send(delivery(path(80, 10), path(20, 15)), 98, 2);
  assert.equal(lost, 0);
  assert.ok(Math.abs(fast! / slow! - 4) < 0.6, `${fast} : ${slow}`);
});

Deno.test("bulk that one path carries takes the nearer one", () => {
  assert.deepEqual(send(delivery(path(50, 10), path(50, 30)), 40, 1), [4000, 0, 0, 0]);
});

Deno.test("more than all paths carry is refused, and no queue grows", () => {
  const one = delivery(path(30, 10), path(10, 10));
  const [fast, slow, , lost] = send(one, 80, 2);
  assert.ok(Math.abs(lost! / 16_000 - 0.5) < 0.03, `${lost}`);
  assert.ok(fast! > 2.5 * slow!);
  assert.ok(one.queuedUs(0, 2e6) <= 61_000, `${one.queuedUs(0, 2e6)}`);
  one.choose(200, REAL_TIME, 1030, 2, 80_000, false, 2e6);
  send(one, 80, 1, BULK, 2e6);
  assert.ok(one.queuedUs(0, 3e6) <= 31_000, `${one.queuedUs(0, 3e6)} with a call`);
});

Deno.test("downloads are told of a queue of 10 ms only while there is a call", () => {
  const one = delivery(path(40, 10));
  for (let packet = 0; packet < 40; packet++) one.choose(BYTES, BULK, STREAM[BULK], 1, 40e6, false, 0);
  send(one, 40, 1);
  assert.equal(one.signalled, 0);
  one.choose(200, REAL_TIME, 1030, 2, 80_000, false, 1e6);
  send(one, 40, 1, BULK, 1e6);
  assert.ok(one.signalled > 5, `${one.signalled}`);
});

Deno.test("a path too far behind the others carries no bulk, but may carry the last hope", () => {
  assert.deepEqual(send(delivery(path(50, 10), path(50, 300)), 80, 1)[1], 0);
  assert.equal(send(delivery(path(50, 10, { isUsable: false }), path(50, 300)), 40, 1)[1], 4000);
});

Deno.test("secondaries take what primaries cannot, backups what nobody else can", () => {
  const paths = [path(20, 10), path(20, 10, { tier: 1 }), path(20, 5, { tier: 2 })];
  assert.deepEqual(send(delivery(...paths), 15, 1).slice(1), [0, 0, 0]);
  const [first, second, backup, lost] = send(delivery(...paths), 35, 1);
  assert.ok(
    first! > 1_900 && second! > 1_300 && backup === 0 && lost! === 0,
    `${[first, second, backup, lost]}`,
  );
  const gone = { isUsable: false };
  assert.equal(
    send(delivery(path(20, 10, gone), path(20, 10, { tier: 1, ...gone }), paths[2]!), 10, 1)[2],
    1000,
  );
  assert.equal(send(delivery(path(20, 10, gone)), 1, 1)[3], 100);
});

Deno.test("urgent packets go where they arrive first, around queues and around loss", () => {
  const one = delivery(path(10, 10), path(10, 15));
  assert.equal(one.choose(100, INTERACTIVE, 5, 2, 0, false, 0), 0);
  send(one, 60, 0.05);
  assert.ok(one.queuedUs(0, 50_000) > 8_000);
  const lossy = delivery(path(10, 10, { lossRatio: 0.02 }), path(10, 15));
  assert.equal(lossy.choose(100, INTERACTIVE, 5, 2, 0, false, 0), 1);
});

Deno.test("a call travels twice, with the same number; what is larger travels once", () => {
  const one = delivery(path(10, 10), path(10, 15), path(10, 40));
  assert.equal(one.choose(200, REAL_TIME, 1030, 2, 80_000, false, 0), 0);
  assert.deepEqual([one.duplicate, one.order], [1, 0]);
  one.choose(200, REAL_TIME, 1030, 2, 80_000, false, 20_000);
  assert.deepEqual([one.duplicate, one.order, one.age], [1, 1, 2]);
  one.choose(1200, REAL_TIME, 1031, 3, 2e6, false, 20_000);
  assert.equal(one.duplicate, DROPPED);
  const alone = delivery(path(10, 10));
  assert.equal(alone.choose(200, REAL_TIME, 1030, 2, 80_000, false, 0), 0);
  assert.equal(alone.duplicate, DROPPED);
});

Deno.test("one greedy flow does not take what a modest one needs", () => {
  const paths = [path(20, 10), path(20, 12)];
  const one = delivery(...paths);
  let sent = 0, lost = 0, nextUpdateUs = 0;
  // 100 Mbit/s of one flow against 10 Mbit/s of another.
  for (let atUs = 0, count = 0; atUs < 2e6; atUs += 100, count++) {
    if (atUs >= nextUpdateUs) {
      one.update(paths, atUs);
      nextUpdateUs += 100_000;
    }
    one.choose(BYTES, BULK, 3000, 1, 100e6, false, atUs);
    if (count % 10 !== 0) continue;
    sent++;
    if (one.choose(BYTES, BULK, 3001, 2, 10e6, false, atUs) === DROPPED) lost++;
  }
  assert.ok(lost / sent < 0.02, `${lost} of ${sent}`);
});

Deno.test("a queue that stands is told by marks where they are understood", () => {
  const one = delivery(path(10, 10));
  let marked = 0;
  for (let atUs = 0; atUs < 1.2e6; atUs += 970) {
    one.choose(BYTES, BULK, 3000, 1, 10.3e6, true, atUs);
    if (one.isMarked) marked++;
  }
  assert.ok(marked >= 3 && marked < 60, `${marked}`);
  assert.equal(one.dropped, 0);
});

Deno.test("property: packets go only to usable paths, numbers have no gaps, queues are bounded", () => {
  const paths = fc.array(
    fc.record({
      tier: fc.constantFrom(0 as const, 1 as const, 2 as const),
      isUsable: fc.boolean(),
      rateBitsPerSecond: fc.integer({ min: 0, max: 1e9 }),
      isStarting: fc.constant(false),
      owdUs: fc.integer({ min: -1e6, max: 1e6 }),
      lossRatio: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { maxLength: 10 },
  );
  const packets = fc.array(
    fc.tuple(fc.constantFrom<Kind>(0, 1, 2), fc.integer({ min: 1, max: 1500 }), fc.nat(3000)),
  );
  fc.assert(fc.property(paths, packets, (states, sends) => {
    const one = delivery(...states);
    let nowUs = 0;
    const orders = [0, 0, 0];
    for (const [kind, length, laterUs] of sends) {
      nowUs += laterUs;
      const chosen = one.choose(length, kind, STREAM[kind], kind, 1e6 * kind, false, nowUs);
      if (chosen === DROPPED) continue;
      assert.equal(one.order, orders[kind]!++);
      for (const used of [chosen, one.duplicate]) {
        if (used === DROPPED) continue;
        const { isUsable, rateBitsPerSecond } = states[used]!;
        assert.ok(isUsable && rateBitsPerSecond > 0);
        const ownUs = 8e6 * length / rateBitsPerSecond;
        const limitUs = Math.max(100_000, 2 * 16_384 * 8e6 / rateBitsPerSecond);
        assert.ok(one.queuedUs(used, nowUs) <= limitUs + ownUs + 1);
      }
    }
  }));
});

Deno.test("what travels after a path is gone does not ask the receiver to wait for it", () => {
  const both = [path(30, 10), path(30, 12)];
  const one = delivery(...both);
  for (const kind of [BULK, INTERACTIVE] as const) send(one, 50, 1, kind);
  for (const kind of [BULK, INTERACTIVE] as const) {
    one.choose(BYTES, kind, STREAM[kind], 1, 1e6, false, 2e6);
    assert.ok(one.paths & 1, "the first was used lately");
  }
  one.update([{ ...both[0]!, isUsable: false }, both[1]!], 2e6 + 1);
  for (const kind of [BULK, INTERACTIVE] as const) {
    assert.equal(one.choose(BYTES, kind, STREAM[kind], 1, 1e6, false, 2e6 + 2), 1);
    assert.equal(one.paths, 2);
  }
});
