import assert from "node:assert/strict";
import fc from "fast-check";
import {
  DatagramMeter,
  type Header,
  HEADER_BYTES,
  Kind,
  payloadOf,
  readHeader,
  writeHeader,
} from "./datagram_meter.ts";

const BYTES = 100;

function packet(sequence: number, { flow = 0, kind = Kind.data as number, sentUs = 0, bytes = BYTES } = {}) {
  const whole = new Uint8Array(bytes);
  writeHeader(whole, { session: 7, kind, flow, sequence, sentUs });
  whole.set(payloadOf(sequence, bytes - HEADER_BYTES), HEADER_BYTES);
  return whole;
}

/** Takes packets as they come, `[sequence, arrival in ms, more]`. */
function metered(...arrivals: [number, number, Parameters<typeof packet>[1]?][]) {
  const meter = new DatagramMeter(BYTES);
  for (const [sequence, ms, more] of arrivals) {
    const whole = packet(sequence, more);
    meter.take(readHeader(whole)!, whole, ms * 1000);
  }
  return meter.report();
}

Deno.test("one that overtook others makes each of those out of order, once", () => {
  const { received, reordered, duplicates } = metered([0, 0], [3, 1], [1, 2], [2, 3], [4, 4], [2, 5]);
  assert.deepEqual({ received, reordered, duplicates }, { received: 5, reordered: 2, duplicates: 1 });
});

Deno.test("each flow has an order of its own", () => {
  assert.equal(metered([5, 0], [0, 1, { flow: 1 }], [6, 2], [1, 3, { flow: 1 }]).reordered, 0);
});

Deno.test("what was sent early counts for the order only", () => {
  const { received, reordered, longestGapMs } = metered([0, 0, { kind: Kind.early }], [2, 500], [
    1,
    510,
    { kind: Kind.early },
  ], [3, 520]);
  assert.deepEqual({ received, reordered, longestGapMs }, { received: 2, reordered: 0, longestGapMs: 20 });
});

Deno.test("delay, rate and the longest gap are by the receiver's clock", () => {
  const { delayMs, mbps, longestGapMs } = metered(
    [0, 20, { sentUs: 10_000 }],
    [1, 30, { sentUs: 20_000 }],
    [2, 100, { sentUs: 30_000 }],
  );
  assert.deepEqual([delayMs.min, delayMs.median, delayMs.max], [10, 10, 70]);
  assert.equal(mbps, 3 * BYTES * 8 / 80_000);
  assert.equal(longestGapMs, 70);
});

Deno.test("a gap that is not over counts as far as it goes, in the line it falls into", () => {
  const meter = new DatagramMeter(BYTES);
  const take = (sequence: number, ms: number) => {
    const whole = packet(sequence);
    meter.take(readHeader(whole)!, whole, ms * 1000);
  };
  take(0, 0);
  take(1, 40);
  assert.deepEqual([meter.takeGapMs(50_000), meter.takeGapMs(150_000)], [40, 110]);
  take(2, 160);
  assert.deepEqual([meter.takeGapMs(170_000), meter.takeGapMs(180_000)], [120, 20]);
});

Deno.test("other bytes and another length are damage", () => {
  const meter = new DatagramMeter(BYTES);
  for (const [sequence, change] of [[0, 0], [1, 1], [2, 0]] as const) {
    const whole = packet(sequence, { bytes: sequence === 2 ? BYTES + 1 : BYTES });
    whole[HEADER_BYTES + 9]! ^= change;
    meter.take(readHeader(whole)!, whole, sequence);
  }
  assert.equal(meter.report().damaged, 2);
});

Deno.test("in any order, with any losses and repeats: each number once, and as many late ones as a slow count finds", () => {
  fc.assert(fc.property(fc.array(fc.nat(300), { maxLength: 400 }), (sequences) => {
    const { received, reordered, duplicates } = metered(
      ...sequences.map((one, at) => [one, at] as [number, number]),
    );
    const first = sequences.filter((one, at) => sequences.indexOf(one) === at);
    const late = first.filter((one) =>
      sequences.slice(0, sequences.indexOf(one)).some((other) => other > one)
    );
    assert.deepEqual([received, duplicates, reordered], [
      first.length,
      sequences.length - first.length,
      late.length,
    ]);
  }));
});

Deno.test("a header reads back as it was written, and noise is none", () => {
  const header: fc.Arbitrary<Header> = fc.record({
    session: fc.nat(0xffff_ffff),
    kind: fc.nat(0xffff),
    flow: fc.nat(0xffff),
    sequence: fc.nat(0xffff_ffff),
    sentUs: fc.double({ noNaN: true }),
  }, { noNullPrototype: true });
  fc.assert(fc.property(header, (one) => {
    const bytes = new Uint8Array(HEADER_BYTES);
    writeHeader(bytes, one);
    assert.deepEqual(readHeader(bytes), one);
  }));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    if (bytes[0] !== 0x64) assert.equal(readHeader(bytes), undefined);
  }));
});
