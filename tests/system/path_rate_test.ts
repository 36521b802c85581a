// How much of the links' rates a LAN device gets, and that nothing of otb is left in the kernel afterwards.
import { strict as assert } from "node:assert";
import { MIXES } from "../bench/mixes.ts";
import { links } from "../bench/measure.ts";
import { SERVER_ADDRESS, SERVER_PORT, World } from "../worlds/world.ts";

/** What the kernel shows of addresses, routes, rules, MPTCP, nft and settings in one namespace. */
async function kernelState(world: World, role: string): Promise<string> {
  const looks = [
    ["ip", "-4", "-o", "address"],
    ["ip", "route", "show", "table", "all"],
    ["ip", "rule"],
    ["ip", "mptcp", "endpoint"],
    ["ip", "mptcp", "limits"],
    ["nft", "list", "ruleset"],
    ["tc", "qdisc"],
    [
      "sysctl",
      "-e",
      "net.ipv4.tcp_rmem",
      "net.ipv4.tcp_wmem",
      "net.mptcp",
      "net.ipv4.conf.all.rp_filter",
      "net.ipv4.tcp_slow_start_after_idle",
    ],
  ];
  const outputs = await Promise.all(
    looks.map((look) =>
      world.lab.spawn(role, look, { stdin: "null", stdout: "piped", stderr: "piped" }).output()
    ),
  );
  return outputs.map(({ stdout }) => new TextDecoder().decode(stdout)).join("\n");
}

Deno.test("one TCP connection uses all links both ways and leaves with the peer's address; nothing is left after down", async () => {
  await using world = await World.up(`path${Deno.pid}`, { links: links("40/20/5", "20/10/15", "10/10/25") }, {
    start: false,
  });
  const before = { box: await kernelState(world, "box"), site1: await kernelState(world, "site1") };
  await world.box.otb(["config", "set", "mptcp-scheduler.transport=mptcp"]);
  await Promise.all([world.cloud.up(), world.box.up()]);

  const seen = await world.lab.spawn("device1", [
    Deno.execPath(),
    "eval",
    `console.log(await (await fetch("http://${SERVER_ADDRESS}:${SERVER_PORT}/whoami")).text())`,
  ], {
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  assert.match(
    new TextDecoder().decode(seen.stdout),
    /198\.51\.100\.11/,
    new TextDecoder().decode(seen.stderr),
  );

  await bothWays(world, "mptcp");
  await world.over("striped");
  await bothWays(world, "striped");

  await Promise.all([world.box.down(), world.cloud.down()]);
  assert.equal(await kernelState(world, "box"), before.box);
  assert.equal(await kernelState(world, "site1"), before.site1);
});

/** Fails unless a download and an upload get well above what the best link alone can carry: 40 down, 20 up. */
async function bothWays(world: World, transport: string): Promise<void> {
  for (const upload of [false, true]) {
    const direction = `${transport} ${upload ? "up" : "down"}`;
    const running = world.transfer("device1", { bytes: upload ? 20_000_000 : 40_000_000, upload });
    await world.box.until(({ links, connections }) =>
      connections.protocol === transport &&
      links.filter(({ path }) => (upload ? path?.txBitsPerSecond ?? 0 : path?.rxBitsPerSecond ?? 0) > 1e6)
          .length === 3
    );
    const result = await running;
    assert.equal(result.checksumOk, true, `${direction}: ${result.error}`);
    assert.ok(result.mbps > (upload ? 24 : 48), `${direction}: ${result.mbps} Mbit/s`);
    console.log(`${direction}: ${result.mbps.toFixed(1)} Mbit/s`);
  }
}

Deno.test("a download that has lost each of its links once has the rate of both again", async () => {
  await using world = await World.up(`again${Deno.pid}`, { links: links("30/10/10", "30/10/20") });
  const running = world.transfer("device1", { seconds: 40 });
  const carried = async () => (await world.lab.counters()).map(({ down }) => down.bytes);
  const rates = async (ms: number) => {
    const before = await carried();
    await new Promise((resolve) => setTimeout(resolve, ms));
    return (await carried()).map((bytes, index) => (bytes - before[index]!) * 8 / 1000 / ms);
  };
  // Each again, for what a subflow is given on its return shows when the other one's is new as well.
  for (const link of ["fibre", "cable", "fibre", "cable"]) {
    await world.box.until(({ links }) => links.every(({ path }) => (path?.rxBitsPerSecond ?? 0) > 1e6));
    await world.lab.cut(link);
    await world.box.until(({ links }) => links.find(({ name }) => name === link)!.path?.state === "suspect");
    await world.lab.restore(link);
  }
  await world.box.until(({ links }) => links.every(({ path }) => (path?.rxBitsPerSecond ?? 0) > 1e6));
  let isRunning = true;
  void running.finally(() => isRunning = false);
  const seen: string[] = [];
  let best = 0;
  while (isRunning && best <= 48) {
    const [fibre = 0, cable = 0] = await rates(2_000);
    best = Math.max(best, fibre + cable);
    seen.push(`${fibre.toFixed(1)} and ${cable.toFixed(1)}`);
  }
  assert.ok(best > 48, `of 30 and 30 Mbit/s it had ${seen.join(", ")}`);
  await running;
});

Deno.test("a link's rates are caps, both ways; a secondary joins in when the primary is full", async () => {
  await using world = await World.up(`caps${Deno.pid}`, { links: links("40/20/5", "20/10/10") });
  await world.box.otb(["link", "set", "cable", "--tier", "never", "--yes"]);
  await world.box.otb(["link", "set", "fibre", "--down-mbps", "8", "--up-mbps", "4", "--yes"]);
  // The peer caps what comes down: it has to hear of it first.
  const down = await world.transfer("device1", { bytes: 6_000_000, skipSeconds: 2 });
  assert.ok(
    down.checksumOk && down.mbps > 5 && down.mbps < 8.5,
    `down ${down.mbps} Mbit/s ${down.error ?? ""}`,
  );
  const up = await world.transfer("device1", { bytes: 3_000_000, upload: true, skipSeconds: 2 });
  assert.ok(up.checksumOk && up.mbps > 2.5 && up.mbps < 4.3, `up ${up.mbps} Mbit/s ${up.error ?? ""}`);

  await world.box.otb(["link", "set", "cable", "--tier", "secondary", "--yes"]);
  const full = world.transfer("device1", { bytes: 20_000_000 });
  const carrying = await world.box.until(({ links }) => {
    const path = links.find(({ name }) => name === "cable")!.path;
    return path?.state === "active" && path.rxBitsPerSecond > 3e6;
  });
  assert.equal(carrying.links.find(({ name }) => name === "fibre")!.path!.state, "active");
  assert.equal((await full).checksumOk, true);
});

/** Where kernel Multipath TCP has a sixth to two thirds of the sum: it waits for deep queues, and takes a radio's loss for a full one. */
const HARD: (keyof typeof MIXES)[] = [
  "DSL 18 + LTE 40 with 0.2 % loss",
  "fibre 100 + DSL 8",
  "cable 50 + poor LTE 20",
  "satellite 50 + DSL 12",
];

for (const [index, name] of HARD.entries()) {
  Deno.test(`${name}: one striped stream has nearly the sum of both, down and up`, async () => {
    const mixed = links(...MIXES[name]);
    await using world = await World.up(`mix${index}${Deno.pid}`, { links: mixed });
    await world.over("striped");
    for (const upload of [false, true]) {
      const { mbps, error } = await world.transfer("device1", { seconds: 14, skipSeconds: 7, upload });
      const sum = mixed.reduce((all, link) => all + (upload ? link.upMbps : link.downMbps), 0);
      const way = upload ? "up" : "down";
      console.log(`${name}, ${way}: ${mbps.toFixed(1)} of ${sum} Mbit/s`);
      assert.ok(mbps > 0.8 * sum, `${way}: ${mbps} of ${sum} Mbit/s ${error ?? ""}`);
    }
  });
}
