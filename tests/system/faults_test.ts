// Bad input and broken surroundings: refused or survived, and said in words.
import { strict as assert } from "node:assert";
import { links } from "../bench/measure.ts";
import { printed, tunnelOf } from "../worlds/tunnel.ts";
import { PEER_PORT, SERVER_ADDRESS, SERVER_PORT, World } from "../worlds/world.ts";

/** Long enough to go on when the other box is revoked. */
const BYTES = 20_000_000;
/** A download by SOCKS5 that says when it goes, and in the end how much came. */
const DOWNLOAD = `
const stream = await Deno.connect({ hostname: "192.168.200.1", port: 1080 });
const chunk = new Uint8Array(65536);
await stream.write(Uint8Array.of(5, 1, 0));
await stream.read(chunk.subarray(0, 2));
const [high, low] = [${SERVER_PORT} >> 8, ${SERVER_PORT} & 255];
await stream.write(Uint8Array.of(5, 1, 0, 1, ...${
  JSON.stringify(SERVER_ADDRESS.split(".").map(Number))
}, high, low));
await stream.read(chunk.subarray(0, 10));
await stream.write(new TextEncoder().encode("GET /file?bytes=${BYTES} HTTP/1.1\\r\\n\\r\\n"));
let bytes = 0, head = -1;
for (let count = await stream.read(chunk); count !== null; count = await stream.read(chunk)) {
  if (head < 0) {
    console.log("going");
    head = new TextDecoder("latin1").decode(chunk.subarray(0, count)).indexOf("\\r\\n\\r\\n") + 4;
  }
  bytes += count;
}
console.log("whole " + (bytes - head));
`;

Deno.test("MPTCP stripped on one link: striped streams use it all the same; with MPTCP the others go on, and the health names the link", async () => {
  const spec = links("20/10/5", "20/10/10");
  await using world = await World.up(`strip${Deno.pid}`, {
    links: [spec[0]!, { ...spec[1]!, stripMptcp: true }],
  });
  await world.over("striped");
  const carried = async () => (await world.lab.counters()).map(({ down }) => down.bytes);
  const before = await carried();
  const striped = await world.transfer("device1", { bytes: 15_000_000 });
  assert.equal(striped.checksumOk, true, striped.error);
  const parts = (await carried()).map((bytes, index) => bytes - before[index]!);
  assert.ok(parts.every((bytes) => bytes > 1_500_000), `the links carried ${parts} bytes`);
  assert.ok(!(await world.box.status()).health.some(({ code }) => code === "mptcp-stripped"));

  await world.over("mptcp");
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
  await world.over("mptcp");
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
  await world.over("mptcp");
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
  const recovered = await world.transfer("device1", { bytes: 1_000_000 });
  assert.equal(recovered.checksumOk, true, recovered.error);
  await world.box.until(({ health }) => !health.some(({ code }) => code === "peer-unreachable"));
});

Deno.test("a revoked box ends at once while another goes on, is told why nothing passes, and comes back by another code", async () => {
  await using world = await World.up(`key${Deno.pid}`, { links: links("20/10/5") });
  const { box, cloud, lab } = world;
  await printed(lab, "solo1", ["ip", "link", "add", "lan9", "type", "bridge"]);
  await using other = await world.anotherBox("solo1", [
    `network.lan=${JSON.stringify({ interface: "lan9", address: "192.168.200.1/24" })}`,
    "socks-proxy.socks5.enabled=true",
  ]);
  const boxes = async () => (await (await cloud.core()).boxes()).map(({ name, open }) => [name, open]);
  // Both download; the other box does so for a program on itself, by SOCKS5.
  const mine = world.transfer("device1", { bytes: 200_000_000, seconds: 60 });
  const theirs = lab.spawn("solo1", [Deno.execPath(), "eval", "--no-lock", DOWNLOAD], {
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  });
  const said = theirs.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assert.match((await said.read()).value ?? "", /^going/);
  await box.until(({ links }) => (links[0]!.path?.rxBitsPerSecond ?? 0) > 1e6);
  await cloud.until(({ connections }) => connections.open >= 2);
  const names = (await boxes()).map(([name]) => name);
  assert.deepEqual(names, ["box", "solo1"]);

  await cloud.otb(["peer", "box", "revoke", "box", "--yes"]);
  assert.notEqual((await mine).checksumOk, true);
  assert.ok(
    (await boxes()).every(([name, open]) => name === "solo1" && Number(open) >= 1),
    `${await boxes()}`,
  );
  assert.equal((await said.read()).value?.trim(), `whole ${BYTES}`, "the other box's download");

  await other.until((status) => tunnelOf(status)?.state === "up");
  // With the key that is none any more no byte passes, and the box says so.
  for (const result of await Promise.all([1, 2].map(() => world.transfer("device1", { bytes: 100_000 })))) {
    assert.notEqual(result.checksumOk, true);
  }
  await box.until(({ health }) => health.some(({ code }) => code === "peer-rejects"));
  await box.until((status) => tunnelOf(status)?.state !== "up");
  const { joinCode } = await cloud.otb(["peer", "box", "add", "again"]) as { joinCode: string };
  await box.otb(["peer", "join", "-"], joinCode);
  await box.until(({ plugins }) => plugins.every(({ state }) => state === "ready"));
  const back = await world.transfer("device1", { bytes: 2_000_000 });
  assert.equal(back.checksumOk, true, back.error);
  await box.until((status) => tunnelOf(status)?.state === "up");
  assert.equal((await box.status()).links[0]!.name, "fibre", "its settings are what they were");
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
