// What is boring until it does not work: everything that is neither TCP nor plain UDP, through the tunnel.
import { setTimeout as sleep } from "node:timers/promises";
import assert from "node:assert/strict";
import { PEER_PREFIX, SERVER_IPV6 } from "../lab/ipv6.ts";
import { Lines } from "../lab/programs.ts";
import { Protocol } from "../lab/raw.ts";
import { DATAGRAM_PORT } from "../lab/traffic.ts";
import { WireGuard } from "../lab/wireguard.ts";
import { links } from "../bench/measure.ts";
import { pathsOf, printed, tunnelIsUp } from "../worlds/tunnel.ts";
import { PEER_ADDRESS, SERVER_ADDRESS, SERVER_PORT, type Transfer, World } from "../worlds/world.ts";

const LINKS = links("20/20/10", "10/10/20");

/** Runs commands one after the other in a role; each must succeed. */
async function run(world: World, role: string, ...commands: string[]): Promise<void> {
  const { success, stderr } = await world.lab.spawn(role, ["sh", "-ec", commands.join("\n")], {
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  assert.ok(success, `${commands.join("; ")}: ${new TextDecoder().decode(stderr)}`);
}

Deno.test("ping, traceroute and fragments pass; what asks where a packet dies hears it from the box, the peer and beyond", async () => {
  await using world = await World.up(`boringa${Deno.pid}`, { links: LINKS });
  await tunnelIsUp(world);
  const ping = (...words: string[]) =>
    printed(world.lab, "device1", ["ping", "-n", "-i", "0.2", "-W", "5", ...words, SERVER_ADDRESS]);
  assert.match(await ping("-c", "10"), / 10 received/);
  // In pieces that fit nowhere whole, at either end.
  assert.match(await ping("-c", "5", "-s", "4000"), / 5 received/);
  // One hop after the other says that the packet's time is over.
  for (const [ttl, from] of [[1, "192.168.100.1"], [2, "100.127.157.1"], [3, "198.51.100.9"]] as const) {
    const said = await ping("-c", "1", "-t", String(ttl));
    assert.match(said, new RegExp(`From ${from.replaceAll(".", "\\.")} .*Time to live exceeded`), said);
  }
  for (const probe of ["-I", "-U", "-T"]) {
    const said = await printed(world.lab, "device1", [
      ...["traceroute", "-n", probe, "-q", "3", "-w", "3", "-m", "6", SERVER_ADDRESS],
    ]);
    const hops = said.split("\n").filter((line) => /^ *\d/.test(line)).map((line) =>
      line.trim().split(/\s+/)[1]
    );
    // TCP is the proxy's: the box answers for the server.
    if (probe === "-T") assert.equal(hops.at(-1), SERVER_ADDRESS, said);
    else assert.deepEqual(hops, ["192.168.100.1", "100.127.157.1", "198.51.100.9", SERVER_ADDRESS], said);
  }

  const large = { packetsPerSecond: 50, bytes: 4_000 };
  const { up, down } = await world.datagrams("device1", {
    up: large,
    down: large,
    seconds: 4,
    skipSeconds: 1,
  });
  for (const [direction, came] of [["up", up], ["down", down]] as const) {
    assert.equal(came!.damaged, 0);
    assert.ok(came!.lostShare < 0.1, `${direction}: ${came!.lost} of ${came!.sent}`);
  }
});

Deno.test("ESP, GRE, SCTP and IP in IP as raw packets come back through the peer; the mark of a packet reaches the server", async () => {
  await using world = await World.up(`boringb${Deno.pid}`, { links: LINKS });
  await tunnelIsUp(world);
  const { esp, gre, sctp, ipInIp, ipv6InIp, udp } = Protocol;
  const protocols = [esp, gre, sctp, ipInIp, ipv6InIp];
  const server = new Lines(world.lab, "server", [
    "tests/lab/raw.ts",
    "serve",
    ...[...protocols, udp].map(String),
  ]);
  const heard: { protocol: number; from: string; tos: number; right: boolean }[] = [];
  try {
    await server.next((line) => "listening" in line);
    server.listen((line) => heard.push(line as never));
    const device = new Lines(world.lab, "device1", [
      ...["tests/lab/raw.ts", "ask", SERVER_ADDRESS, ...protocols.map(String)],
    ]);
    const { answered } = await device.next<{ answered: number[] }>((line) => "answered" in line);
    await device.stop();
    assert.deepEqual(answered.sort(), [...protocols].sort());
    for (const { protocol, from, right } of heard) {
      assert.deepEqual({ protocol, from, right }, { protocol, from: PEER_ADDRESS, right: true });
    }
    // EF and "capable of ECN", as a call has it (RFC 3246, RFC 3168).
    const flow = { packetsPerSecond: 50, bytes: 200, tos: 0xb9 };
    await world.datagrams("device1", { up: flow, seconds: 1 });
    const marks = heard.filter(({ protocol }) => protocol === udp).map(({ tos }) => tos);
    // Greetings have none.
    const told = marks.filter((tos) => tos !== 0);
    assert.ok(told.length >= 20 && told.every((tos) => tos === 0xb9), `${marks}`);
  } finally {
    await server.stop();
  }
});

Deno.test("UDP from the ports of IKE keeps them; WireGuard inside stands, fills the links and outlives a cut", async () => {
  await using world = await World.up(`boringc${Deno.pid}`, { links: LINKS });
  await tunnelIsUp(world);
  await run(
    world,
    "server",
    `nft 'table ip ike { chain in { type nat hook prerouting priority dstnat;
      udp dport { 500, 4500 } redirect to :${DATAGRAM_PORT}; }; }'`,
  );
  for (const port of [500, 4500]) {
    const flow = { packetsPerSecond: 20, bytes: 300 };
    const { up, down, seenFrom } = await world.datagrams("device1", {
      ...{ up: flow, down: flow, seconds: 1, port, localPort: port },
    });
    assert.deepEqual(seenFrom, [`${PEER_ADDRESS}:${port}`]);
    assert.ok(up!.received === up!.sent && down!.received === down!.sent);
  }

  await using wireguard = await WireGuard.up(world.lab, "device1", "server", SERVER_ADDRESS);
  const ping = ["ping", "-n", "-c", "5", "-i", "0.2", "-W", "5", wireguard.server];
  assert.match(await printed(world.lab, "device1", ping), / 5 received/);
  // Its packets are larger than what the tunnel carries whole: they go in pieces.
  const before = await world.lab.counters();
  const client = new Lines(world.lab, "device1", [
    ...["tests/lab/client.ts", "--url", `${wireguard.server}:${SERVER_PORT}`, "--bytes", "20000000"],
  ]);
  let cutting: Promise<void> | undefined;
  client.listen((line) => {
    if (!(Number(line.bytes) > 6e6)) return;
    cutting ??= (async () => {
      await world.lab.cut("fibre");
      await sleep(2_000);
      await world.lab.restore("fibre");
    })();
  });
  const { checksumOk, error } = await client.next<Transfer>((line) => !("tMs" in line));
  await client.stop();
  await cutting;
  assert.equal(checksumOk, true, error);
  const after = await world.lab.counters();
  for (const [index, { link, down }] of after.entries()) {
    assert.ok(down.bytes - before[index]!.down.bytes > 2e6, `${link} carried its part`);
  }
});

Deno.test("multicast and broadcast of the LAN go nowhere, neither into the tunnel nor over a link", async () => {
  await using world = await World.up(`boringd${Deno.pid}`, { links: LINKS });
  await tunnelIsUp(world);
  const places: [string, string][] = [["site1", "otb0"], ["modem1", "lan"], ["modem2", "lan"]];
  for (const [role, device] of places) {
    await run(
      world,
      role,
      `nft 'table inet watch { chain in { type filter hook prerouting priority -400;
        iifname "${device}" ip daddr { 224.0.0.0/4, 255.255.255.255, 192.168.100.255 } udp dport 9999 counter
        iifname "${device}" ip daddr ${SERVER_ADDRESS} counter; }; }'`,
    );
  }
  const code = `import { createSocket } from "node:dgram";
    const socket = createSocket("udp4");
    await new Promise((resolve) => socket.bind(0, "0.0.0.0", resolve));
    socket.setBroadcast(true);
    socket.setMulticastTTL(16);
    socket.setMulticastInterface("192.168.100.10");
    for (let turn = 0; turn < 20; turn++) {
      for (const to of ["224.0.0.251", "239.1.2.3", "239.255.255.250", "255.255.255.255", "192.168.100.255"]) {
        await new Promise((resolve, reject) =>
          socket.send(new Uint8Array(100), 9999, to, (error) => error ? reject(error) : resolve()));
      }
      await new Promise((resolve) => socket.send(new Uint8Array(100), 9998, "${SERVER_ADDRESS}", resolve));
    }
    console.log("sent"); process.exit(0);`;
  const script = await Deno.makeTempFile({ prefix: "otb", suffix: ".mjs" });
  try {
    await Deno.writeTextFile(script, code);
    const said = await printed(world.lab, "device1", [Deno.execPath(), "run", "-A", "--quiet", script]);
    assert.match(said, /sent/);
  } finally {
    await Deno.remove(script);
  }
  await sleep(1_000);
  let unicast = 0;
  for (const [role] of places) {
    const text = await printed(world.lab, role, ["nft", "list", "table", "inet", "watch"]);
    // Bytes: datagrams of one flow come out of a TUN device as one packet for the kernel.
    const bytes = [...text.matchAll(/bytes (\d+)/g)].map(([, count]) => Number(count));
    assert.equal(bytes[0], 0, `${role}: ${text}`);
    unicast += bytes[1]!;
  }
  assert.ok(unicast >= 10 * 128, `the others came through: ${unicast} bytes`);
});

Deno.test("links that swallow large packets without a word cost no flow, from the start and while it runs", async () => {
  const [first, second] = LINKS;
  await using world = await World.up(`boringe${Deno.pid}`, {
    links: [{ ...first!, wholeBytes: 1400 }, { ...second!, wholeBytes: 1300 }],
  });
  await tunnelIsUp(world);
  const mtus = async () =>
    Object.fromEntries(pathsOf(await world.box.status()).map(({ path, mtu }) => [path, mtu]));
  const settled = (fibre: number, cable: number) =>
    world.box.until((status) => {
      const found = Object.fromEntries(pathsOf(status).map(({ path, mtu }) => [path, mtu]));
      // Found by searching: close below what passes.
      return near(found.fibre, fibre) && near(found.cable, cable);
    });
  const near = (found: number | undefined, bytes: number) => found! <= bytes && found! > bytes - 32;
  await settled(1400, 1300);
  // As programs do that know nothing: full packets for a LAN of 1500, both ways, that may not be cut up.
  const full = { mbps: 8, bytes: 1_472 };
  const flow = (seconds: number, onProgress?: () => void) =>
    world.datagrams("device1", { up: full, down: full, seconds, skipSeconds: 3, onProgress });
  const check = ({ up, down }: Awaited<ReturnType<typeof flow>>, least: number) => {
    for (const [direction, came] of [["up", up], ["down", down]] as const) {
      assert.equal(came!.damaged, 0);
      assert.ok(came!.received > least * came!.sent, `${direction}: ${came!.received} of ${came!.sent}`);
    }
  };
  check(await flow(6), 0.9);
  // QUIC finds by itself how large its packets may be.
  const { mbps, error } = await world.quic("device1", { seconds: 6, skipSeconds: 2 });
  assert.ok(error === undefined && mbps > 3, `${mbps} Mbit/s ${error ?? ""}`);

  let narrowing: Promise<void> | undefined;
  const running = await flow(20, () => {
    narrowing ??= sleep(4_000).then(() => world.lab.set("fibre", { wholeBytes: 1280 }));
  });
  await narrowing;
  check(running, 0.5);
  await settled(1280, 1300);
  check(await flow(6), 0.9);
  assert.deepEqual(Object.keys(await mtus()).sort(), ["cable", "fibre"]);
});

Deno.test("IPv6 of the LAN leaves with a prefix of the peer's: ping, UDP and fragments, both ways, over IPv4 links", async () => {
  await using world = await World.up(`boringf${Deno.pid}`, { links: LINKS, ipv6: true }, { start: false });
  await world.cloud.otb(["config", "set", `udp-tunnel.prefix6=${PEER_PREFIX.replace(/\/\d+$/, "/56")}`]);
  await world.box.otb(["config", "set", `udp-tunnel.verify6=${JSON.stringify([SERVER_IPV6])}`]);
  await Promise.all([world.cloud.up(), world.box.up()]);
  await tunnelIsUp(world);
  // The /64 that this box was given.
  const routes = await printed(world.lab, "site1", ["ip", "-6", "route", "show", "dev", "otb0"]);
  const prefix = /^(2001:db8:100:\S*)\/64/m.exec(routes)?.[1];
  assert.ok(prefix, routes);
  // By hand what the box's router advertisements do where it is the LAN's DHCP server.
  await run(
    world,
    "box",
    "ip address flush dev lan0 scope global to 2001:db8:100::/48",
    `ip address add ${prefix}1/64 dev lan0 nodad`,
  );
  await run(
    world,
    "device1",
    "ip address flush dev eth0 scope global to 2001:db8:100::/48",
    `ip address add ${prefix}10/64 dev eth0 nodad`,
    `ip route replace default via ${prefix}1`,
  );
  const ping = (...words: string[]) =>
    printed(world.lab, "device1", ["ping", "-6", "-n", "-i", "0.2", "-W", "5", ...words, SERVER_IPV6]);
  assert.match(await ping("-c", "10"), / 10 received/);
  // The first ones tell each sender what size goes through (RFC 8201), which nobody else may change in IPv6.
  assert.match(await ping("-c", "8", "-s", "4000"), / [4-8] received/);
  const flow = { mbps: 5, bytes: 1_200 };
  const { up, down, seenFrom } = await world.datagrams("device1", {
    ...{ up: flow, down: flow, seconds: 4, skipSeconds: 1, host: SERVER_IPV6, localPort: 5000 },
  });
  assert.deepEqual(seenFrom, [`[${prefix}10]:5000`]);
  for (const came of [up!, down!]) {
    assert.equal(came.damaged, 0);
    assert.ok(came.lostShare < 0.1, `${came.lost} of ${came.sent}`);
  }
});
