// Which way devices leave: pinned to a link, past a peer that is gone, or not at all.
import { strict as assert } from "node:assert";
import { Lines } from "../lab/programs.ts";
import { links } from "../bench/measure.ts";
import { SERVER_ADDRESS, SERVER_PORT, World } from "../worlds/world.ts";

/** The public addresses: of the peer, and of the modems by number. */
const PEER = "198.51.100.11";
const modem = (index: number) => `198.18.${index}.2`;

async function output(world: World, role: string, words: string[]): Promise<string> {
  const { stdout } = await world.lab.spawn(role, words, { stdin: "null", stdout: "piped", stderr: "null" })
    .output();
  return new TextDecoder().decode(stdout);
}

async function macOf(world: World, role: string): Promise<string> {
  return (await output(world, role, ["cat", "/sys/class/net/eth0/address"])).trim();
}

/** The address that the server sees a device's new connection come from; what went wrong when there is none within 5 s. */
async function whoami(world: World, role: string): Promise<string> {
  const code = `try {
    const signal = AbortSignal.timeout(5000);
    console.log((await (await fetch("http://${SERVER_ADDRESS}:${SERVER_PORT}/whoami", { signal })).text()).trim());
  } catch (error) { console.log(String(error)); }`;
  return (await output(world, role, [Deno.execPath(), "eval", code])).trim();
}

/** Asks again until the answer is as wished; says how long that took, in milliseconds. */
async function until(wanted: string | RegExp, ask: () => Promise<string>, boundMs = 60_000): Promise<number> {
  const startMs = performance.now();
  const answers: string[] = [];
  while (performance.now() - startMs < boundMs) {
    const answer = await ask();
    if (typeof wanted === "string" ? answer === wanted : wanted.test(answer)) {
      return performance.now() - startMs;
    }
    if (answers.at(-1) !== answer) answers.push(answer);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`never ${wanted}: ${answers.join("; ")}`);
}

Deno.test("a pinned device leaves with that modem's address and follows its fallback when the link is cut; the rest stays bonded", async () => {
  await using world = await World.up(`pin${Deno.pid}`, { links: links("20/10/5", "20/10/10"), devices: 2 });
  const rules = [{
    name: "tv",
    match: { device: await macOf(world, "device2") },
    way: "link",
    link: "cable",
    ifDead: "other-link",
  }];
  await world.box.otb(["config", "set", `device-pinning.rules=${JSON.stringify(rules)}`, "--yes"]);
  assert.equal(await whoami(world, "device2"), modem(2));
  assert.equal(await whoami(world, "device1"), PEER);
  const stop = await udpServer(world, 9999);
  try {
    await until(PEER, () => udpWhoami(world, "device1", 9999));
    assert.equal(await udpWhoami(world, "device2", 9999), modem(2));
  } finally {
    await stop();
  }
  // Something bonded must run over the link for its silence to be noticed.
  const running = world.transfer("device1", { seconds: 20 });
  const pinned = world.transfer("device2", { bytes: 200_000_000 });
  await world.box.until(({ links }) => links.every(({ path }) => (path?.rxBitsPerSecond ?? 0) > 1e6));
  await world.lab.cut("cable");
  const cutMs = performance.now();
  // Its device only waits, and has nothing to send that could be refused.
  assert.match(JSON.stringify(await pinned), /reset/i);
  assert.ok(performance.now() - cutMs < 20_000, `ended after ${performance.now() - cutMs} ms`);
  assert.equal(await whoami(world, "device2"), modem(1));
  assert.equal(await whoami(world, "device1"), PEER);
  await world.lab.restore("cable");
  await until(modem(2), () => whoami(world, "device2"));
  assert.equal((await running).error, undefined);
});

/** Answers datagrams with the address they came from; ends with the returned function. */
async function udpServer(world: World, port: number): Promise<() => Promise<void>> {
  const code =
    `const socket = Deno.listenDatagram({ transport: "udp", hostname: "${SERVER_ADDRESS}", port: ${port} });
    console.log("listening");
    for await (const [_, from] of socket) await socket.send(new TextEncoder().encode(from.hostname), from).catch(() => {});`;
  const child = world.lab.spawn("server", [Deno.execPath(), "eval", "--unstable-net", code], {
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  });
  const reader = child.stdout.getReader();
  await reader.read();
  return async () => {
    child.kill("SIGKILL");
    await reader.cancel();
    await child.status;
  };
}

/** The address that a server sees a device's datagrams come from, or why none came back within 2 s. */
async function udpWhoami(world: World, role: string, port: number): Promise<string> {
  const code = `const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
    setTimeout(() => { console.log("silence"); Deno.exit(); }, 2000);
    try {
      await socket.send(new Uint8Array(4), { transport: "udp", hostname: "${SERVER_ADDRESS}", port: ${port} });
      console.log(new TextDecoder().decode((await socket.receive())[0]));
    } catch (error) { console.log(error.code ?? String(error)); }
    Deno.exit();`;
  return (await output(world, role, [Deno.execPath(), "eval", "--unstable-net", code])).trim();
}

/** A call of a device, and from which addresses its server has seen it come. */
class Call implements AsyncDisposable {
  readonly #talking: Lines;
  readonly #seen: { from: string; silentMs: number }[] = [];

  constructor(world: World, role: string, port: number) {
    this.#talking = new Lines(world.lab, role, ["tests/lab/caller.ts", SERVER_ADDRESS, String(port)]);
    this.#talking.listen((line) => this.#seen.push(line as { from: string; silentMs: number }));
  }

  /** Waits until it has come from that address, after what was waited for before; says for how long it had been silent then. */
  async seenFrom(address: string, boundMs = 60_000): Promise<number> {
    for (const endMs = performance.now() + boundMs; performance.now() < endMs;) {
      const at = this.#seen.findIndex(({ from }) => from === address);
      if (at >= 0) return this.#seen.splice(0, at + 1).at(-1)!.silentMs;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`never from ${address}: ${JSON.stringify(this.#seen)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#talking.stop();
  }
}

/** Drops everything from and to the peer on its way through the Internet, or lets it through again. */
async function cutPeer(world: World, cut: boolean): Promise<void> {
  const script = cut
    ? `table ip cut { chain f { type filter hook forward priority 0; ip daddr ${PEER} drop; ip saddr ${PEER} drop; }; }`
    : "delete table ip cut";
  await output(world, "inet", ["nft", script]);
}

Deno.test("both sites dead: direct Internet within 30 s and running downloads end; back on the bond within 30 s, a call that goes on too", async () => {
  await using world = await World.up(`gone${Deno.pid}`, { links: links("20/10/5", "20/10/10"), devices: 2 });
  const stop = await udpServer(world, 9999);
  try {
    assert.equal(await whoami(world, "device1"), PEER);
    await until(PEER, () => udpWhoami(world, "device1", 9999));
    await using call = new Call(world, "device1", 9999);
    await call.seenFrom(PEER);
    const download = world.transfer("device2", { bytes: 200_000_000 });
    let endedMs: number | undefined;
    await world.box.until(({ links }) => links.every(({ path }) => (path?.rxBitsPerSecond ?? 0) > 1e6));
    await cutPeer(world, true);
    const cutMs = performance.now();
    void download.then(() => endedMs = performance.now() - cutMs);
    const direct = await until(modem(1), () => whoami(world, "device1"));
    console.log(`direct after ${Math.round(direct)} ms`);
    assert.ok(direct < 30_000, `direct after ${direct} ms`);
    const datagrams = await until(modem(1), () => udpWhoami(world, "device1", 9999));
    console.log(`and datagrams ${Math.round(datagrams)} ms later at most`);
    await call.seenFrom(modem(1));
    await Promise.race([download, new Promise((resolve) => setTimeout(resolve, 30_000 - direct))]);
    console.log(`the download ended after ${Math.round(endedMs ?? NaN)} ms`);
    assert.ok(endedMs !== undefined, "the download did not end");
    await cutPeer(world, false);
    const back = await until(PEER, () => whoami(world, "device1"));
    console.log(`bonded after ${Math.round(back)} ms`);
    assert.ok(back < 30_000, `bonded after ${back} ms`);
    await until(PEER, () => udpWhoami(world, "device1", 9999));
    await call.seenFrom(PEER);
    // A short loss, and the links are blamed for nothing: a call that has moved comes back by itself, and hardly notices.
    await world.box.until(({ plugins }) => {
      const { links } = plugins.find(({ name }) => name === "device-pinning")!.status;
      return Object.values(links as object).every((state) => state === "alive");
    });
    await cutPeer(world, true);
    await call.seenFrom(modem(1));
    await cutPeer(world, false);
    const silentMs = await call.seenFrom(PEER);
    console.log(`the call was silent for ${Math.round(silentMs)} ms when it came back`);
    assert.ok(silentMs < 1_000, `the call was silent for ${silentMs} ms`);
  } finally {
    await stop();
  }
});

/** Counts what reaches the modems of a device's packets: by its targets, which nobody else has, or by its own address. */
class Watch {
  constructor(private readonly world: World) {}

  async start(): Promise<void> {
    for (const index of [1, 2]) {
      const script = `table inet watch { chain in { type filter hook prerouting priority -400;
        iifname "lan" ip daddr { 203.0.113.0/24, 192.0.2.53 } counter
        iifname "lan" ip saddr 192.168.100.0/24 counter
        iifname "lan" ip6 daddr 2001:db8::/32 counter
        }
        }`;
      await output(this.world, `modem${index}`, ["nft", script]);
    }
  }

  /** Packets by kind: to the targets, with a device's own source address, IPv6. */
  async seen(): Promise<[targets: number, sources: number, ipv6: number]> {
    const sum: [number, number, number] = [0, 0, 0];
    for (const index of [1, 2]) {
      const text = await output(this.world, `modem${index}`, ["nft", "list", "table", "inet", "watch"]);
      const counts = [...text.matchAll(/packets (\d+)/g)].map(([, count]) => Number(count));
      assert.equal(counts.length, 3, text);
      counts.forEach((count, at) => sum[at]! += count);
    }
    return sum;
  }

  /** Waits until something has been seen; without it a test would prove nothing. */
  async until(test: (seen: [number, number, number]) => boolean): Promise<void> {
    const endMs = performance.now() + 20_000;
    while (!test(await this.seen())) {
      assert.ok(performance.now() < endMs, `${await this.seen()} packets were seen: ${test}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** A device that tries everything, all the time; ends by itself with the lab. */
function restless(world: World, role: string): Deno.ChildProcess {
  const code = `
    const udp = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
    const udp6 = Deno.listenDatagram({ transport: "udp", hostname: "::", port: 0 });
    const datagram = async (socket, hostname, port) => {
      try { await socket.send(new Uint8Array(30), { transport: "udp", hostname, port }); } catch { /* refused */ }
    };
    const stream = (hostname, port) =>
      Promise.race([
        Deno.connect({ hostname, port }).then((c) => c.close()),
        new Promise((resolve) => setTimeout(resolve, 200)),
      ]).catch(() => {});
    for (let port = 1000; ; port = port % 60000 + 1) {
      // Old flows and new ones: always the same port, and another one each time.
      for (const to of [7, port]) {
        await datagram(udp, "${SERVER_ADDRESS}", to);
        await datagram(udp6, "2001:db8::10", to);
      }
      await datagram(udp, "192.0.2.53", 53);
      await datagram(udp, "192.168.100.1", 53);
      await datagram(udp6, "2001:db8::53", 53);
      await Promise.all([stream("192.0.2.53", 53), stream("192.0.2.53", 853), stream("2001:db8::10", 443)]);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }`;
  return world.lab.spawn(role, [Deno.execPath(), "eval", "--unstable-net", code], {
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  });
}

Deno.test("the kill-switch: not one packet of a device on any link, IPv6 and DNS included, whatever dies", async () => {
  await using world = await World.up(`kill${Deno.pid}`, { links: links("20/10/5", "20/10/10") }, {
    start: false,
  });
  const watch = new Watch(world);
  await watch.start();
  const inBox = (...words: string[]) => output(world, "box", words);
  const sixth = async (role: string, lines: string[]) => {
    for (const line of lines) await output(world, role, ["sh", "-c", line]);
  };
  const enable = (device: string) => `echo 0 > /proc/sys/net/ipv6/conf/${device}/disable_ipv6`;
  // IPv6 from the device through the box to the first modem, as a box that passes it on would have it.
  await sixth("box", [
    enable("lan0"),
    enable("wan1"),
    "ip address add fd02::1/64 dev lan0 nodad",
    "ip address add fd01::2/64 dev wan1 nodad",
    "ip route add 2001:db8::/32 via fd01::1",
    "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
    "echo 0 > /proc/sys/net/ipv4/ip_forward",
  ]);
  await sixth("modem1", [enable("lan"), "ip address add fd01::1/64 dev lan nodad"]);
  await sixth("device1", [
    enable("eth0"),
    "ip address add fd02::10/64 dev eth0 nodad",
    "ip route add default via fd02::1",
  ]);
  const device = restless(world, "device1");
  const settled = () => new Promise((resolve) => setTimeout(resolve, 2_000));
  try {
    // Without the table packets do leave: the counters count.
    await watch.until(([, , six]) => six > 0);
    await inBox("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/all/forwarding");
    const settle = (nonTcp: string, whenPeerGone: string) =>
      world.box.otb([
        ...["config", "set", `device-pinning.nonTcp="${nonTcp}"`],
        ...[`device-pinning.whenPeerGone="${whenPeerGone}"`, "--yes"],
      ]);
    await settle("direct", "direct");
    await Promise.all([world.cloud.up(), world.box.up()]);
    await watch.until(([targets]) => targets > 0);

    await settle("tunnel", "block");
    await inBox("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
    const before = await watch.seen();
    const still = async (when: string) => assert.deepEqual(await watch.seen(), before, when);
    await settled();
    await still("while the peer is there");
    const plugin = (status: Awaited<ReturnType<typeof world.box.status>>, name = "device-pinning") =>
      status.plugins.find((plugin) => plugin.name === name)!;
    for (const name of ["device-pinning", "udp-tunnel", "socks-proxy"]) {
      Deno.kill(plugin(await world.box.status(), name).pid!, "SIGKILL");
      await world.box.until((status) => {
        const { restarts, state } = plugin(status, name);
        return restarts === 1 && state === "ready";
      });
      await still(`over a crash of ${name}`);
    }
    await world.box.until(({ tunnel }) => tunnel?.state === "up");
    await still("when the tunnel is back");
    world.box.process!.kill("SIGKILL");
    await settled();
    await still("over a crash of the core");
    await world.box.up();
    await still("over a start of the core");
    await cutPeer(world, true);
    await world.box.until((status) => plugin(status).status.peer === "gone");
    await settled();
    await still("while the peer is gone");
    assert.match(await whoami(world, "device1"), /refused|reset|failed/i);
    await world.lab.cut("fibre");
    await settled();
    await world.lab.restore("fibre");
    await cutPeer(world, false);
    await world.box.until((status) => plugin(status).status.peer === "there");
    await until(PEER, () => whoami(world, "device1"));
    await still("when the peer is back");
    // Somebody else's wish to forward is left alone, and lets nobody out.
    await world.box.down();
    await inBox("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
    await settled();
    await still("after otb down");
    const told = await world.box.tryOtb(["status"]);
    assert.match(told.stdout, /kill-switch still holds.*otb (--state \S+ )?down --open/);
    await world.box.otb(["down"]);
    await settled();
    await still("after otb down once more");
    await world.box.up();
    await settled();
    await still("over otb up");
    const { refused } = plugin(await world.box.status()).status;
    assert.ok(Number(refused) > 10, `only ${refused} packets were refused`);
    await settle("direct", "direct");
    // The device tried to the end.
    await watch.until(([targets]) => targets > before[0]);
    const [, sources] = await watch.seen();
    assert.equal(sources, before[1], "a packet left with the device's own address");
  } finally {
    device.kill("SIGKILL");
    await device.status;
  }
});

Deno.test("a rule of domains follows the server's name in TLS and HTTP, in its order, and counts", async () => {
  await using world = await World.up(`named${Deno.pid}`, { links: links("20/10/5", "20/10/10"), devices: 2 });
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  try {
    const pair = ["-keyout", `${folder}/key`, "-out", `${folder}/cert`];
    await output(world, "server", [
      "openssl",
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=lab",
      ...pair,
    ]);
    const code =
      `const [cert, key] = ["cert", "key"].map((name) => Deno.readTextFileSync("${folder}/" + name));
      const tell = (_, { remoteAddr }) => new Response(remoteAddr.hostname);
      Deno.serve({ port: 443, cert, key, onListen() {} }, tell);
      Deno.serve({ port: 80, onListen: () => console.log("listening") }, tell);`;
    const server = world.lab.spawn("server", [Deno.execPath(), "eval", code], {
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    });
    server.status.catch(() => {});
    const reader = server.stdout.getReader();
    await reader.read();
    await reader.cancel();
    const kept = { name: "kept", match: { device: await macOf(world, "device2") }, way: "bonded" };
    const tv = {
      name: "tv",
      match: { domains: ["tv.example.org"] },
      way: "link",
      link: "cable",
      ifDead: "block",
    };
    const settle = (rules: object[]) =>
      world.box.otb(["config", "set", `device-pinning.rules=${JSON.stringify(rules)}`, "--yes"]);
    await settle([kept, tv]);
    const ask = (role: string, scheme: "http" | "https", name: string) => {
      const port = scheme === "https" ? 443 : 80;
      const curl = ["curl", "-sk", "-m", "5", "--resolve", `${name}:${port}:${SERVER_ADDRESS}`];
      return output(world, role, [...curl, `${scheme}://${name}/`]);
    };
    await until(modem(2), () => ask("device1", "https", "tv.example.org"));
    assert.equal(await ask("device1", "https", "live.tv.example.org"), modem(2));
    assert.equal(await ask("device1", "http", "tv.example.org"), modem(2));
    assert.equal(await ask("device1", "https", "other.example.org"), PEER);
    assert.equal(await ask("device2", "https", "tv.example.org"), PEER);
    await world.box.until(({ plugins }) => {
      const { status } = plugins.find(({ name }) => name === "device-pinning")!;
      return (status.rules as { name: string; hits: number }[]).some(({ name, hits }) =>
        name === "tv" && hits >= 3
      );
    });
    await settle([{ ...tv, way: "block", link: undefined, ifDead: undefined }]);
    await until("", () => ask("device1", "https", "tv.example.org"));
    assert.equal(await ask("device1", "https", "other.example.org"), PEER);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
