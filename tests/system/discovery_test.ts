// Modems found by real DHCP servers, in any order, on ports of their own or on the LAN's segment.
import { strict as assert } from "node:assert";
import type { Link } from "@otb/plugin";
import { type ModemSpec, SERVERS } from "../lab/modem.ts";
import { links } from "../bench/measure.ts";
import { allLeave, among, gateways, leavesBy, modemsOf } from "../worlds/modems.ts";
import { PEER_ADDRESS, ROOT, SERVER_ADDRESS, SERVER_PORT, World } from "../worlds/world.ts";

/** Fails unless a download arrives whole, and every link has carried a part of it that counts. */
async function oneConnectionUsesAll(world: World): Promise<void> {
  // A link that has its address has not been heard of by the peer yet, which may only just be coming up itself.
  await world.box.until(({ links, tunnel }) =>
    tunnel?.state === "up" &&
    links.every(({ path, health }) => path?.state === "active" && health?.state === "up")
  );
  const carried = async () => (await world.lab.counters()).map(({ down }) => down.bytes);
  const before = await carried();
  const result = await world.transfer("device1", { bytes: 15_000_000 });
  assert.equal(result.checksumOk, true, result.error);
  const parts = (await carried()).map((bytes, index) => bytes - before[index]!);
  assert.ok(parts.every((bytes) => bytes > 1_000_000), `they carried ${parts} bytes`);
}

/** What a shell says that runs in one of a world's namespaces. */
async function readIn(world: World, role: string, script: string): Promise<string> {
  const { success, stdout, stderr } = await world.lab.spawn(role, ["sh", "-ec", script], {
    ...{ stdin: "null", stdout: "piped", stderr: "piped" } as const,
  }).output();
  const [said, failed] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`${script} failed: ${failed}`);
  return said!;
}

/** Fails unless everything of a device for the Internet server goes through the peer, none of it past it by one modem, whose page is reached. */
async function nothingInClear(world: World, modem: number, page: string): Promise<void> {
  const run = async (role: string, command: string[]) => {
    const { stdout, stderr } = await world.lab.spawn(role, command, {
      ...{ stdin: "null", stdout: "piped", stderr: "piped" } as const,
    }).output();
    return new TextDecoder().decode(stdout).trim() + new TextDecoder().decode(stderr);
  };
  const role = `modem${modem}`;
  const website = world.lab.spawn(role, ["busybox", "httpd", "-f", "-p", `${page}:80`, "-h", "/etc"], {
    ...{ stdin: "null", stdout: "null", stderr: "null" } as const,
  });
  let counts: number[] | undefined;
  try {
    // While the peer is away for a moment, devices leave past it by design: such a turn says nothing.
    for (let turn = 0; turn < 10 && !counts; turn++) {
      await world.box.until(({ tunnel }) => tunnel?.state === "up");
      await run(role, [
        "nft",
        `add table inet watch
        delete table inet watch
        table inet watch {
          chain in {
            type filter hook prerouting priority -400
            iifname "lan" ip daddr ${SERVER_ADDRESS} counter
            iifname "lan" ip daddr ${PEER_ADDRESS} counter
          }
        }`,
      ]);
      const whoami = `http://${SERVER_ADDRESS}:${SERVER_PORT}/whoami`;
      const asked = await run("device1", ["curl", "-sS", "-m", "20", whoami]);
      const options = { up: { packetsPerSecond: 50, bytes: 200 }, seconds: 1, patienceSeconds: 10 };
      const { seenFrom } = await world.datagrams("device1", options).catch(() => ({
        seenFrom: [] as string[],
      }));
      const seen = [asked, ...seenFrom.map((from) => from.split(":")[0]!)];
      if (seen.length < 2 || seen.some((from) => from !== PEER_ADDRESS)) continue;
      const text = await run(role, ["nft", "list", "table", "inet", "watch"]);
      counts = [...text.matchAll(/packets (\d+)/g)].map(([, count]) => Number(count));
    }
    const shown = await run("device1", [
      ...["curl", "-sS", "-m", "10", "--retry", "5", "--retry-connrefused", `http://${page}/hostname`],
    ]);
    assert.equal(shown, Deno.readTextFileSync("/etc/hostname").trim());
  } finally {
    website.kill("SIGKILL");
    await website.status;
  }
  assert.ok(counts, "what a device sends never came from the peer");
  const [clear, encrypted] = counts;
  assert.equal(clear, 0, "packets for the server left by the modem in clear");
  assert.ok(encrypted! > 0, "and nothing left by it encrypted, so that this proves nothing");
}

Deno.test("a port per modem: each server's modem is a link, one connection uses them all, and a mask of half the Internet takes nothing out of it", async () => {
  await using world = await World.up(`found${Deno.pid}`, {
    links: links("20/10/5", "20/10/10", "20/10/15"),
    modems: [{ dhcp: "dnsmasq" }, { dhcp: "udhcpd" }, { dhcp: "isc", toldMask: "128.0.0.0" }],
  }, { found: true });
  const status = await world.box.until(({ links }) => gateways(links).length === 3);
  assert.deepEqual(
    status.links.map(({ interface: on, observed }) => `${on} ${observed.gateway}`).sort(),
    ["wan1 192.168.11.1", "wan2 192.168.12.1", "wan3 192.168.13.1"],
  );
  await oneConnectionUsesAll(world);
  await nothingInClear(world, 3, "192.168.13.1");
  const { health } = await world.box.until(({ health }) =>
    health.some(({ code }) => code === "network-mask-odd")
  );
  const { message } = health.find(({ code }) => code === "network-mask-odd")!;
  assert.match(message, /"wan-wan3" \(.*\) has 128\.0\.0\.0/);
  const why = async (target: string) => {
    const { sentences } = await world.box.otb(["why", `192.168.100.10 -> ${target}:80/tcp`]) as {
      sentences: string[];
    };
    return sentences.join(" ");
  };
  assert.match(await why(SERVER_ADDRESS), /goes over all links through the peer/);
  assert.match(await why("192.168.13.1"), /in clear and not through the peer/);
});

Deno.test("a single port with three modems, two of one subnet and one at the LAN's: three links, the LAN's address reused; one that dies stays a link, down, until it is back or forgotten", async () => {
  await using world = await World.up(`shared${Deno.pid}`, {
    links: links("20/10/5", "20/10/10", "20/10/15"),
    modems: [
      { cable: "lan", dhcp: "dnsmasq", address: "192.168.1.1/24" },
      {
        cable: "lan",
        dhcp: "udhcpd",
        address: "192.168.1.254/24",
        pool: ["192.168.1.160", "192.168.1.200"],
      },
      { cable: "lan", dhcp: "isc", address: "192.168.8.1/24" },
    ],
    lan: "192.168.1.5/24",
  }, { found: true });
  const status = await world.box.until(({ links }) => gateways(links).length === 3);
  assert.deepEqual(gateways(status.links), ["192.168.1.1", "192.168.1.254", "192.168.8.1"]);
  assert.equal(status.links.filter(({ observed }) => observed.address === "192.168.1.5").length, 1);
  assert.equal(new Set(status.links.map(({ interface: on }) => on)).size, 3);
  await oneConnectionUsesAll(world);

  const { name } = status.links.find(({ observed }) => observed.gateway === "192.168.8.1")!;
  const [third] = links("20/10/5", "20/10/10", "20/10/15").slice(-1);
  /** Waits until its modem is seen to be gone, and fails unless a person is told. */
  const isMissed = async () => {
    await world.lab.plug(third!.name, false);
    const { sentence, health } = await world.box.until(({ links, sentence }) =>
      links.some((link) =>
        link.name === name && / does not answer on lan0$/.test(link.observed.reason ?? "")
      ) &&
      sentence.startsWith("2 of 3 links up")
    );
    assert.match(sentence, /^2 of 3 links up/);
    assert.ok(
      health.some(({ severity, message }) =>
        severity === "warning" && message.includes(`Link "${name}" is not usable`)
      ),
    );
    assert.match(await world.box.read(["link", "list"]), new RegExp(`^${name} `, "m"));
  };
  await isMissed();
  const kept = await world.box.tryOtb(["link", "remove", status.links[0]!.name, "--yes"]);
  assert.equal(kept.code, 1);
  assert.match(kept.stdout, /Cannot forget link [^]* as its modem must be gone/);
  await world.lab.plug(third!.name);
  const { links: again } = await world.box.until(({ links }) => gateways(links).length === 3);
  await leavesBy(world, again.find((link) => link.name === name)!, 3);
  await isMissed();
  await world.box.otb(["link", "remove", name, "--yes"]);
  await world.box.until(({ links, sentence }) =>
    links.length === 2 && sentence.startsWith("2 of 2 links up")
  );
});

for (const cable of ["lan", "port"] as const) {
  const where = cable === "lan" ? "the LAN" : "a port";
  const one = cable === "port" ? ", Ethernet address and single address to give" : "";
  Deno.test(`two modems with the very same address${one}, each on ${where}: both are used`, async () => {
    const same: ModemSpec = { cable, address: "192.168.1.1/24", pool: ["192.168.1.100", "192.168.1.103"] };
    if (cable === "port") {
      same.mac = "02:00:5e:10:77:01";
      same.pool = ["192.168.1.100", "192.168.1.100"];
    }
    await using world = await among(`same${cable}`, [{ ...same, dhcp: "dnsmasq" }, { ...same, dhcp: "isc" }]);
    const status = await world.box.until(({ links }) => gateways(links).length === 2);
    assert.deepEqual(gateways(status.links), ["192.168.1.1", "192.168.1.1"]);
    if (cable === "port") {
      assert.deepEqual(status.links.map((link) => link.interface).sort(), ["wan1", "wan2"]);
      for (const link of status.links) await leavesBy(world, link, link.interface === "wan1" ? 1 : 2);
      assert.ok(status.health.every(({ code }) => code !== "address-clash"));
    } else {
      const modems = await allLeave(world, status.links);
      assert.deepEqual([...modems.values()].sort(), [1, 2]);
    }
    await world.box.until(({ health }) => health.some(({ code }) => code === "modems-share-address"));
  });
}

Deno.test("a link keeps its name and its modem: cable out and in, another port, another subnet, DHCP off and on", async () => {
  await using world = await among("moves", [
    { dhcp: "dnsmasq", address: "192.168.1.1/24" },
    { dhcp: "udhcpd", address: "192.168.2.1/24" },
  ]);
  const { lab, box } = world;
  const { links } = await box.until(({ links }) => gateways(links).length === 2);
  const nameOf = (gateway: string) => links.find(({ observed }) => observed.gateway === gateway)!.name;
  const [first, second] = [nameOf("192.168.1.1"), nameOf("192.168.2.1")];
  /** Waits until a link is reached so, and leaves by its own modem. */
  const settles = async (name: string, modem: number, device: string, gateway: string) => {
    const isThere = (link: Link) =>
      link.name === name && link.observed.state === "up" && link.interface === device &&
      link.observed.gateway === gateway;
    const { links } = await box.until(({ links }) => links.some(isThere));
    await leavesBy(world, links.find(isThere)!, modem);
  };

  await lab.plug("fibre", false);
  await box.until(({ links }) =>
    links.some(({ name, observed }) => name === first && observed.state === "down")
  );
  await lab.plug("fibre");
  await settles(first, 1, "wan1", "192.168.1.1");

  await lab.swap("fibre", "cable");
  await settles(first, 1, "wan2", "192.168.1.1");
  await settles(second, 2, "wan1", "192.168.2.1");

  await lab.renumber("fibre", "10.20.30.1/16");
  await lab.dhcp("fibre", "isc");
  await settles(first, 1, "wan2", "10.20.30.1");

  const isNow = (wanted: string) =>
    box.until((status) => modemsOf(status).some(({ name, state }) => name === second && state === wanted));
  await lab.dhcp("cable", undefined);
  await box.down();
  // A slip while nothing runs: warned of at once, in the status until it is mended.
  const slip = await box.read(["lan", "set", "--interface", "eth77", "--address", "192.168.50.1/24"]);
  assert.match(slip, /Note: Cannot use the LAN as its interface must be there \(.*wan1.*"eth77"/);
  await box.up();
  await box.until(({ health }) => health.some(({ code }) => code === "lan-interface-missing"));
  await isNow("kept");
  await settles(second, 2, "wan1", "192.168.2.1");
  await lab.dhcp("cable", "udhcpd");
  await isNow("lease");

  // Set by hand while all runs, with the very address that was found: it is the person's, and found again when taken back.
  const { observed } = (await box.status()).links.find(({ name }) => name === second)!;
  const own = `${observed.address}/${observed.prefixLength}`;
  const byHand = ["--interface", "wan1", "--address", own, "--gateway", "192.168.2.1", "--yes"];
  await box.otb(["link", "add", "wan1", ...byHand]);
  await settles("wan1", 2, "wan1", "192.168.2.1");
  await box.until((status) => modemsOf(status).every(({ name }) => name !== second));
  assert.deepEqual(
    (await box.status()).links.map(({ name, found }) => [name, found]).sort(),
    [[first, true], ["wan1", false]],
  );
  await box.otb(["link", "remove", "wan1", "--yes"]);
  await settles(second, 2, "wan1", "192.168.2.1");
  for (
    const [device, address, said] of [
      ["eth78", "192.168.50.1/24", /its interface must be there/],
      ["lo", "192.168.50.1/24", /alone on its loopback/],
      ["wan1", "192.168.50.0/24", /which name the network/],
    ] as const
  ) {
    const refused = await box.tryOtb(["lan", "set", "--interface", device, "--address", address, "--yes"]);
    assert.equal(refused.code, 1, device);
    assert.match(refused.stdout, said);
  }
  // A port that discovery holds may become the LAN's, though what is the LAN's is not there.
  const mended = ["lan", "set", "--interface", "wan1", "--address", "10.20.30.9/24", "--yes"];
  assert.match(await box.read(mended), /Note: The LAN has the subnet of link/);
  await box.until(({ health }) => health.every(({ code }) => code !== "lan-interface-missing"));

  // A cable modem whose line comes up: other stations are behind it, and it lets one Ethernet address through.
  const known = (await readIn(world, "box", "cat /sys/class/net/wan2/address")).trim();
  await lab.dhcp("fibre", undefined);
  await readIn(
    world,
    "modem1",
    `ip link set lan address 02:00:00:00:77:77
    nft 'table netdev one {
      chain in {
        type filter hook ingress device box priority 0
        ether saddr != ${known} drop
      }
    }'`,
  );
  await lab.renumber("fibre", "10.66.0.1/24");
  await lab.dhcp("fibre", "udhcpd");
  const isBridged = ({ interface: device, observed }: Link) =>
    device === "wan2" && observed.state === "up" && observed.gateway === "10.66.0.1";
  const { links: bridged } = await box.until(({ links }) => links.some(isBridged));
  await leavesBy(world, bridged.find(isBridged)!, 1);
});

Deno.test("single addresses, a huge pool, a server without a way out, and a modem at the box's own address", async () => {
  await using world = await among("odd", [
    {
      dhcp: "isc",
      address: "100.64.0.1/24",
      pool: ["100.64.0.9", "100.64.0.9"],
      toldMask: "255.255.255.255",
    },
    { dhcp: "dnsmasq", address: "10.0.0.1/8", pool: ["10.0.0.2", "10.255.255.254"] },
    { dhcp: "dnsmasq", address: "192.168.3.1/24", noRouter: true },
    { dhcp: "udhcpd", address: "192.168.100.1/24" },
  ]);
  const { box } = world;
  const { links } = await box.until(({ links }) => gateways(links).length === 2);
  assert.deepEqual(gateways(links), ["10.0.0.1", "100.64.0.1"]);
  await allLeave(world, links);
  await box.until(({ health }) => health.some(({ code }) => code === "modem-has-own-address"));
  const { result: { servers } } = await box.otb(["plugin", "act", "wan-discovery", "probe"]) as {
    result: { servers: { server: string; router?: string; onLan: boolean }[] };
  };
  assert.deepEqual(
    servers.map(({ server, router, onLan }) => [server, router, onLan]).sort(),
    [
      ["10.0.0.1", "10.0.0.1", false],
      ["100.64.0.1", "100.64.0.1", false],
      ["192.168.100.1", "192.168.100.1", false],
      ["192.168.3.1", undefined, false],
    ],
  );
  assert.equal((await box.status()).links.length, 2);
});

Deno.test("a flood of servers, routers and false answers on the LAN: bounded, told, and the real links stay as they were", async () => {
  await using world = await among("rogue", [
    { cable: "lan", dhcp: "dnsmasq", address: "192.168.1.1/24" },
    { dhcp: "isc", address: "192.168.2.1/24" },
  ]);
  const { lab, box } = world;
  const before = (await box.until(({ links }) => gateways(links).length === 2)).links;
  const shown = await lab.spawn("device1", ["cat", "/sys/class/net/eth0/ifindex"], { stdout: "piped" })
    .output();
  const rogue = lab.spawn("device1", [
    ...[Deno.execPath(), "run", "-A", "--quiet", `--config=${ROOT}/deno.json`, `${ROOT}/tests/lab/rogue.ts`],
    ...[new TextDecoder().decode(shown.stdout).trim(), "192.168.1.1", "15"],
  ], { stdin: "null", stdout: "null", stderr: "inherit" });
  const codes = ["dhcp-flood", "router-advertisement-flood", "gateway-answered-twice"];
  await box.until(({ health }) => codes.every((code) => health.some((condition) => condition.code === code)));
  const { links } = await box.until(({ links }) => gateways(links).length >= 2);
  // None of the hundred servers has a router that answers by ARP.
  assert.deepEqual(
    links.map(({ name, interface: on, observed }) => [name, on, observed.address]),
    before.map(({ name, interface: on, observed }) => [name, on, observed.address]),
  );
  await allLeave(world, links);
  assert.equal((await rogue.status).code, 0);
  assert.equal((await box.status()).plugins.find(({ name }) => name === "wan-discovery")!.restarts, 0);
});

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ seed >>> 15, 1 | seed);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  };
}

/** Orders of plugging in that each topology is put through: every other one all at once. */
const ORDERS = 4;
const NAMES = ["fibre", "cable", "dsl"];
const MODEMS: ModemSpec[] = [
  { address: "192.168.1.1/24", pool: ["192.168.1.100", "192.168.1.120"] },
  { address: "192.168.1.254/24", pool: ["192.168.1.130", "192.168.1.150"] },
  { address: "192.168.8.1/24", pool: ["192.168.8.100", "192.168.8.150"] },
];
const TOPOLOGIES: { [name: string]: ("lan" | "port")[] } = {
  ports: ["port", "port", "port"],
  shared: ["lan", "lan", "lan"],
  mixed: ["lan", "port", "lan"],
};

for (const [seed, [topology, cables]] of Object.entries(TOPOLOGIES).entries()) {
  Deno.test(`${topology}: three modems, two of one subnet, plugged in any order: always the right links`, async () => {
    const random = seeded(seed + 1);
    const modems = cables.map((cable, index) => {
      const dhcp = SERVERS[(index + seed) % SERVERS.length];
      return { ...MODEMS[index], cable, dhcp, unplugged: true };
    });
    await using world = await among(topology, modems, topology === "shared" ? "192.168.1.5/24" : undefined);
    const { lab, box } = world;
    let known: string[] | undefined;
    for (let order = 0; order < ORDERS; order++) {
      const shuffled = NAMES.map((name) => ({ name, rank: random() })).sort((a, b) => a.rank - b.rank);
      if (order % 2 === 1) await Promise.all(NAMES.map((name) => lab.plug(name)));
      for (const { name } of order % 2 === 0 ? shuffled : []) {
        await lab.plug(name);
        await new Promise((resolve) => setTimeout(resolve, random() * 2_000));
      }
      const { links } = await box.until(({ links }) => gateways(links).length === 3);
      const numbers = await allLeave(world, links);
      const found = links.map(({ name, observed }) => `${numbers.get(name)} ${observed.gateway}/24 ${name}`)
        .sort();
      assert.deepEqual(
        found.map((way) => way.replace(/ [^ ]*$/, "")),
        MODEMS.map(({ address }, index) => `${index + 1} ${address}`),
      );
      // Whatever the order: a modem's link has the name that it had.
      assert.deepEqual(found, known ??= found);
      await Promise.all(NAMES.map((name) => lab.plug(name, false)));
      await box.until(({ links }) => gateways(links).length === 0);
    }
  });
}

Deno.test("an operator's PPPoE on a port is told of by its name", async () => {
  await using world = await World.up(`pppoe${Deno.pid}`, { links: links("20/10/5") }, {
    found: true,
    start: false,
  });
  const server = world.lab.spawn("modem1", ["pppoe-server", "-F", "-I", "lan", "-C", "bras-lab"], {
    stdin: "null",
    stdout: "null",
    stderr: "null",
  });
  server.status.catch(() => {});
  await world.box.otb(["config", "set", "wan-discovery.probeSeconds=5"]);
  await Promise.all([world.cloud.up(), world.box.up()]);
  const { health } = await world.box.until(({ health }) =>
    health.some(({ code }) => code === "pppoe-offered")
  );
  const { message, severity } = health.find(({ code }) => code === "pppoe-offered")!;
  assert.match(message, /wan1 \(bras-lab\)/);
  assert.equal(severity, "info");
});
