// Packets through the tunnel, as the library seals and opens them.
import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv } from "node:crypto";
import fc from "fast-check";
import { Errno, openNative, RAW_TAG, TUNNEL_OVERHEAD } from "./ffi.ts";
import { independentInitiator, join } from "./testing/noise.ts";
import { type Bytes, type Delivered, keys, LARGEST, random, sealed, Wire } from "./testing/tunnel_wire.ts";

const native = openNative();

for (const [own, host] of [["127.0.0.1", "127.0.0.1"], ["::1", "::1"], ["::", "127.0.0.1"]] as const) {
  Deno.test(`a packet arrives with all that is told of it, from ${host} to ${own}`, () => {
    using wire = new Wire(host, {}, own);
    const packets = [random(1400), random(1400), random(9)];
    assert.equal(wire.send(packets, 5, 0xb8), 3);
    const all = wire.receiveAll(3);
    assert.deepEqual(all.map((packet) => packet.bytes), packets);
    for (const [index, packet] of all.entries()) {
      const { tag, path, counter, wireBytes, tos, remote, first, ageMicros } = packet;
      assert.deepEqual(
        { tag, path, counter, wireBytes, tos, remote, first },
        {
          tag: 7,
          path: 5,
          counter: index,
          wireBytes: packets[index]!.length + TUNNEL_OVERHEAD,
          tos: 0xb8,
          remote: host,
          first: index === 0,
        },
      );
      assert.ok(ageMicros <= 1_000_000);
    }
    assert.equal(wire.receive(), -Errno.EAGAIN);
    assert.equal(wire.near.sealed, 3);
    assert.equal(wire.far.sealed, 0);
  });
}

Deno.test("the age of a packet is the time it waited in the socket", async () => {
  using wire = new Wire();
  wire.send([random(10)]);
  const sent = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 30));
  const [packet] = wire.receiveAll(1);
  const bound = (performance.now() - sent + 20) * 1000;
  assert.ok(packet!.ageMicros >= 20_000 && packet!.ageMicros <= bound, `${packet!.ageMicros} of ${bound}`);
});

Deno.test("datagrams are those of an independent implementation, in both directions", () => {
  using wire = new Wire();
  const other = native.noiseKeyPair(), psk = random(32), prologue = random(5), message = new Uint8Array(200);
  const initiator = independentInitiator(random(32), other.publicKey, psk, prologue);
  const responder = native.noise({ initiator: false, privateKey: other.privateKey, psk, prologue });
  responder.read(initiator.first(new Uint8Array(0)), message);
  initiator.second(message.slice(0, responder.write(new Uint8Array(0), message)));
  const [to, from] = initiator.split();
  wire.near.free();
  wire.near = responder.split(20, 0x0a0b0c0d);
  wire.receiver.add(20, wire.near, 9);
  const header = (index: number, path: number, counter: bigint) => {
    const sixteen = new Uint8Array(16), view = new DataView(sixteen.buffer);
    sixteen.set([4, path]);
    view.setUint32(4, index, true);
    view.setBigUint64(8, counter, true);
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setUint32(0, path, true);
    new DataView(nonce.buffer).setBigUint64(4, counter, true);
    return [sixteen, nonce] as const;
  };

  const plain = random(100);
  const [, sent] = sealed(wire, [random(3), plain], 3);
  const [head, nonce] = header(0x0a0b0c0d, 3, 1n);
  assert.deepEqual(sent!.slice(0, 16), head);
  const opener = createDecipheriv("aes-256-gcm", from, nonce).setAAD(head).setAuthTag(sent!.slice(-16));
  assert.deepEqual(join(opener.update(sent!.slice(16, -16)), opener.final()), plain);

  const [ours, number] = header(20, 6, 0x1_0000_0002n);
  const sealer = createCipheriv("aes-256-gcm", to, number).setAAD(ours);
  wire.raw(join(ours, sealer.update(plain), sealer.final(), sealer.getAuthTag()));
  const [{ bytes, tag, path, counter }] = wire.receiveAll(1) as [Delivered];
  assert.deepEqual({ bytes, tag, path, counter }, { bytes: plain, tag: 9, path: 6, counter: 0x1_0000_0002 });
});

Deno.test("batches of mixed sizes arrive complete and in order", () => {
  using wire = new Wire();
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ size: fc.integer({ min: 0, max: LARGEST }), times: fc.integer({ min: 1, max: 90 }) }),
        {
          minLength: 1,
          maxLength: 6,
        },
      ),
      (runs) => {
        const packets = runs.flatMap(({ size, times }) => Array.from({ length: times }, () => random(size)));
        for (let sent = 0; sent < packets.length;) {
          const took = wire.send(packets.slice(sent));
          assert.ok(took > 0, `sent ${took}`);
          const all = wire.receiveAll(took);
          assert.ok(all.every((packet, index) => Buffer.compare(packet.bytes, packets[sent + index]!) === 0));
          assert.deepEqual(all.map(({ counter }) => counter), all.map((_, index) => all[0]!.counter + index));
          sent += took;
        }
      },
    ),
    { numRuns: 60 },
  );
  assert.deepEqual(wire.counts, [0, 0, 0, 0]);
});

Deno.test("every flipped byte of a data packet is refused", () => {
  using wire = new Wire();
  const [datagram] = sealed(wire, [random(60)]);
  for (let index = 1; index < datagram!.length; index++) {
    const forged = datagram!.slice();
    forged[index]! ^= 1 << index % 8;
    const expected = index >= 4 && index < 8 ? [0, 0, 1, 0] : [1, 0, 0, 0];
    assert.deepEqual(wire.dropped(forged), expected, `byte ${index}`);
  }
  assert.deepEqual(wire.dropped(datagram!.slice(0, -1)), [1, 0, 0, 0]);
  assert.deepEqual(wire.dropped(new Uint8Array([...datagram!, 0])), [1, 0, 0, 0]);
  // Another type is no data packet: it comes up raw.
  const other = datagram!.slice();
  other[0]! ^= 1;
  wire.raw(other);
  assert.deepEqual(wire.receiveAll(1).map(({ tag, bytes }) => ({ tag, bytes })), [{
    tag: RAW_TAG,
    bytes: other,
  }]);
  wire.raw(datagram!);
  assert.equal(wire.receiveAll(1)[0]!.first, true);
});

Deno.test("replays and too old packets are refused, reordering inside the window is not", () => {
  using wire = new Wire();
  const datagrams: Bytes[] = [];
  for (let batch = 0; batch < 33; batch++) {
    datagrams.push(...sealed(wire, Array.from({ length: 256 }, (_, index) => Uint8Array.of(batch, index))));
  }
  const deliver = (number: number) => {
    wire.raw(datagrams[number]!);
    assert.equal(wire.receiveAll(1)[0]!.counter, number);
  };
  const last = datagrams.length - 1; // 8447
  deliver(last);
  for (const number of [last - 1, last - 64, last - 8191, last - 4000, last - 63]) {
    deliver(number);
    assert.deepEqual(wire.dropped(datagrams[number]!), [0, 1, 0, 0], `${number}`);
  }
  assert.deepEqual(wire.dropped(datagrams[last]!), [0, 1, 0, 0]);
  assert.deepEqual(wire.dropped(datagrams[last - 8192]!), [0, 1, 0, 0]);
  assert.deepEqual(wire.dropped(datagrams[0]!), [0, 1, 0, 0]);
});

Deno.test("a forgery with a far counter does not move the window, and paths do not share one", () => {
  using wire = new Wire();
  const [one, two] = sealed(wire, [random(60), random(60)]);
  const [other] = sealed(wire, [random(60)], 1);
  const forged = two!.slice();
  new DataView(forged.buffer).setBigUint64(8, 1n << 40n, true);
  assert.deepEqual(wire.dropped(forged), [1, 0, 0, 0]);
  for (const datagram of [two!, one!, other!]) {
    wire.raw(datagram);
    wire.receiveAll(1);
    assert.deepEqual(wire.dropped(datagram), [0, 1, 0, 0]);
  }
});

Deno.test("new keys count on from the former ones, once", () => {
  using wire = new Wire();
  wire.send([random(9), random(9)]);
  wire.receiveAll(2);
  const former = wire.near, next = keys();
  wire.receiver.add(20, next.far, 8);
  next.near.follow(former);
  wire.near = next.near;
  wire.send([random(9)]);
  const [{ tag, counter }] = wire.receiveAll(1) as [Delivered];
  assert.deepEqual([tag, counter, wire.near.sealed], [8, 2, 1]);
  assert.throws(() => wire.near.follow(former), { code: "tunnel-keys-used" });
  former.free();
  next.far.free();
});
