// Bad input and broken surroundings: refused or survived, and said in words.
import { strict as assert } from "node:assert";
import { links } from "../measure.ts";
import { PEER_PORT, World } from "../world.ts";

Deno.test("MPTCP stripped on one link: the others go on, and the health names the link", async () => {
  const spec = links("20/10/5", "20/10/10");
  await using world = await World.up(`strip${Deno.pid}`, {
    links: [spec[0]!, { ...spec[1]!, stripMptcp: true }],
  });
  const running = world.transfer("device1", { bytes: 30_000_000 });
  const status = await world.box.until(({ health }) => health.some(({ code }) => code === "mptcp-stripped"));
  assert.match(status.health.find(({ code }) => code === "mptcp-stripped")!.message, /"cable"/);
  assert.doesNotMatch(status.health.find(({ code }) => code === "mptcp-stripped")!.message, /"fibre"/);
  const result = await running;
  assert.equal(result.checksumOk, true, result.error);
});

Deno.test("MPTCP stripped on every link: plain TCP carries on over one of them, and says so", async () => {
  const spec = links("20/10/5", "20/10/10").map((link) => ({ ...link, stripMptcp: true }));
  await using world = await World.up(`stripall${Deno.pid}`, { links: spec });
  const running = world.transfer("device1", { bytes: 20_000_000 });
  const status = await world.box.until(({ connections, health }) =>
    connections.protocol === "tcp" &&
    health.some(({ code }) => code === "mptcp-stripped" || code === "mptcp-unavailable")
  );
  assert.ok(status.connections.open > 0);
  assert.equal((await running).checksumOk, true);
});

Deno.test("MPTCP switched off at the peer: works as plain TCP", async () => {
  await using world = await World.up(`off${Deno.pid}`, { links: links("20/10/5", "20/10/10") });
  await world.lab.spawn("site1", ["sysctl", "-qw", "net.mptcp.enabled=0"], {
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).status;
  const result = await world.transfer("device1", { bytes: 2_000_000 });
  assert.equal(result.checksumOk, true, result.error);
});

Deno.test("peer unreachable: connections end in bounded time and the health says why; it recovers by itself", async () => {
  await using world = await World.up(`gone${Deno.pid}`, { links: links("20/10/5") }, { start: false });
  await world.box.up();
  const started = performance.now();
  const refused = await world.transfer("device1", { bytes: 1_000_000 });
  assert.ok(refused.error, "a transfer without a peer must fail");
  assert.ok(performance.now() - started < 60_000);
  await world.box.until(({ health }) => health.some(({ code }) => code === "peer-unreachable"));
  await world.cloud.up();
  assert.equal((await world.transfer("device1", { bytes: 1_000_000 })).checksumOk, true);
  await world.box.until(({ health }) => !health.some(({ code }) => code === "peer-unreachable"));
});

Deno.test("wrong key: no byte passes, and both ends say it", async () => {
  await using world = await World.up(`key${Deno.pid}`, { links: links("20/10/5") }, { start: false });
  await Deno.writeTextFile(
    `${world.box.state}/secrets/psk`,
    btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32)))),
  );
  await Promise.all([world.cloud.up(), world.box.up()]);
  const results = await Promise.all(
    [1, 2].map(() => world.transfer("device1", { bytes: 100_000, seconds: 20 })),
  );
  for (const result of results) assert.notEqual(result.checksumOk, true);
  await world.box.until(({ health }) => health.some(({ code }) => code === "peer-rejects"));
});

Deno.test("an interface that is missing, or renamed while running: said in words, the other link goes on", async () => {
  await using world = await World.up(`iface${Deno.pid}`, { links: links("20/10/5", "20/10/10") });
  await world.box.otb([
    "link",
    "add",
    "ghost",
    "--interface",
    "nosuch0",
    "--address",
    "192.168.77.2/24",
    "--gateway",
    "192.168.77.1",
    "--yes",
  ]);
  const status = await world.box.until(({ links }) =>
    links.some(({ name, observed }) => name === "ghost" && observed.state === "missing")
  );
  assert.match(status.links.find(({ name }) => name === "ghost")!.observed.reason!, /nosuch0/);
  const run = (...command: string[]) =>
    world.lab.spawn("box", command, { stdin: "null", stdout: "null", stderr: "null" }).status;
  // In one breath, as otb would switch it on again.
  await run("sh", "-c", "ip link set wan2 down && ip link set wan2 name wanX");
  await world.box.until(({ links }) =>
    links.some(({ name, observed }) => name === "cable" && observed.state === "missing")
  );
  assert.equal((await world.transfer("device1", { bytes: 5_000_000 })).checksumOk, true);
  await run("ip", "link", "set", "wanX", "name", "wan2");
  await run("ip", "link", "set", "wan2", "up");
  await world.box.until(({ links }) =>
    links.some(({ name, observed }) => name === "cable" && observed.state === "up")
  );
  const running = world.transfer("device1", { bytes: 20_000_000 });
  await world.box.until(({ links }) =>
    links.every(({ name, path }) => name === "ghost" || (path?.rxBitsPerSecond ?? 0) > 1e6)
  );
  assert.equal((await running).checksumOk, true);
});

Deno.test("the peer's port in use: said in words, and taken when it is free", async () => {
  await using world = await World.up(`port${Deno.pid}`, { links: links("20/10/5") }, { start: false });
  const squatter = world.lab.spawn("site1", [
    Deno.execPath(),
    "eval",
    `Deno.listen({ hostname: "0.0.0.0", port: ${PEER_PORT} }); console.log("up"); setTimeout(() => {}, 60000);`,
  ], {
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  });
  await squatter.stdout.getReader().read();
  const starting = world.cloud.up();
  const status = await world.cloud.until(({ plugins }) =>
    plugins.some(({ name, reason }) => name === "socks-proxy" && reason !== undefined)
  );
  assert.match(
    status.plugins.find(({ name }) => name === "socks-proxy")!.reason!,
    new RegExp(`${PEER_PORT}`),
  );
  squatter.kill("SIGKILL");
  await squatter.status;
  await starting;
});

Deno.test("settings that are malformed, unknown or contradictory are refused with one line, and nothing changes", async () => {
  await using world = await World.up(`bad${Deno.pid}`, { links: links("20/10/5") }, { start: false });
  const before = await world.box.otb(["config", "get"]);
  const cases: string[][] = [
    ["config", "set", "network.lan.address=300.1.1.1/24"],
    ["config", "set", "network.lan.colour=blue"],
    ["config", "set", "socks-proxy.nosuch=1"],
    ["config", "set", "nosuch-plugin.x=1"],
    ["config", "set", "network.links.fibre.tier=master"],
    ["config", "set", "network.links.fibre.gateway=10.9.9.9"],
    [
      "link",
      "add",
      "fibre2",
      "--interface",
      "wan1",
      "--address",
      "192.168.11.2/24",
      "--gateway",
      "192.168.11.1",
    ],
    ["link", "add", "Bad Name", "--interface", "wan1"],
    ["link", "remove", "nosuch"],
    ["link", "set", "fibre", "--tier", "master"],
    ["lan", "set", "--interface", "lan0", "--address", "192.168.11.1/24"],
  ];
  for (const args of cases) {
    const { success, stdout, stderr } = await world.box.tryOtb([...args, "--yes"]);
    assert.equal(success, false, `${args.join(" ")} was taken`);
    const { error } = JSON.parse(stdout || stderr.split("\n")[0]!);
    assert.ok(error.code && error.message, args.join(" "));
    assert.ok(!error.message.includes("\n"), error.message);
  }
  assert.deepEqual(await world.box.otb(["config", "get"]), before);
});

Deno.test("a change that is not confirmed is taken back, kernel included", async () => {
  await using world = await World.up(`conf${Deno.pid}`, { links: links("20/10/5", "20/10/10") });
  await world.box.otb(["link", "set", "cable", "--tier", "never"]);
  const pending = await world.box.until(({ pending }) => pending !== undefined);
  assert.ok(pending.pending!.revertsAtMs > Date.now());
  await world.box.otb(["config", "revert"]);
  const after = await world.box.until(({ pending }) => pending === undefined);
  assert.equal(after.links.find(({ name }) => name === "cable")!.tier, "primary");
});
