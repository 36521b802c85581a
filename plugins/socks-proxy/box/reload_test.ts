// Settings that change while the proxy runs: on the real kernel, what is carried outlives each of them.
import { strict as assert } from "node:assert";
import type { Facts, Resource } from "@otb/plugin";
import { Devices } from "./devices.ts";
import { LanSocks5 } from "./lan_socks5.ts";
import { LanTcp, type LanTcpParts } from "./lan_tcp.ts";
import { Reactor } from "../relay/reactor.ts";
import { listen, Pair, readExactly, throughSocks } from "../testing/ends.ts";
import { Bench, NETWORK } from "../testing/bench.ts";
import { close } from "../testing/close.ts";

/** Every device may have what it wants. */
const devices = () =>
  new Devices({ total: () => 100, perDevice: () => 100, macOf: () => undefined, nowMs: () => 0 });
/** What never changes here. */
const still = <T>(current: T) => ({ current, subscribe: () => () => {} });

Deno.test({
  name:
    "a device's connection outlives a change of what is carried: its target is excluded, nothing is carried any more, and again (12, line 7)",
  ignore: Deno.uid() !== 0 || Deno.build.os !== "linux",
  async fn() {
    using bench = new Bench();
    const reactor = new Reactor(bench.native);
    const running = reactor.run();
    const taken: number[] = [], releases: (() => unknown)[] = [];
    const lanTcp = new LanTcp({
      ctx: {
        network: still(NETWORK),
        links: still([]),
        claim: (_: string, claims: Resource[]) => Promise.resolve(bench.claim(claims)),
        defer: (release: () => unknown) => void releases.push(release),
        log: { info() {}, error() {} },
      },
      native: bench.native,
      reactor,
      sniffer: {
        take({ plain }: { plain: { fd: number; tag: number } }) {
          reactor.forget(plain.tag);
          taken.push(plain.fd);
        },
      },
      devices: devices(),
      standIn: { now: false, subscribe: () => () => {} },
    } as unknown as LanTcpParts);
    const take = (enabled: boolean, ...exclude: string[]) =>
      bench.box.during(() => lanTcp.take({ enabled, exclude }));
    const open = () => bench.open(() => taken.shift());
    try {
      await take(true);
      const first = await open();
      assert.equal(first.by, "proxy");
      await take(true, "203.0.113.0/24");
      bench.works(first);
      const second = await open();
      assert.equal(second.by, "server");
      await take(true);
      bench.works(first);
      assert.equal((await open()).by, "proxy");
      await take(false);
      bench.works(first);
      assert.equal((await open()).by, "server");
      await take(true);
      bench.works(first);
      assert.equal((await open()).by, "proxy");
    } finally {
      for (const release of releases.reverse()) await release();
      reactor.stop();
      await running;
    }
  },
});

Deno.test("a connection through SOCKS5 outlives another port, another user and the end of SOCKS5 (12, line 7)", async () => {
  await using pair = new Pair();
  const told: unknown[] = [];
  const lan = { interface: "lo", address: "127.0.0.1/8" };
  const { native, reactor, outbound } = pair;
  const secrets: { [name: string]: string } = {};
  const proxy = new LanSocks5({
    name: "socks-proxy",
    network: still({ role: "box", lan, peers: [] }),
    secret: (name) => {
      if (secrets[name] === undefined) throw new Error(`no ${name}`);
      return secrets[name];
    },
    facts: { publish: (_: unknown, __: string, fact: unknown) => void told.push(fact) } as unknown as Facts,
  }, { native, reactor, outbound, devices: devices() });
  const free = () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    return (listener.addr as Deno.NetAddr).port;
  };
  using echo = listen(async (connection) => {
    await connection.readable.pipeTo(connection.writable).catch(() => {});
  });
  const [first, second] = [free(), free()];
  const wanted = { enabled: true, port: first, username: "" };
  proxy.take(wanted);
  const open = await throughSocks(first, echo.port);
  const works = async () => {
    await open.write(Uint8Array.of(7));
    assert.deepEqual([...await readExactly(open, 1)], [7]);
  };
  try {
    await works();
    proxy.take({ ...wanted, port: second });
    await works();
    await assert.rejects(throughSocks(first, echo.port));
    // Who asks for a user without a secret is refused, and what was there stays.
    assert.throws(() => proxy.take({ ...wanted, port: second, username: "me" }), /no socks5-password/);
    close(await throughSocks(second, echo.port));
    secrets["socks5-password"] = "secret";
    proxy.take({ ...wanted, port: second, username: "me" });
    await works();
    proxy.take({ ...wanted, enabled: false });
    await works();
    await assert.rejects(throughSocks(second, echo.port));
    assert.deepEqual(told.at(-1), undefined);
  } finally {
    proxy.close();
    close(open);
  }
});
