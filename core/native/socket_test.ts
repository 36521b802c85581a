import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Address,
  ADDRESS_BYTES,
  decodeAddress,
  encodeAddress,
  Errno,
  openNative,
  PollEvents,
  readBuffer,
  type Socket,
  WAKE_TAG,
} from "./ffi.ts";
import { Namespace, ready, until } from "./testing/namespace.ts";

const native = openNative();

function localOf(fd: number): Address {
  const record = new Uint8Array(ADDRESS_BYTES);
  assert.equal(native.localAddress(fd, record), 0);
  return decodeAddress(record);
}

/** Accepts the next connection and says who and whereto. */
function accepted(listener: Socket): { fd: number; peer: Address; local: Address } {
  ready(listener.fd, "in");
  const peer = new Uint8Array(ADDRESS_BYTES), local = new Uint8Array(ADDRESS_BYTES);
  const fd = native.accept(listener.fd, peer, local);
  assert.ok(fd >= 0, `accept: ${fd}`);
  return { fd, peer: decodeAddress(peer), local: decodeAddress(local) };
}

function closeAll(...fds: number[]): void {
  for (const fd of fds) native.close(fd);
}

Deno.test("addresses survive the trip through a record", () => {
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(65535), (host, port) => {
    const once = decodeAddress(encodeAddress({ host, port }));
    assert.deepEqual(decodeAddress(encodeAddress(once)), once);
    assert.equal(once.port, port);
    if (!host.includes(":")) assert.equal(once.host, host);
  }));
  assert.throws(() => encodeAddress({ host: "1.2.3", port: 1 }), { code: "address-invalid" });
});

Deno.test("a wildcard IPv6 listener serves IPv4 and names it so, and the end of a stream reads 0", () => {
  const listener = native.listen({ host: "::", port: 0 });
  const { port } = localOf(listener.fd);
  const source = { host: "127.0.0.9", port: 0 };
  const { fd: near } = native.connect({ host: "127.0.0.1", port }, { source });
  const far = accepted(listener);
  try {
    assert.equal(far.peer.host, "127.0.0.9");
    assert.deepEqual(far.local, { host: "127.0.0.1", port });
    ready(near, "out");
    assert.equal(native.connectResult(near), 0);
    const buffer = new Uint8Array(100).fill(7);
    assert.equal(native.read(far.fd, buffer, 0, 100), -Errno.EAGAIN);
    assert.equal(native.write(near, buffer, 10, 20), 20);
    ready(far.fd, "in");
    assert.equal(native.read(far.fd, buffer, 50, 50), 20);
    assert.equal(native.shutdown(near), 0);
    ready(far.fd, "in");
    assert.equal(native.read(far.fd, buffer, 0, 100), 0);
    assert.equal(native.read(far.fd, buffer, 90, 20), -Errno.EINVAL);
  } finally {
    closeAll(near, far.fd, listener.fd);
  }
});

Deno.test("IPv6 connects, and a port in use is refused by name", () => {
  const listener = native.listen({ host: "::1", port: 0 });
  const { port } = localOf(listener.fd);
  const { fd: near } = native.connect({ host: "::1", port });
  const far = accepted(listener);
  try {
    assert.equal(far.peer.host, "::1");
    assert.throws(() => native.listen({ host: "::1", port }), { code: "native-eaddrinuse" });
  } finally {
    closeAll(near, far.fd, listener.fd);
  }
});

Deno.test("a refused connection tells why", () => {
  const listener = native.listen({ host: "127.0.0.1", port: 0 });
  const { port } = localOf(listener.fd);
  native.close(listener.fd);
  const { fd } = native.connect({ host: "127.0.0.1", port });
  ready(fd, "out");
  assert.equal(native.connectResult(fd), -Errno.ECONNREFUSED);
  native.close(fd);
  const source = { host: "::1", port: 0 };
  assert.throws(() => native.connect({ host: "127.0.0.1", port }, { source }), { code: "native-einval" });
});

for (const mptcp of [false, true]) {
  Deno.test(`abort resets and options hold on ${mptcp ? "MPTCP" : "TCP"}`, () => {
    using space = new Namespace();
    const [listener, near] = space.inside(() => {
      const listener = native.listen({ host: "127.0.0.1", port: 0 }, { mptcp });
      return [listener, native.connect(localOf(listener.fd), { mptcp, mark: 9, device: "lo" })] as const;
    });
    const far = accepted(listener);
    try {
      assert.deepEqual([listener.mptcp, near.mptcp, native.isMptcp(far.fd)], [mptcp, mptcp, mptcp]);
      assert.equal(native.setNoDelay(near.fd, true), 0);
      assert.equal(native.setNotSentLowat(near.fd, 131_072), 0);
      assert.equal(native.setMark(near.fd, 0x1234), 0);
      assert.equal(native.setCongestion(near.fd, "reno"), 0);
      assert.equal(native.setCongestion(near.fd, "nonesuch"), -Errno.ENOENT);
      const times = { idleSeconds: 30, intervalSeconds: 5, count: 3 };
      assert.equal(native.setKeepalive(near.fd, times), 0);
      const bounded = native.setKeepalive(near.fd, { ...times, userTimeoutMs: 20_000 });
      assert.equal(bounded, mptcp ? -Errno.ENOPROTOOPT : 0);
      assert.equal(
        space.inside(() => native.tcpDiag({ remotePort: localOf(listener.fd).port }))[0]?.congestion,
        "reno",
      );
      native.abort(near.fd);
      ready(far.fd, "in");
      assert.equal(native.read(far.fd, new Uint8Array(1), 0, 1), -Errno.ECONNRESET);
    } finally {
      closeAll(far.fd, listener.fd);
    }
  });
}

Deno.test("with MPTCP disabled a socket is plain TCP and says so", () => {
  using space = new Namespace();
  space.sysctl("mptcp.enabled", "0");
  const listener = space.inside(() => native.listen({ host: "127.0.0.1", port: 0 }, { mptcp: true }));
  const near = space.inside(() => native.connect(localOf(listener.fd), { mptcp: true }));
  const far = accepted(listener);
  try {
    assert.deepEqual([listener.mptcp, near.mptcp, native.isMptcp(far.fd)], [false, false, false]);
    assert.equal(native.mptcpInfo(far.fd), undefined);
  } finally {
    closeAll(near.fd, far.fd, listener.fd);
  }
});

Deno.test("a second subflow shows in tcpDiag and mptcpInfo, with token and backup flag", async () => {
  using box = new Namespace();
  using cloud = new Namespace();
  box.link(cloud, "otb0", "10.9.0.1/24", "10.9.0.2/24");
  box.link(cloud, "otb1", "10.9.1.1/24", "10.9.1.2/24");
  box.ip("mptcp limits set subflows 8");
  cloud.ip("mptcp limits set subflows 8");
  box.ip("mptcp endpoint add 10.9.1.1 dev otb1 subflow backup");
  box.ip("rule add from 10.9.1.1 lookup 101");
  box.ip("route add default via 10.9.1.2 dev otb1 table 101");
  // Answers of the peer's one address come in by both links.
  for (const device of ["all", "otb1"]) box.sysctl(`ipv4.conf.${device}.rp_filter`, "2");
  const listener = cloud.inside(() => native.listen({ host: "::", port: 0 }, { mptcp: true }));
  const { port } = localOf(listener.fd);
  const source = { host: "10.9.0.1", port: 0 };
  const near = box.inside(() => native.connect({ host: "10.9.0.2", port }, { mptcp: true, source }));
  const far = accepted(listener);
  try {
    const data = new Uint8Array(1000);
    assert.equal(native.write(near.fd, data, 0, 1000), 1000);
    ready(far.fd, "in");
    native.read(far.fd, data, 0, 1000);
    native.write(far.fd, data, 0, 1000);
    const subflows = () => box.inside(() => native.tcpDiag({ remotePort: port }));
    const joined = await until(() => subflows().find((flow) => flow.joined && flow.state === 1));
    assert.equal(joined.local.host, "10.9.1.1");
    assert.deepEqual(joined.remote, { host: "10.9.0.2", port });
    assert.deepEqual([joined.isMptcpSubflow, joined.backupLocal], [true, true]);
    const info = native.mptcpInfo(near.fd)!;
    assert.equal(info.fallback, false);
    assert.equal(info.bytesSent, 1000);
    assert.deepEqual(info.subflows.map((flow) => flow.local.host).sort(), ["10.9.0.1", "10.9.1.1"]);
    assert.equal(joined.tokenLocal, info.token);
    const first = subflows().find((flow) => flow.local.host === "10.9.0.1")!;
    assert.equal(first.tokenLocal, info.token);
    assert.deepEqual([first.joined, first.backupLocal], [false, false]);
    assert.ok(first.rttUs > 0 && first.cwnd > 0 && first.bytesSent >= 1000 && first.mss > 500);
    const there = await until(() =>
      cloud.inside(() => native.tcpDiag({ localPort: port })).find((flow) => flow.joined && flow.state === 1)
    );
    assert.deepEqual([there.backupRemote, there.tokenLocal], [true, native.mptcpInfo(far.fd)!.token]);
    assert.deepEqual(box.inside(() => native.tcpDiag({ remotePort: 1 })), []);
  } finally {
    closeAll(near.fd, far.fd, listener.fd);
  }
});

Deno.test("under tproxy the local address is where the client wanted to go", () => {
  using client = new Namespace();
  using router = new Namespace();
  client.link(router, "otb0", "192.168.77.2/24", "192.168.77.1/24");
  client.ip("route add default via 192.168.77.1");
  router.ip("rule add fwmark 1 lookup 100");
  router.ip("route add local default dev lo table 100");
  router.sysctl("ipv4.ip_forward", "1");
  const listener = router.inside(() =>
    native.listen({ host: "::", port: 0 }, { transparent: true, mptcp: true })
  );
  const { port } = localOf(listener.fd);
  router.nft(`table ip otb { chain pre {
    type filter hook prerouting priority mangle
    iifname otb0 tcp dport 443 tproxy to :${port} meta mark set 1 accept
  }
}`);
  const near = client.inside(() => native.connect({ host: "203.0.113.7", port: 443 }));
  const far = accepted(listener);
  try {
    assert.deepEqual(far.local, { host: "203.0.113.7", port: 443 });
    assert.equal(far.peer.host, "192.168.77.2");
    assert.equal(native.isMptcp(far.fd), false);
    native.write(far.fd, new Uint8Array(5), 0, 5);
    ready(near.fd, "in");
    assert.equal(native.read(near.fd, new Uint8Array(9), 0, 9), 5);
  } finally {
    closeAll(near.fd, far.fd, listener.fd);
  }
});

Deno.test("many sockets fit in one dump", () => {
  using space = new Namespace();
  const fds: number[] = [];
  try {
    const found = space.inside(() => {
      const listener = native.listen({ host: "127.0.0.1", port: 0 });
      fds.push(listener.fd);
      const to = encodeAddress(localOf(listener.fd));
      for (let index = 0; index < 300; index++) fds.push(native.connect(to).fd);
      return native.tcpDiag({ remotePort: localOf(listener.fd).port });
    });
    assert.equal(new Set(found.map((socket) => socket.local.port)).size, 300);
  } finally {
    closeAll(...fds);
  }
});

Deno.test("poll tells tags and events, and wake ends an idle wait", async () => {
  const listener = native.listen({ host: "127.0.0.1", port: 0 });
  const poll = native.poll();
  const events = new Uint32Array(8);
  const near = native.connect(localOf(listener.fd));
  const far = accepted(listener);
  try {
    assert.equal(poll.set(far.fd, PollEvents.in, 0xfedc_ba98), 0);
    assert.equal(poll.wait(events, 0), 0);
    const idle = poll.waitAsync(events, 60_000);
    assert.equal(poll.waiting, true);
    poll.wake();
    assert.equal(await idle, 1);
    assert.equal(events[0], WAKE_TAG);
    assert.equal(poll.wait(events, 0), 0, "one wake is one event");
    native.write(near.fd, new Uint8Array(1), 0, 1);
    assert.equal(await poll.waitAsync(events, 5000), 1);
    assert.deepEqual([events[0], events[1]], [0xfedc_ba98, PollEvents.in]);
    assert.equal(poll.set(far.fd, PollEvents.out, 5), 0);
    assert.equal(poll.wait(events, 0), 1);
    assert.deepEqual([events[0], events[1]], [5, PollEvents.out]);
    assert.equal(poll.remove(far.fd), 0);
    assert.equal(poll.remove(far.fd), -Errno.ENOENT);
  } finally {
    poll.close();
    closeAll(near.fd, far.fd, listener.fd);
  }
});

Deno.test("memory to read into lies off the start of its page, where copies would be slow", () => {
  for (const length of [1, 65_536, 1 << 20]) {
    const buffer = readBuffer(length);
    assert.equal(buffer.length, length);
    const inPage = Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer)) % 4096n);
    assert.ok(inPage >= 16 && inPage <= 4096 - 16, `${length} bytes at ${inPage}`);
  }
});
