import assert from "node:assert/strict";
import {
  ADDRESS_BYTES,
  decodeAddress,
  encodeAddress,
  Errno,
  MAX_PACKETS,
  openNative,
  PollEvents,
  type Tun,
  UDP_META_BYTES,
} from "./ffi.ts";
import { Namespace, ready } from "./testing/namespace.ts";

const native = openNative();

for (const [own, host] of [["127.0.0.1", "127.0.0.1"], ["::1", "::1"], ["::", "127.0.0.1"]] as const) {
  Deno.test(`segments sent by one call arrive in runs, from ${own} to ${host}`, () => {
    const near = native.udpOpen({ host: own, port: 0 }),
      far = native.udpOpen({ host: "::", port: 0 }, { gro: true });
    try {
      const record = new Uint8Array(ADDRESS_BYTES);
      native.localAddress(far, record);
      const remote = encodeAddress({ host, port: decodeAddress(record).port });
      const sent = native.random(new Uint8Array(10_500));
      assert.equal(native.udpSend(near, remote, sent, 100, 10_300, 1000), 10_300);
      ready(far, "in");
      const buffer = new Uint8Array(4 * 65_536), meta = new Uint8Array(4 * UDP_META_BYTES);
      const view = new DataView(meta.buffer);
      let bytes = 0;
      // The kernel may split a run; each message must still say its segment size and lie where it says.
      while (bytes < 10_300) {
        ready(far, "in");
        const count = native.udpReceive(far, buffer, meta);
        assert.ok(count > 0);
        for (let index = 0; index < count; index++) {
          const at = index * UDP_META_BYTES;
          const [offset, length] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
          assert.equal(view.getUint32(at + 8, true), Math.min(1000, length));
          assert.equal(decodeAddress(meta, at + 12).host, host);
          assert.deepEqual(
            buffer.slice(offset, offset + length),
            sent.slice(100 + bytes, 100 + bytes + length),
          );
          bytes += length;
        }
      }
      assert.equal(native.udpReceive(far, buffer, meta), -Errno.EAGAIN);
    } finally {
      native.close(near);
      native.close(far);
    }
  });
}

Deno.test("several datagrams are received by one call", () => {
  const near = native.udpOpen({ host: "127.0.0.1", port: 0 });
  const far = native.udpOpen({ host: "127.0.0.1", port: 0 });
  try {
    const remote = new Uint8Array(ADDRESS_BYTES);
    native.localAddress(far, remote);
    for (let index = 0; index < 5; index++) {
      assert.equal(
        native.udpSend(near, remote, new Uint8Array(20).fill(index), 0, 10 + index, 0),
        10 + index,
      );
    }
    ready(far, "in");
    const buffer = new Uint8Array(8 * 2048), meta = new Uint8Array(8 * UDP_META_BYTES);
    assert.equal(native.udpReceive(far, buffer, meta), 5);
    const words = new Uint32Array(meta.buffer);
    const seen = [0, 1, 2, 3, 4].map((
      index,
    ) => [words[index * 8], words[index * 8 + 1], buffer[index * 2048]]);
    assert.deepEqual(seen, [0, 1, 2, 3, 4].map((index) => [index * 2048, 10 + index, index]));
  } finally {
    native.close(near);
    native.close(far);
  }
});

for (const offload of [true, false]) {
  Deno.test(`TCP passes unharmed through two TUN devices, offload ${offload}`, () => {
    using left = new Namespace();
    using right = new Namespace();
    const fds: number[] = [], tuns: Tun[] = [];
    const poll = native.poll();
    try {
      for (const [space, own] of [[left, "10.8.0.1"], [right, "10.8.0.2"]] as const) {
        tuns.push(space.inside(() => native.tun("otbtun", { mtu: 1420, offload })));
        space.ip(`addr add ${own}/24 dev otbtun`);
        space.ip("link set otbtun up");
      }
      const [one, other] = tuns as [Tun, Tun];
      const listener = right.inside(() => native.listen({ host: "10.8.0.2", port: 7 }));
      const near = left.inside(() => native.connect({ host: "10.8.0.2", port: 7 }));
      fds.push(listener.fd, near.fd);
      poll.set(one.fd, PollEvents.in, 0);
      poll.set(other.fd, PollEvents.in, 1);
      poll.set(listener.fd, PollEvents.in, 2);

      const stride = 2048, headroom = 64;
      const slots = new Uint8Array(MAX_PACKETS * stride), sizes = new Uint32Array(MAX_PACKETS);
      const spans = new Uint32Array(2 * MAX_PACKETS);
      let most = 0;
      const forward = (from: Tun, to: Tun) => {
        for (let count; (count = from.receive(slots, stride, headroom, sizes)) > 0;) {
          most = Math.max(most, count);
          for (let index = 0; index < count; index++) {
            spans[2 * index] = index * stride + headroom;
            spans[2 * index + 1] = sizes[index]!;
          }
          assert.ok(to.send(slots, spans, count) > 0);
        }
      };

      const sent = native.random(new Uint8Array(4_000_000)), received = new Uint8Array(sent.length);
      const events = new Uint32Array(16), record = new Uint8Array(ADDRESS_BYTES);
      let far = -1, written = 0, read = 0;
      // Bounded by rounds that do nothing, not by time.
      for (let idle = 0; read < sent.length && idle < 500;) {
        if (poll.wait(events, 10) === 0) idle++;
        forward(one, other);
        forward(other, one);
        if (far < 0) {
          far = native.accept(listener.fd, record, record);
          if (far >= 0) fds.push(far);
        }
        if (far >= 0) {
          const count = native.write(near.fd, sent, written, sent.length - written);
          if (count > 0) written += count;
          for (let got; (got = native.read(far, received, read, received.length - read)) > 0;) read += got;
        }
      }
      assert.equal(Buffer.compare(sent, received), 0);
      assert.equal(most > 1, offload, `packets by one read: ${most}`);
    } finally {
      for (const fd of fds) native.close(fd);
      for (const tun of tuns) tun.close();
      poll.close();
    }
  });
}

/** An IPv4 packet with a UDP datagram from 10.8.0.2:9 to 10.8.0.1:7, checksums included. */
function udpPacket(payload: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(28 + payload.length), view = new DataView(packet.buffer);
  const checksum = (from: number, to: number, start: number) => {
    let sum = start;
    for (let at = from; at < to; at += 2) sum += packet[at]! * 256 + (at + 1 < to ? packet[at + 1]! : 0);
    while (sum > 0xffff) sum = (sum >>> 16) + (sum & 0xffff);
    return ~sum & 0xffff;
  };
  packet.set([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 8, 0, 2, 10, 8, 0, 1, 0, 9, 0, 7]);
  packet.set(payload, 28);
  view.setUint16(2, packet.length);
  view.setUint16(10, checksum(0, 20, 0));
  view.setUint16(24, 8 + payload.length);
  view.setUint16(26, checksum(12, packet.length, 17 + 8 + payload.length));
  return packet;
}

for (const offload of [true, false]) {
  Deno.test(`datagrams of one flow arrive whole through a TUN device, offload ${offload}`, () => {
    using space = new Namespace();
    const tun = space.inside(() => native.tun("otbtun", { mtu: 1420, offload }));
    const fd = space.inside(() => native.udpOpen({ host: "0.0.0.0", port: 7 }, { bufferBytes: 1_000_000 }));
    try {
      space.ip("addr add 10.8.0.1/24 dev otbtun");
      space.ip("link set otbtun up");
      const payloads = [1000, 1000, 1000, 300, 301, 301, 5].map((size) =>
        native.random(new Uint8Array(size))
      );
      const packets = payloads.map(udpPacket);
      // One that arrived broken is dropped by the kernel, and not made good by its neighbours.
      packets[1]![500]! ^= 1;
      const spans = new Uint32Array(2 * packets.length), input = new Uint8Array(Buffer.concat(packets));
      let offset = 0;
      for (const [index, packet] of packets.entries()) {
        spans.set([offset, packet.length], 2 * index);
        offset += packet.length;
      }
      assert.equal(tun.send(input, spans, packets.length), input.length);
      const buffer = new Uint8Array(16 * 2048), meta = new Uint8Array(16 * UDP_META_BYTES);
      const words = new Uint32Array(meta.buffer);
      const expected = payloads.filter((_, index) => index !== 1), got: Uint8Array[] = [];
      while (got.length < expected.length) {
        ready(fd, "in");
        const count = native.udpReceive(fd, buffer, meta);
        for (let index = 0; index < count; index++) {
          got.push(buffer.slice(words[index * 8]!, words[index * 8]! + words[index * 8 + 1]!));
        }
      }
      assert.deepEqual(got, expected);
    } finally {
      native.close(fd);
      tun.close();
    }
  });
}

Deno.test("a TUN device that cannot be opened says why, and bad spans are refused", () => {
  using space = new Namespace();
  assert.throws(
    () => space.inside(() => native.tun("otb-name-far-too-long", { mtu: 1400 })),
    /otb-name-far-too-long/,
  );
  const tun = space.inside(() => native.tun("otbtun", { mtu: 1400 }));
  assert.equal(tun.send(new Uint8Array(10), Uint32Array.of(5, 6), 1), -Errno.EINVAL);
  assert.equal(tun.receive(new Uint8Array(10), 4, 4, new Uint32Array(1)), -Errno.EINVAL);
  tun.close();
  assert.equal(tun.send(new Uint8Array(10), Uint32Array.of(0, 6), 1), -Errno.EINVAL);
});
