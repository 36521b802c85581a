import assert from "node:assert/strict";
import fc from "fast-check";
import { type Control, CONTROL_BYTES, decodeControl, encodeControl, type PathEntry } from "./control.ts";

const u32 = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const u8 = fc.integer({ min: 0, max: 255 });
const report = fc.record({
  receivedBytes: u32,
  receivedPackets: u32,
  lostPackets: u32,
  receivedSpanUs: u32,
  sentSpanUs: u32,
  excessUs: i32,
  peakUs: i32,
  baseUs: i32,
  delayUs: i32,
}, { noNullPrototype: true });
const entry: fc.Arbitrary<PathEntry> = fc.record({
  path: fc.integer({ min: 0, max: 7 }),
  tier: fc.integer({ min: 0, max: 3 }),
  capKbps: u32,
  isHeard: fc.boolean(),
  echoUs: u32,
  heldUs: u32,
  mtuRound: u8,
  mtuBytes: fc.integer({ min: 0, max: 65_535 }),
  trainRound: u8,
  trainKbps: u32,
  queueUs: u32,
  rateKbps: u32,
  isStarting: fc.boolean(),
  report: fc.option(report, { nil: undefined }),
}, { noNullPrototype: true });
const control: fc.Arbitrary<Control> = fc.record({
  beat: u32,
  isActive: fc.boolean(),
  wantsAnswer: fc.boolean(),
  observed: fc.uint8Array({ minLength: 20, maxLength: 20 }) as fc.Arbitrary<Uint8Array<ArrayBuffer>>,
  entries: fc.array(entry, { maxLength: 8 }),
}, { noNullPrototype: true });

Deno.test("what one end tells is what the other reads, wherever it lies", () => {
  fc.assert(fc.property(control, fc.integer({ min: 0, max: 64 }), (said, at) => {
    const room = new Uint8Array(at + CONTROL_BYTES);
    const length = encodeControl(said, room, at);
    assert.ok(length <= CONTROL_BYTES);
    assert.deepEqual(decodeControl(room, at, length), said);
    assert.equal(decodeControl(room, at, length - 1), undefined, "a byte less is no message");
  }));
});

Deno.test("no bytes make the reader fail or give a path that does not exist", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: CONTROL_BYTES + 8 }), (bytes) => {
    const read = decodeControl(bytes as Uint8Array<ArrayBuffer>, 0, bytes.length);
    assert.ok(!read || read.entries.every(({ path, tier }) => path < 8 && tier <= 3));
  }));
});
