import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz, swift } from "../../tests/fuzz/property.ts";
import { type Bytes, hostile } from "../../tests/fuzz/inputs.ts";
import { CONTROL_BYTES, decodeControl, encodeControl } from "./session/control.ts";
import { MAX_PATHS } from "./schedule/delivery.ts";
import { FlowKey, markCongestion } from "./schedule/flow_key.ts";
import { Fragments } from "./session/fragments.ts";
import { Room } from "./schedule/reorder.ts";
import { isFor, isFrom, keysOf, targetKey } from "./ends/inner_address.ts";
import { write } from "./testing/packets.ts";
import { SealedHeader } from "./wire.ts";

const exactly = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Uint8Array.from(bytes) as Bytes);

const entry = (path: number) => ({
  path,
  tier: 1,
  capKbps: 9_000,
  isHeard: true,
  echoUs: 1,
  heldUs: 2,
  mtuRound: 3,
  mtuBytes: 1_500,
  trainRound: 4,
  trainKbps: 5,
  queueUs: 6,
  rateKbps: 7,
  isStarting: false,
  report: undefined,
});
const controls = fc.tuple(fc.nat(MAX_PATHS), exactly(20)).map(([count, observed]) => {
  const out = new Uint8Array(CONTROL_BYTES);
  const entries = Array.from({ length: count }, (_, path) => entry(path));
  const length = encodeControl({ beat: 1, isActive: true, wantsAnswer: false, observed, entries }, out, 0);
  return out.slice(0, length);
});

fuzz(
  "what an end tells of its paths is taken whole or not at all, and comes back the same",
  hostile(controls, 700),
  (bytes) => {
    // Behind it in the arena stands what does not belong to it.
    const arena = new Uint8Array(bytes.length + 64).fill(0xff);
    arena.set(bytes, 8);
    const control = swift(() => decodeControl(arena, 8, bytes.length));
    if (!control) return;
    assert.ok(control.entries.length <= MAX_PATHS);
    assert.ok(control.entries.every(({ path, tier }) => path < MAX_PATHS && tier <= 3));
    const out = new Uint8Array(CONTROL_BYTES);
    const length = encodeControl(control, out, 0);
    assert.ok(length <= bytes.length);
    // A report's unsigned fields beyond what is sent are held at their bound.
    const again = decodeControl(out, 0, length)!;
    assert.deepEqual(
      again.entries.map(({ report: _, ...rest }) => rest),
      control.entries.map(({ report: _, ...rest }) => rest),
    );
    assert.deepEqual([again.beat, again.isActive, again.observed], [
      control.beat,
      control.isActive,
      control.observed,
    ]);
  },
);

const packets = fc.record({
  version: fc.constantFrom(4 as const, 6 as const),
  protocol: fc.constantFrom(0, 1, 6, 17, 43, 44, 58, 60, 255),
  trafficClass: fc.nat(255),
  payload: fc.array(fc.nat(255), { maxLength: 80 }),
}).map((packet) => {
  const bytes = new Uint8Array(4_096);
  return bytes.slice(0, write(bytes, 0, packet));
});

fuzz(
  "of a packet nothing is told that does not stand in it: what lies behind changes no answer",
  hostile(packets, 300),
  (packet) => {
    const [one, other] = [0, 0xff].map((around) => {
      const bytes = new Uint8Array(packet.length + 128).fill(around);
      bytes.set(packet, 64);
      const key = new FlowKey(7);
      const read = swift(() => key.read(bytes, 64, packet.length));
      return read
        ? [
          key.hash,
          key.check,
          key.protocol,
          key.sourcePort,
          key.destinationPort,
          key.payload,
          key.payloadEnd,
        ]
        : undefined;
    });
    assert.deepEqual(one, other);
    if (!one) return;
    assert.ok(one[5]! <= one[6]! && one[6] === 64 + packet.length);
    const marked = packet.slice();
    markCongestion(marked, 0);
    assert.equal(marked.length, packet.length);
    assert.ok(marked.every((byte, at) => byte === packet[at] || at <= 1 || at === 10 || at === 11));
  },
);

fuzz(
  "a packet has one box at most: who may send it is who gets the answer",
  fc.tuple(hostile(packets, 120), exactly(4), fc.option(exactly(8), { nil: undefined })),
  ([packet, address, prefix]) => {
    const bytes = new Uint8Array(160);
    bytes.set(packet);
    const box = { address, prefix };
    const key = targetKey(bytes, 0);
    assert.ok(key === -1 || Number.isInteger(key) && key >= 0);
    if (isFor(bytes, 0, box)) assert.ok(keysOf(box).includes(key));
    if (![4, 6].includes(bytes[0]! >> 4)) assert.ok(!isFrom(bytes, 0, box) && !isFor(bytes, 0, box));
  },
);

fuzz(
  "halves of packets: every slot comes back once, and few wait",
  fc.array(fc.tuple(fc.nat(3), fc.nat(80), fc.constantFrom(1, 2), fc.nat(200_000)), { maxLength: 300 }),
  (arrivals) => {
    const room = new Room(1_000), halves = new Fragments(room), out = new Set<number>();
    let inside = 0, nowUs = 0;
    const free = (slot: number) => {
      assert.ok(!out.has(slot));
      out.add(slot);
      inside--;
    };
    for (const [slot, [stream, order, content, laterUs]] of arrivals.entries()) {
      nowUs += laterUs;
      inside++;
      const other = halves.take(stream, order, { slot, length: 9, content, atUs: nowUs }, free);
      if (other) {
        free(other.slot);
        free(slot);
      }
      assert.ok(inside <= 65, `${inside} wait`);
    }
    halves.clear(free);
    assert.deepEqual([inside, room.held], [0, 0]);
  },
  { cost: 4 },
);

fuzz(
  "every word is a sealed header, and is written as it was read",
  fc.tuple(exactly(16), fc.nat(4)),
  ([words, slot]) => {
    const bytes = new Uint8Array(128), other = new Uint8Array(128);
    bytes.set(words, slot * 16);
    const header = new SealedHeader();
    header.read(new Uint32Array(bytes.buffer), slot * 16);
    header.write(new Uint32Array(other.buffer), slot * 16);
    const again = new SealedHeader();
    again.read(new Uint32Array(other.buffer), slot * 16);
    assert.deepEqual(again, header);
  },
);
