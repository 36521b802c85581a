// The tunnel's packets over paths that are narrow or change, in namespaces.
import assert from "node:assert/strict";
import {
  ADDRESS_BYTES,
  decodeAddress,
  encodeAddress,
  Errno,
  openNative,
  RECORD_WORDS,
  TUNNEL_OVERHEAD,
  TunnelRecord,
} from "./ffi.ts";
import { Namespace, ready } from "./testing/namespace.ts";
import { type Bytes, keys, random } from "./testing/tunnel_wire.ts";

const native = openNative();

Deno.test("a packet too long for the path is told as such, after those before it went", () => {
  using left = new Namespace();
  using right = new Namespace();
  left.link(right, "otbwire", "10.9.0.1/24", "10.9.0.2/24");
  const { near, far } = keys();
  const receiver = native.tunnelReceiver();
  receiver.add(20, far, 1);
  const out = left.inside(() => native.udpOpen({ host: "10.9.0.1", port: 0 }, { whole: true }));
  const into = right.inside(() =>
    native.udpOpen({ host: "10.9.0.2", port: 4500 }, { gro: true, marks: true })
  );
  try {
    const to = encodeAddress({ host: "10.9.0.2", port: 4500 });
    const arena = random(8000), most = 1500 - 28 - TUNNEL_OVERHEAD;
    const send = (sizes: number[]) =>
      near.send(out, to, 0, 0, arena, Uint32Array.from(sizes.flatMap((size) => [0, size])), sizes.length);
    assert.equal(send([most + 1]), -Errno.EMSGSIZE);
    assert.equal(send([most + 1, most + 1, 100]), -Errno.EMSGSIZE);
    assert.equal(send([100, most, most + 1, 100]), 2);
    assert.equal(send([most + 1, 100]), -Errno.EMSGSIZE);
    const records = new Uint32Array(64 * RECORD_WORDS),
      slots = Int32Array.from({ length: 64 }, (_, index) => index);
    const lengths: number[] = [];
    while (lengths.length < 2) {
      ready(into, "in");
      const count = receiver.receive(into, new Uint8Array(64 * 2048), 2048, 0, slots, 64, records);
      assert.ok(count > 0);
      for (let index = 0; index < count; index++) {
        lengths.push(records[index * RECORD_WORDS + TunnelRecord.length]!);
      }
    }
    assert.deepEqual(lengths, [100, most]);
  } finally {
    for (const held of [near, far, receiver]) held.free();
    for (const fd of [out, into]) native.close(fd);
  }
});

Deno.test("where UDP_SEGMENT is refused datagrams go one by one", () => {
  // A segment above the MTU is refused; without IP_PMTUDISC_PROBE the datagrams themselves are fragmented and arrive.
  using left = new Namespace();
  using right = new Namespace();
  left.link(right, "otbwire", "10.9.0.1/24", "10.9.0.2/24");
  const { near, far } = keys();
  const receiver = native.tunnelReceiver();
  receiver.add(20, far, 1);
  const out = left.inside(() => native.udpOpen({ host: "10.9.0.1", port: 0 }));
  const into = right.inside(() =>
    native.udpOpen({ host: "10.9.0.2", port: 4500 }, { gro: true, marks: true })
  );
  try {
    left.ip("link set otbwire mtu 1000");
    const to = encodeAddress({ host: "10.9.0.2", port: 4500 });
    const arena = random(3 * 1400), items = Uint32Array.of(0, 1400, 1400, 1400, 2800, 1300);
    assert.equal(near.send(out, to, 0, 0x28, arena, items, 3), 3);
    const records = new Uint32Array(64 * RECORD_WORDS),
      slots = Int32Array.from({ length: 64 }, (_, index) => index);
    const got: Bytes[] = [], memory = new Uint8Array(64 * 2048);
    while (got.length < 3) {
      ready(into, "in");
      const count = receiver.receive(into, memory, 2048, 0, slots, 64, records);
      assert.ok(count > 0);
      for (let index = 0; index < count; index++) {
        assert.equal(records[index * RECORD_WORDS + TunnelRecord.tos], 0x28);
        got.push(
          memory.slice(index * 2048, index * 2048 + records[index * RECORD_WORDS + TunnelRecord.length]!),
        );
      }
    }
    assert.deepEqual(got, [arena.slice(0, 1400), arena.slice(1400, 2800), arena.slice(2800, 4100)]);
  } finally {
    for (const held of [near, far, receiver]) held.free();
    for (const fd of [out, into]) native.close(fd);
  }
});

for (
  const [family, prefix, addresses, asking] of [
    ["IPv4", "/32", ["203.0.113.1", "203.0.113.2"], "10.9.0.1"],
    ["IPv6", "/128", ["2001:db8:9::1", "2001:db8:9::2"], "2001:db8:1::1"],
  ] as const
) {
  Deno.test(`answers over ${family} leave from the address that was asked, in batches too, and from another once it is gone (9, line 1)`, () => {
    using left = new Namespace();
    using right = new Namespace();
    const six = family === "IPv6";
    // An address that is still being looked for elsewhere is nobody's (RFC 4862 section 5.4): not in this test.
    for (const space of [left, right]) space.sysctl("ipv6.conf.default.accept_dad", "0");
    left.link(
      right,
      "otbwire",
      six ? `${asking}/64` : `${asking}/24`,
      six ? "2001:db8:1::2/64" : "10.9.0.2/24",
    );
    for (const address of addresses) {
      right.ip(`addr add ${address}${prefix} dev lo`);
      left.ip(`route add ${address}${prefix} via ${six ? "2001:db8:1::2" : "10.9.0.2"}`);
    }
    const { near, far } = keys();
    const receivers = [native.tunnelReceiver(), native.tunnelReceiver()];
    receivers[0]!.add(20, far, 1);
    receivers[1]!.add(10, near, 1);
    // As the peer's is: one socket for both families.
    const peer = right.inside(() =>
      native.udpOpen({ host: "::", port: 4500 }, { gro: true, marks: true, local: true })
    );
    const box = left.inside(() => native.udpOpen({ host: asking, port: 0 }, { gro: true, marks: true }));
    const arena = new Uint8Array(128 * 2048), records = new Uint32Array(128 * RECORD_WORDS);
    const slots = Int32Array.from({ length: 128 }, (_, index) => index);
    const items = Uint32Array.from({ length: 2 * 20 }, (_, index) => index % 2 ? 1000 : 0);
    const record = (word: number) =>
      new Uint8Array(records.buffer.slice(word * 4, word * 4 + ADDRESS_BYTES)) as Bytes;
    /** Receives so many, and tells the ends of each: from and to. */
    const take = (receiver: number, fd: number, wanted: number): [string, string][] => {
      const all: [string, string][] = [];
      while (all.length < wanted) {
        ready(fd, "in");
        const count = receivers[receiver]!.receive(fd, arena, 2048, 0, slots, 128, records);
        for (let index = 0; index < count; index++) {
          const { remote, local } = TunnelRecord;
          const host = (word: number) => decodeAddress(record(index * RECORD_WORDS + word)).host;
          all.push([host(remote), receiver === 0 ? host(local) : ""]);
        }
      }
      return all;
    };
    /** The peer answers a batch from where it came to; what the box sees it come from. */
    const exchange = (address: string, local?: Bytes): string[] => {
      const to = encodeAddress({ host: address, port: 4500 });
      assert.equal(near.send(box, to, 0, 0, arena, items, 20), 20);
      for (const [from, own] of take(0, peer, 20)) assert.deepEqual([from, own], [asking, address]);
      const remote = record(TunnelRecord.remote), asked = record(TunnelRecord.local);
      assert.equal(far.send(peer, remote, 0, 0x28, arena, items, 20, local ?? asked), 20);
      return [...new Set(take(1, box, 20).map(([from]) => from))];
    };
    try {
      for (const address of addresses) assert.deepEqual(exchange(address), [address]);
      // An address that went away while packets were under way: they leave from another one, and none is lost.
      const [first, second] = addresses;
      right.ip(`addr del ${first}${prefix} dev lo`);
      const gone = encodeAddress({ host: first, port: 0 });
      assert.equal(exchange(second, gone).length, 1);
      assert.notDeepEqual(exchange(second, gone), [first]);
      // It comes back on another interface, as a failover address does.
      right.ip(`addr add ${first}${prefix} dev otbwire${six ? " nodad" : ""}`);
      assert.deepEqual(exchange(first), [first]);
      // Single datagrams as well.
      const question = native.random(new Uint8Array(100));
      question[0] = 1;
      const to = encodeAddress({ host: first, port: 4500 });
      native.udpSend(box, to, question, 0, 100, 0);
      take(0, peer, 1);
      const remote = record(TunnelRecord.remote), local = record(TunnelRecord.local);
      native.udpSend(peer, remote, question, 0, 100, 0, local);
      assert.deepEqual(take(1, box, 1).map(([from]) => from), [first]);
    } finally {
      for (const held of [near, far, ...receivers]) held.free();
      for (const fd of [peer, box]) native.close(fd);
    }
  });
}
