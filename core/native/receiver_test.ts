// The tunnel's receiver: what it gives, drops and counts, and in which memory.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Errno, MIN_FREE_SLOTS, RAW_TAG, RECORD_WORDS, TUNNEL_OVERHEAD } from "./ffi.ts";
import { ready } from "./testing/namespace.ts";
import { type Delivered, keys, LARGEST, random, sealed, Wire } from "./testing/tunnel_wire.ts";

Deno.test("random bytes come up raw and whole, and data packets of nobody are counted", () => {
  using wire = new Wire();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(undefined, 4), (bytes, type) => {
      const datagram = new Uint8Array(bytes);
      if (type !== undefined && datagram.length > 0) datagram[0] = type;
      if (datagram[0] === 4 && datagram.length >= TUNNEL_OVERHEAD) {
        assert.deepEqual(wire.dropped(datagram), [0, 0, 1, 0]);
        // Nor do they open with the session's index, or crash with any path and counter.
        new DataView(datagram.buffer).setUint32(4, 20, true);
        assert.deepEqual(wire.dropped(datagram), [1, 0, 0, 0]);
        return;
      }
      wire.raw(datagram);
      const [{ tag, bytes: got, wireBytes }] = wire.receiveAll(1) as [Delivered];
      assert.deepEqual({ tag, got, wireBytes }, { tag: RAW_TAG, got: datagram, wireBytes: datagram.length });
    }),
    { numRuns: 300 },
  );
});

Deno.test("raw and data packets mix in one batch", () => {
  using wire = new Wire();
  const packet = random(700), hello = random(700);
  hello[0] = 1;
  wire.send([packet]);
  wire.raw(hello);
  wire.send([packet]);
  assert.deepEqual(wire.receiveAll(3).map(({ tag }) => tag), [7, RAW_TAG, 7]);
});

Deno.test("what does not fit a slot is dropped and counted, what just fits is not", () => {
  using wire = new Wire();
  wire.send([random(LARGEST)]);
  assert.equal(wire.receiveAll(1)[0]!.bytes.length, LARGEST);
  const [large] = sealed(wire, [random(LARGEST + 1)]);
  assert.deepEqual(wire.dropped(large!), [0, 0, 0, 1]);
  const raw = random(LARGEST + 1);
  raw[0] = 1;
  assert.deepEqual(wire.dropped(raw), [0, 0, 0, 1]);
});

Deno.test("no more is taken from the socket than there are slots for", () => {
  using wire = new Wire();
  const packets = Array.from({ length: 256 }, (_, index) => random(200 + index % 2));
  for (const packet of packets) wire.send([packet]);
  assert.equal(wire.receive(MIN_FREE_SLOTS - 1), -Errno.ENOBUFS);
  assert.equal(wire.receive(0), -Errno.ENOBUFS);
  const some = wire.receive(2 * MIN_FREE_SLOTS) as Delivered[];
  assert.ok(some.length >= 1 && some.length <= 2 * MIN_FREE_SLOTS, `${some.length}`);
  const all = [...some, ...wire.receiveAll(packets.length - some.length)];
  assert.deepEqual(all.map((packet) => packet.counter), packets.map((_, index) => index));
});

Deno.test("removed keys are unknown, new ones take their place, and freed ones stay with the receiver", () => {
  using wire = new Wire();
  const packet = random(50);
  wire.far.free();
  wire.send([packet]);
  assert.equal(wire.receiveAll(1)[0]!.first, true);
  const [old] = sealed(wire, [packet]);
  const next = keys();
  wire.receiver.add(20, next.far, 8);
  assert.deepEqual(wire.dropped(old!), [1, 0, 0, 0]);
  wire.near.free();
  assert.equal(wire.send([packet]), -Errno.EINVAL);
  wire.near = next.near;
  wire.send([packet]);
  const [{ tag, first, counter }] = wire.receiveAll(1) as [Delivered];
  assert.deepEqual({ tag, first, counter }, { tag: 8, first: true, counter: 0 });
  wire.receiver.remove(20);
  wire.receiver.remove(20);
  wire.send([packet]);
  ready(wire.in, "in");
  assert.deepEqual(wire.receive(), []);
  assert.deepEqual(wire.counts, [1, 0, 1, 0]);
  next.far.free();
  assert.throws(() => wire.receiver.add(20, next.far, 8), { code: "native-einval" });
});

Deno.test("lengths and places outside of what was given are refused", () => {
  using wire = new Wire();
  const arena = new Uint8Array(100),
    send = (items: number[], count: number, path = 0) =>
      wire.near.send(wire.out, wire.to, path, 0, arena, Uint32Array.from(items), count);
  assert.equal(send([0, 10, 90, 11], 2), -Errno.EINVAL);
  assert.equal(send([0xffff_ffff, 2], 1), -Errno.EINVAL);
  assert.equal(send([0, 10], 2), -Errno.EINVAL);
  assert.equal(send([0, 10], -1), -Errno.EINVAL);
  assert.equal(send([0, 10], 1, 8), -Errno.EINVAL);
  assert.equal(send([], 0), 0);
  assert.equal(wire.near.sealed, 0);
  assert.equal(wire.near.send(-1, wire.to, 0, 0, arena, Uint32Array.of(0, 10), 1), -Errno.EBADF);
  const long = new Uint8Array(65_600);
  assert.equal(wire.near.send(wire.out, wire.to, 0, 0, long, Uint32Array.of(0, 65_600), 1), -Errno.EMSGSIZE);
  const records = new Uint32Array(RECORD_WORDS), slots = new Int32Array(64);
  const receive = (stride: number, headroom: number, count: number) =>
    wire.receiver.receive(wire.in, arena, stride, headroom, slots, count, records);
  assert.equal(receive(100, 0, 65), -Errno.EINVAL);
  assert.equal(receive(100, 0, 64), -Errno.ENOBUFS); // records for one
  assert.equal(receive(40, 40, 64), -Errno.EINVAL);
  // A slot outside of the arena is never written to.
  send([0, 10], 1);
  slots.fill(1);
  const enough = new Uint32Array(64 * RECORD_WORDS);
  ready(wire.in, "in");
  assert.equal(wire.receiver.receive(wire.in, arena, 100, 0, slots, 64, enough), 0);
  slots.fill(-1);
  send([0, 10], 1);
  ready(wire.in, "in");
  assert.equal(wire.receiver.receive(wire.in, arena, 100, 0, slots, 64, enough), 0);
  assert.deepEqual(wire.counts, [0, 0, 0, 2]);
});

Deno.test("marks and large buffers leave other receivers of such a socket as they were", () => {
  using wire = new Wire();
  wire.send([random(1000), random(1000), random(500)], 0, 0x20);
  ready(wire.in, "in");
  assert.deepEqual(wire.intercept().map((datagram) => datagram.length), [1032, 1032, 532]);
});

Deno.test("a thousand sessions take bounded memory", () => {
  using wire = new Wire();
  const before = Deno.memoryUsage().rss;
  const many = Array.from({ length: 1000 }, keys);
  try {
    for (const [index, { far }] of many.entries()) wire.receiver.add(1_000_000 + index, far, index);
    const each = (Deno.memoryUsage().rss - before) / many.length;
    assert.ok(each < 16_384, `${each} bytes a session, both ends`);
  } finally {
    for (const { near, far } of many) {
      near.free();
      far.free();
    }
  }
});
