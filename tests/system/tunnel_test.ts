// The tunnel as a whole: box, peer and what lies between, with real packets.
import { setTimeout as sleep } from "node:timers/promises";
import assert from "node:assert/strict";
import { PEER_IPV6, SERVER_IPV6 } from "../lab/ipv6.ts";
import { links } from "../bench/measure.ts";
import { printed, tunnelIsUp, tunnelOf } from "../worlds/tunnel.ts";
import { World } from "../worlds/world.ts";

const LINKS = links("20/20/10", "10/10/20");

Deno.test("a killed tunnel or a deleted device of it, at the box or at the peer, takes no flow with it: same address, same port", async () => {
  await using world = await World.up(`tunnelb${Deno.pid}`, { links: LINKS });
  await tunnelIsUp(world);
  const harmed = world.datagrams("device1", {
    down: { mbps: 2, bytes: 500 },
    up: { mbps: 2, bytes: 500 },
    seconds: 12,
  });
  harmed.catch(() => {});
  for (const [end, role] of [[world.box, "box"], [world.cloud, "site1"]] as const) {
    await sleep(4_000);
    await printed(world.lab, role, ["ip", "link", "delete", "otb0"]);
    await end.until(({ tunnel }) => tunnel?.state === "up");
  }
  const { seenFrom, up, down } = await harmed;
  assert.equal(seenFrom.length, 1, `${seenFrom}`);
  for (const came of [up!, down!]) {
    console.log(`longest gap by a deleted device: ${Math.round(came.longestGapMs)} ms`);
    assert.ok(came.longestGapMs < 4_000, `nothing came for ${came.longestGapMs} ms`);
  }

  const going = world.datagrams("device1", {
    down: { mbps: 2, bytes: 500 },
    up: { mbps: 2, bytes: 500 },
    seconds: 30,
  });
  going.catch(() => {});
  for (const end of [world.box, world.cloud]) {
    await sleep(3_000);
    const pid = (await end.status()).plugins.find(({ name }) => name === "udp-tunnel")!.pid!;
    Deno.kill(pid, "SIGKILL");
    await end.until(({ plugins }) =>
      plugins.some((one) => one.name === "udp-tunnel" && one.state === "ready" && one.pid !== pid)
    );
    await tunnelIsUp(world);
  }
  const flow = await going;
  assert.equal(flow.seenFrom.length, 1, `${flow.seenFrom}`);
  for (const came of [flow.up!, flow.down!]) {
    assert.ok(came.received > 0.4 * came.sent, `${came.received} of ${came.sent}`);
  }
  // Who was called through it can be called back minutes later; the tunnel's own packets are remembered for two at most.
  for (const role of ["box", "site1"]) {
    const tracked = await printed(world.lab, role, ["conntrack", "-L", "-p", "udp"]);
    const longest = Math.max(
      ...[...tracked.matchAll(/^udp +17 (\d+) .*ASSURED/gm)].map(([, seconds]) => Number(seconds)),
    );
    assert.ok(longest > 150, `${role}: ${tracked}`);
  }
});

Deno.test("a modem that gives the tunnel another port, in the middle of it, costs nobody anything", async () => {
  await using world = await World.up(`tunneld${Deno.pid}`, { links: links("20/20/10") });
  await tunnelIsUp(world);
  const going = world.datagrams("device1", {
    down: { mbps: 2, bytes: 500 },
    up: { mbps: 2, bytes: 500 },
    seconds: 10,
  });
  going.catch(() => {});
  await sleep(3_000);
  const before = (await world.cloud.status()).tunnel?.paths.map(({ link }) => link);
  const nft = "add chain ip modem early { type nat hook postrouting priority srcnat - 10; };" +
    'add rule ip modem early oifname "wan" meta l4proto udp masquerade to :50000-50010';
  await printed(world.lab, "modem1", ["nft", nft]);
  await printed(world.lab, "modem1", ["conntrack", "-D", "-p", "udp"]);
  await world.cloud.until(({ tunnel }) =>
    tunnel?.paths.some(({ link }) => /\/500[01]\d$/.test(link)) ?? false
  );
  const flow = await going;
  assert.ok(before?.every((link) => !/\/500[01]\d$/.test(link)), `it was elsewhere before: ${before}`);
  assert.equal(flow.seenFrom.length, 1, `${flow.seenFrom}`);
  for (const came of [flow.up!, flow.down!]) {
    assert.ok(came.received > 0.9 * came.sent, `${came.received} of ${came.sent}`);
  }
});

Deno.test("two boxes on one peer have an address each, and do not reach each other or the peer's own networks", async () => {
  await using world = await World.up(`tunnelc${Deno.pid}`, { links: LINKS });
  await tunnelIsUp(world);
  await using second = await world.anotherBox("solo2");
  await second.until((status) => tunnelOf(status)?.state === "up");
  const [one, other] = [await world.box.status(), await second.status()].map((status) =>
    tunnelOf(status)!.address as string
  );
  assert.notEqual(one, other);
  const ping = (target: string) =>
    printed(world.lab, "solo2", ["ping", "-c", "2", "-W", "2", "-I", other!, target]);
  await printed(world.lab, "solo2", ["ip", "route", "add", "100.127.157.0/24", "dev", "otb0"]);
  assert.match(await ping("100.127.157.1"), / 2 received/, "the peer answers");
  assert.match(await ping(one!), / 0 received/, "the other box is nobody's business");
  await world.box.until((status) => tunnelOf(status)?.state === "up");
});

Deno.test("IPv6: the prefix counts once packets came back; devices leave with their own address, and nobody comes uninvited", async () => {
  await using world = await World.up(`tunnelsix${Deno.pid}`, { links: LINKS, ipv6: true }, { start: false });
  // What the peer's provider does: the prefix is routed to it.
  await printed(world.lab, "inet", ["ip", "route", "add", "2001:db8:100::/64", "via", PEER_IPV6]);
  await world.cloud.otb(["config", "set", "udp-tunnel.prefix6=2001:db8:100::/64"]);
  await world.box.otb(["config", "set", `udp-tunnel.verify6=["${SERVER_IPV6}"]`]);
  await Promise.all([world.cloud.up(), world.box.up()]);
  await tunnelIsUp(world);
  const device = "2001:db8:100::10";
  const deadline = performance.now() + 60_000;
  let answered = "";
  while (!/ 3 received/.test(answered) && performance.now() < deadline) {
    answered = await printed(world.lab, "device1", [
      "ping",
      "-6",
      "-c",
      "3",
      "-i",
      "0.2",
      "-W",
      "2",
      SERVER_IPV6,
    ]);
  }
  assert.match(answered, / 3 received/);
  const flow = await world.datagrams("device1", {
    host: SERVER_IPV6,
    up: { mbps: 2, bytes: 1_200 },
    down: { mbps: 2, bytes: 1_200 },
    seconds: 3,
  });
  assert.ok(flow.up!.lostShare < 0.02 && flow.down!.lostShare < 0.02, JSON.stringify(flow));
  assert.ok(flow.seenFrom.every((from) => from.startsWith(`[${device}]`)), `${flow.seenFrom}`);
  const uninvited = await printed(world.lab, "server", ["ping", "-6", "-c", "2", "-W", "1", device]);
  assert.match(uninvited, / 0 received/);
});
