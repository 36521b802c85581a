// The main job: a LAN device's plain TCP connection over all links, encrypted, out of the peer.
import { strict as assert } from "node:assert";
import { PEER_IPV6, SERVER_IPV6 } from "../lab/ipv6.ts";
import { links } from "../bench/measure.ts";
import type { StatusReport } from "../../core/client/mod.ts";
import { reached, stranger } from "../worlds/reach.ts";
import { CAPABILITIES } from "../../core/cli/service_unit.ts";
import { SERVER_ADDRESS, SERVER_PORT, World } from "../worlds/world.ts";

/** Bytes that have come in by a box's interfaces, together. */
async function received(world: World, interfaces: string[]): Promise<number> {
  const files = interfaces.map((name) => `/sys/class/net/${name}/statistics/rx_bytes`);
  const { stdout } = await world.lab.spawn("box", ["cat", ...files], { stdin: "null", stdout: "piped" })
    .output();
  return new TextDecoder().decode(stdout).trim().split("\n").reduce((sum, line) => sum + Number(line), 0);
}

/** Fails unless what status says of rates is what the interfaces count, while no connection lives for a second. */
async function ratesOfShortConnections(world: World): Promise<void> {
  const SECONDS = 12;
  const loop = `for i in 1 2 3 4; do (
    end=$(($(date +%s) + ${SECONDS + 6}))
    while [ $(date +%s) -lt $end ]; do curl -s -m 1 -o /dev/null "http://${SERVER_ADDRESS}:${SERVER_PORT}/file?bytes=150000"; done
  ) & done; wait`;
  const busy = world.lab.spawn("device1", ["sh", "-c", loop], {
    stdin: "null",
    stdout: "null",
    stderr: "null",
  });
  const rate = ({ links }: StatusReport) =>
    links.reduce((sum, { path }) => sum + (path?.rxBitsPerSecond ?? 0), 0);
  await world.box.until((status) => rate(status) > 5e6);
  const before = await received(world, ["wan1", "wan2"]), startMs = performance.now();
  let seen = 0, samples = 0;
  while (performance.now() - startMs < SECONDS * 1000) {
    seen += rate(await world.box.status());
    samples++;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const counted = (await received(world, ["wan1", "wan2"]) - before) * 8000 / (performance.now() - startMs);
  const said = seen / samples;
  console.log(`status says ${(said / 1e6).toFixed(1)} Mbit/s, the interfaces ${(counted / 1e6).toFixed(1)}`);
  assert.ok(counted > 3e6, `only ${counted} bit/s went`);
  assert.ok(Math.abs(said / counted - 1) < 0.08, `status says ${said}, the interfaces ${counted}`);
  await busy.status;
}

Deno.test("connections of less than a second are in the rates; a link cut silently under a download costs no byte, and is used again after its return", async () => {
  await using world = await World.up(`cut${Deno.pid}`, { links: links("30/10/10", "20/10/20") });
  await ratesOfShortConnections(world);
  const running = world.transfer("device1", { bytes: 45_000_000 });
  await world.box.until(({ links }) => links.every(({ path }) => (path?.rxBitsPerSecond ?? 0) > 1e6));
  await world.lab.cut("fibre");
  await world.box.until(({ links }) =>
    links.find(({ name }) => name === "fibre")!.path?.state === "suspect" ||
    links.find(({ name }) => name === "fibre")!.path?.state === "down"
  );
  await world.lab.restore("fibre");
  await world.box.until(({ links }) =>
    (links.find(({ name }) => name === "fibre")!.path?.rxBitsPerSecond ?? 0) > 1e6
  );
  const result = await running;
  assert.equal(result.checksumOk, true, result.error);
});

Deno.test("tiers: never carries nothing, backup carries only when the others are gone", async () => {
  await using world = await World.up(`tier${Deno.pid}`, { links: links("20/10/5", "20/10/10", "20/10/15") });
  await world.box.otb(["link", "set", "cable", "--tier", "backup", "--yes"]);
  await world.box.otb(["link", "set", "dsl", "--tier", "never", "--yes"]);
  await world.transfer("device1", { bytes: 10_000_000 });
  const share = async () =>
    Object.fromEntries((await world.lab.counters()).map(({ link, down }) => [link, down.bytes]));
  const before = await share();
  const result = await world.transfer("device1", { bytes: 10_000_000 });
  assert.equal(result.checksumOk, true, result.error);
  const after = await share();
  const carried = (link: string) => after[link]! - before[link]!;
  assert.ok(carried("fibre") > 9_000_000, `fibre carried ${carried("fibre")}`);
  assert.ok(carried("cable") < 500_000, `cable carried ${carried("cable")}`);
  assert.ok(carried("dsl") < 100_000, `dsl carried ${carried("dsl")}`);
  await world.lab.cut("fibre");
  const overBackup = await world.transfer("device1", { bytes: 5_000_000 });
  assert.equal(overBackup.checksumOk, true, overBackup.error);
  assert.ok((await share()).cable! - after.cable! > 4_000_000);
  await world.lab.restore("fibre");
  await striped(world);
});

/** Fails unless streams that are striped use all three links, and a silent cut of one costs none of their bytes. */
async function striped(world: World): Promise<void> {
  await world.box.otb(["link", "set", "cable", "--tier", "primary", "--yes"]);
  await world.box.otb(["link", "set", "dsl", "--tier", "primary", "--yes"]);
  await world.box.otb(["config", "set", "mptcp-scheduler.transport=striped", "--yes"]);
  const ready = ({ links, plugins }: StatusReport) =>
    links.every(({ path }) => path?.state === "active") &&
    plugins.find(({ name }) => name === "socks-proxy")?.status.transport === "striped";
  await world.box.until(ready);
  const both = async () =>
    Object.fromEntries((await world.lab.counters()).map(({ link, down, up }) => [link, { down, up }]));
  for (const way of ["down", "up"] as const) {
    const before = await both();
    const result = await world.transfer("device1", { bytes: 15_000_000, upload: way === "up" });
    assert.equal(result.checksumOk, true, result.error);
    const after = await both();
    for (const link of ["fibre", "cable", "dsl"]) {
      const carried = after[link]![way].bytes - before[link]![way].bytes;
      assert.ok(carried > 1_500_000, `${link} carried ${carried} bytes ${way}`);
    }
  }
  for (const upload of [false, true]) {
    let isCut = false;
    const result = await world.transfer("device1", {
      bytes: 20_000_000,
      upload,
      onProgress({ bytes }) {
        if (isCut || bytes < 5_000_000) return;
        isCut = true;
        void world.lab.cut("fibre");
      },
    });
    assert.ok(isCut);
    assert.equal(result.checksumOk, true, result.error);
    await world.lab.restore("fibre");
    await world.box.until(ready);
  }
  const status = await world.box.status();
  assert.deepEqual(status.health.filter(({ code }) => code === "striping-unknown"), []);
}

Deno.test("TCP over IPv6 is carried over IPv4 links too, and leaves with the peer's IPv6 address", async () => {
  await using world = await World.up(`six${Deno.pid}`, { links: links("20/10/5", "20/10/10"), ipv6: true }, {
    start: false,
  });
  const script = (role: string, code: string, stdout: "piped" | "null") =>
    world.lab.spawn(role, [Deno.execPath(), "eval", "--no-lock", code], {
      stdin: "null",
      stdout,
      stderr: "null",
    });
  // It tells everybody where they seem to come from.
  script(
    "server",
    `for await (const stream of Deno.listen({ hostname: "::", port: 8081 })) {
       await stream.write(new TextEncoder().encode(stream.remoteAddr.hostname));
       stream.close();
     }`,
    "null",
  );
  await Promise.all([world.cloud.up(), world.box.up()]);
  const asked = await script(
    "device1",
    `for (let attempt = 0; attempt < 50; attempt++) {
       try {
         const stream = await Deno.connect({ hostname: "${SERVER_IPV6}", port: 8081 });
         console.log(await new Response(stream.readable).text());
         break;
       } catch { await new Promise((resolve) => setTimeout(resolve, 100)); }
     }`,
    "piped",
  ).output();
  assert.equal(new TextDecoder().decode(asked.stdout).trim(), PEER_IPV6);
});

Deno.test("a mark takes a packet over its link alone, and no other stands in when that one is gone", async (t) => {
  await using world = await World.up(`mark${Deno.pid}`, { links: links("20/10/5", "20/10/10") });
  await t.step(
    "who is behind a modem or on the Internet reaches what otb serves there, and nothing else",
    () => onlyServed(world),
  );
  const way = async (mark: string) => {
    const { stdout } = await world.lab.spawn("box", ["ip", "route", "get", "203.0.113.10", "mark", mark], {
      stdout: "piped",
      stderr: "null",
    }).output();
    return new TextDecoder().decode(stdout).match(/dev (\S+)/)?.[1];
  };
  assert.deepEqual([await way("0x100"), await way("0x200")], ["wan1", "wan2"]);
  await world.lab.spawn("modem2", ["ip", "link", "set", "box", "down"]).status;
  // The routes go a moment after the carrier.
  for (let attempt = 0; attempt < 200 && await way("0x200") !== undefined; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.deepEqual([await way("0x100"), await way("0x200"), await way("0")], ["wan1", undefined, "wan1"]);
});

/** By scans from every side, beside programs that nobody said anything of, before and after a person lets one in. */
async function onlyServed(world: World): Promise<void> {
  const { lab, box, cloud } = world;
  const ends = await Promise.all(["box", "site1", "device1"].map((role) => stranger(lab, role)));
  try {
    await box.otb(["config", "set", "socks-proxy.socks5.enabled=true", "--yes"]);
    // Who is shut out is told, and it is nobody of otb's own: what a plugin serves and does not say would stand here.
    for (const end of [box, cloud]) {
      const message = "While otb runs, the network no longer reaches: deno (tcp 9090, udp 9090)";
      await end.until(({ health }) => health.some((one) => one.message === message));
    }
    await box.until(({ plugins }) => plugins.every(({ state }) => state === "ready"));
    const [lan, modem, internet] = ["192.168.100.1", "192.168.11.2", "198.51.100.11"];
    assert.deepEqual(await reached(lab, "device1", lan), ["tcp 1080"]);
    assert.deepEqual(await reached(lab, "solo1", modem), []);
    assert.deepEqual(await reached(lab, "server", internet), ["tcp 8443"]);
    // What passes through the box: a modem's LAN that knows the way finds neither the box nor a device.
    await lab.spawn("solo1", ["ip", "route", "add", "192.168.100.0/24", "via", modem]).status;
    assert.deepEqual(await reached(lab, "solo1", lan), []);
    assert.deepEqual(await reached(lab, "solo1", "192.168.100.10"), []);
    await box.otb(["config", "set", 'firewall.allow=["tcp 9090 from link", "udp 9090 from lan"]', "--yes"]);
    await cloud.otb(["config", "set", 'firewall.allow=["udp 9090 from link"]', "--yes"]);
    assert.deepEqual(await reached(lab, "solo1", modem), ["tcp 9090"]);
    assert.deepEqual(await reached(lab, "device1", lan), ["tcp 1080", "udp 9090"]);
    assert.deepEqual(await reached(lab, "server", internet), ["tcp 8443", "udp 9090"]);
  } finally {
    await Promise.all(ends.map((end) => end()));
  }
}

Deno.test("the peer sends with bbr over the path that loses packets, and with cubic over the other", async () => {
  const [good, lossy] = links("20/10/5", "20/10/15");
  await using world = await World.up(`lossy${Deno.pid}`, { links: [good!, { ...lossy!, lossPercent: 1.5 }] });
  const learning = world.transfer("device1", { seconds: 12 });
  const paths = (status: StatusReport) =>
    status.plugins.find(({ name }) => name === "mptcp-scheduler")!.status.congestion as Record<
      string,
      string
    >;
  // Two addresses as the Internet sees them: the modems'.
  await world.cloud.until((status) => Object.keys(paths(status)).length === 2);
  // The learned one is for the subflows that come after.
  const routes = async () => {
    const { stdout } = await world.lab.spawn("site1", ["ip", "route"], { stdout: "piped" }).output();
    return new TextDecoder().decode(stdout).split("\n").filter((line) => line.includes("congctl"));
  };
  for (let attempt = 0; attempt < 300 && (await routes()).length === 0; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.match((await routes()).join(), /^198\.18\.2\.2 via 198\.51\.100\.9 dev eth0 .*congctl bbr/);
  assert.equal((await learning).error, undefined);
  const next = world.transfer("device1", { bytes: 10_000_000 });
  await world.cloud.until((status) =>
    paths(status)["198.18.2.2"] === "bbr" && paths(status)["198.18.1.2"] === "cubic"
  );
  assert.equal((await next).checksumOk, true);
});

Deno.test("the congestion control chosen for a path is what its subflows use; a full queue's loss is told from the line's", async () => {
  await using world = await World.up(`cc${Deno.pid}`, { links: links("20/10/5", "20/10/10") }, {
    start: false,
  });
  // Another one than the namespace gives by itself.
  const usual = (await Deno.readTextFile("/proc/sys/net/ipv4/tcp_congestion_control")).trim();
  const wanted = usual === "cubic" ? "bbr" : "cubic";
  await world.box.otb(["config", "set", `mptcp-scheduler.congestion=${wanted}`]);
  // With the rights that the service has, and no other (systemd.exec(5)): they are enough for both ends.
  const rights = Object.keys(CAPABILITIES).map((name) => `+${name.replace("CAP_", "").toLowerCase()}`);
  const confined = [
    "setpriv",
    "--no-new-privs",
    "--inh-caps=-all",
    `--bounding-set=-all,${rights.join(",")}`,
  ];
  const by = ["sh", "-c", 'umask 0077; exec "$@"', "sh", ...confined];
  await Promise.all([world.cloud.up({}, by), world.box.up({}, by)]);
  for (const { health } of [await world.cloud.status(), await world.box.status()]) {
    assert.deepEqual(health.filter(({ severity }) => severity === "error"), []);
  }
  const running = world.transfer("device1", { bytes: 10_000_000, upload: true });
  // What the kernel says of the sockets, not what was asked for: a path that carries has samples.
  await world.box.until(({ links }) =>
    links.every(({ path }) =>
      (path?.txBitsPerSecond ?? 0) > 1e6 && path!.subflows > 0 && path!.congestion === wanted
    )
  );
  assert.equal((await running).checksumOk, true);
  await lossOfLinesAndQueues(world);
});

/** Fails unless links that are full and lose nothing are said to lose nothing, and one that loses is said to, empty and full. */
async function lossOfLinesAndQueues(world: World): Promise<void> {
  const pathOf = ({ links }: StatusReport, link: string) => links.find(({ name }) => name === link)?.path;
  // As nearly all senders do: fill the queue until something is lost.
  await world.box.otb(["config", "set", "mptcp-scheduler.congestion=cubic", "--yes"]);
  const full = world.transfer("device1", { seconds: 15, upload: true });
  let most = 0, worst = 0, over = false;
  void full.then(() => over = true);
  while (!over) {
    const status = await world.box.status();
    for (const link of ["fibre", "cable"]) {
      const { loss = 0, lineLoss = 0 } = pathOf(status, link) ?? {};
      most = Math.max(most, loss);
      worst = Math.max(worst, lineLoss);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.equal((await full).error, undefined);
  console.log(`full queues: ${most} of what was sent was lost, ${worst} is said to be the lines'`);
  assert.ok(worst < 0.002, `${worst} of what was sent is said to be lost by lines that lose nothing`);

  await world.lab.set("cable", { lossPercent: 2 });
  const lossy = world.transfer("device1", { seconds: 20, upload: true });
  const { links } = await world.box.until((status) => {
    const { loss = 0, lineLoss } = pathOf(status, "cable") ?? {};
    return loss > 0.012 && lineLoss !== undefined && lineLoss > 0.008;
  });
  const { loss, lineLoss } = links.find(({ name }) => name === "fibre")!.path!;
  assert.ok((lineLoss ?? 0) < 0.004, `fibre loses ${loss}, ${lineLoss} of it by the line`);
  assert.equal((await lossy).error, undefined);
}
