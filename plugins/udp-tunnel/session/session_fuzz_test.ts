import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeAddress, openNative } from "../../../core/native/ffi.ts";
import { fuzz, swift } from "../../../tests/fuzz/property.ts";
import { hostile } from "../../../tests/fuzz/inputs.ts";
import { HEADER_AT, STRIDE } from "../ends/arena.ts";
import { CONTROL_BYTES, encodeControl } from "./control.ts";
import { isFrom } from "../ends/inner_address.ts";
import { TunnelPath } from "../paths/path.ts";
import { Session } from "./session.ts";
import { Shared } from "../ends/shared.ts";
import { write } from "../testing/packets.ts";
import { SEALED_BYTES, SealedHeader } from "../wire.ts";

const shared = new Shared(openNative());
const inner = { address: new Uint8Array([10, 0, 0, 1]) };

const u32 = fc.oneof(fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1), fc.nat());
const entry = fc.record({
  path: fc.nat(7),
  tier: fc.nat(255),
  capKbps: u32,
  isHeard: fc.boolean(),
  echoUs: u32,
  heldUs: u32,
  mtuRound: fc.nat(255),
  mtuBytes: fc.nat(65_535),
  trainRound: fc.nat(255),
  trainKbps: u32,
  queueUs: u32,
  rateKbps: u32,
  isStarting: fc.boolean(),
  report: fc.option(
    fc.record({
      receivedBytes: u32,
      receivedPackets: u32,
      lostPackets: u32,
      receivedSpanUs: u32,
      sentSpanUs: u32,
      excessUs: fc.integer(),
      peakUs: fc.integer(),
      baseUs: fc.integer(),
      delayUs: fc.integer(),
    }),
    { nil: undefined },
  ),
});
const controls = fc.tuple(u32, fc.boolean(), fc.boolean(), fc.array(entry, { maxLength: 8 })).map(
  ([beat, isActive, wantsAnswer, entries]) => {
    const out = new Uint8Array(CONTROL_BYTES), observed = encodeAddress({ host: "192.0.2.1", port: 9 });
    return out.slice(0, encodeControl({ beat, isActive, wantsAnswer, observed, entries }, out, 0));
  },
);
const packets = fc.tuple(fc.constantFrom(4 as const, 6 as const), fc.nat(60)).map(([version, size]) => {
  const bytes = new Uint8Array(512);
  const length = write(bytes, 0, { version, payload: Array.from({ length: size }, () => 7) });
  if (version === 4) bytes.set(inner.address, 12);
  return bytes.slice(0, length);
});

const datagram = fc.record({
  path: fc.nat(8),
  header: fc.record({
    global: u32,
    sentUs: u32,
    stream: fc.nat(4_095),
    age: fc.nat(15),
    order: fc.oneof(fc.nat(9), fc.nat(65_535)),
    paths: fc.nat(255),
    queued: fc.nat(255),
    content: fc.oneof(fc.nat(4), fc.nat(255)),
  }),
  inside: hostile(fc.oneof(controls, packets), 1_400),
  counter: fc.oneof(fc.nat(50), fc.integer({ min: 2 ** 40, max: 2 ** 41 })),
  tos: fc.nat(255),
  laterUs: fc.nat(300_000),
});

fuzz(
  "whatever an end with the keys sends, a session throws nothing, keeps no slot for ever, and delivers what is its own",
  fc.tuple(fc.array(datagram, { maxLength: 60 }), fc.boolean()),
  ([arrivals, isCloud]) => {
    const { slots, in: arena } = shared;
    const mine = new Set<number>();
    const free = slots.free.bind(slots);
    slots.free = (slot) => {
      assert.ok(mine.delete(slot), `slot ${slot} came back twice`);
      free(slot);
    };
    try {
      let nowUs = 1_000_000;
      const session = new Session(shared, 0, nowUs, isCloud, (offset) => isFrom(arena.bytes, offset, inner));
      for (const index of [0, 1, 7]) {
        const remote = encodeAddress({ host: "192.0.2.1", port: 1_000 + index });
        session.paths[index] = new TunnelPath({ name: `${index}`, fd: -1, remote, tier: 0 });
      }
      session.beat.begins(nowUs);
      const deliver = () => {
        const { reorder } = session;
        for (const slot of reorder.ready.slice(0, reorder.readyCount)) {
          assert.ok(shared.lengths[slot]! >= 20 && isFrom(arena.bytes, slot * STRIDE + 64, inner));
          slots.free(slot);
        }
        reorder.readyCount = 0;
      };
      for (const { path, header, inside, counter, tos, laterUs } of arrivals) {
        nowUs += laterUs;
        const slot = slots.ready[0]!;
        slots.refill(1);
        mine.add(slot);
        const at = slot * STRIDE + HEADER_AT;
        Object.assign(new SealedHeader(), header).write(arena.words, at);
        arena.bytes.set(inside, at + SEALED_BYTES);
        session.receive(slot, SEALED_BYTES + inside.length, path, counter, inside.length + 48, tos, nowUs);
        deliver();
        session.reorder.release(nowUs);
        deliver();
        swift(() => session.beat.nextUs(nowUs));
      }
      session.close();
      assert.deepEqual([...mine], []);
    } finally {
      slots.free = free;
    }
  },
  { cost: 5 },
);
