// Three modems, three kinds of devices and a box, plugged in together in any order: on one switch, on ports of their own, or both.
// Each order ends with every modem's DHCP server off, nobody's address changed, and everybody on the bond.
import { strict as assert } from "node:assert";
import { clientCommand, type ClientKind, eventually } from "../worlds/lan.ts";
import { type ModemSpec, SERVERS } from "../lab/modem.ts";
import { links } from "../bench/measure.ts";
import { PEER_ADDRESS, SERVER_ADDRESS, SERVER_PORT, World } from "../worlds/world.ts";

const CLIENTS: { role: string; kind: ClientKind }[] = [
  { role: "device1", kind: "udhcpc" },
  { role: "device2", kind: "dhclient" },
  { role: "device3", kind: "dhcpcd" },
];
const TOPOLOGIES: ("lan" | "port")[][] = [["lan", "lan", "lan"], ["port", "port", "port"], [
  "lan",
  "port",
  "lan",
]];

/** The same order for the same seed (mulberry32). */
function shuffled<T>(all: T[], seed: number): T[] {
  const next = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return all.map((one) => ({ one, at: next() })).sort((a, b) => a.at - b.at).map(({ one }) => one);
}

async function output(world: World, role: string, words: string[]): Promise<string> {
  const { stdout } = await world.lab.spawn(role, words, { stdin: "null", stdout: "piped", stderr: "null" })
    .output();
  return new TextDecoder().decode(stdout).trim();
}

/** Plugs everything in as the seed says, and takes over; gives the order. @param folder for the clients' files */
async function plugged(seed: number, folder: string): Promise<string> {
  const cables = TOPOLOGIES[seed % TOPOLOGIES.length]!;
  const modems: (ModemSpec & { name: string; gateway: string })[] = cables.map((cable, index) => ({
    name: ["fibre", "cable", "dsl"][index]!,
    gateway: `192.168.${index + 1}.1`,
    ...{ cable, unplugged: true, address: `192.168.${index + 1}.1/24` },
    dhcp: SERVERS[(index + Math.floor(seed / TOPOLOGIES.length)) % SERVERS.length],
    // Long enough that nobody asks all servers anew while only some of them are off: those would refuse him.
    leaseSeconds: 120,
  }));
  await using world = await World.up(`ord${seed}x${Deno.pid}`, {
    links: links("20/10/5", "20/10/10", "20/10/15"),
    devices: CLIENTS.length,
    modems,
  }, { found: true, start: false });
  const { lab, box } = world;
  await box.otb(["config", "set", "dhcp-takeover.silenceSeconds=6", "wan-discovery.probeSeconds=10"]);
  for (const { role } of CLIENTS) await output(world, role, ["ip", "address", "flush", "dev", "eth0"]);
  await world.cloud.up();
  const steps = shuffled([
    { name: "box", plug: () => box.up() },
    ...modems.map(({ name, cable }) => ({ name: `${name} (${cable})`, plug: () => lab.plug(name) })),
    ...CLIENTS.map(({ role, kind }) => ({
      name: kind,
      plug: async () => {
        const own = await Deno.makeTempDir({ dir: folder });
        lab.spawn(role, await clientCommand(kind, own, kind), {
          stdin: "null",
          stdout: "null",
          stderr: "null",
        })
          .status.catch(() => {});
      },
    })),
  ], seed);
  const atOnce = seed % 2 === 0;
  const order = `${atOnce ? "all at once" : "one by one"}: ${steps.map(({ name }) => name).join(", ")}`;
  if (atOnce) await Promise.all(steps.map(({ plug }) => plug()));
  else for (const { plug } of steps) await plug();

  const history = new Map(CLIENTS.map(({ role }) => [role, [] as string[]]));
  const look = async () => {
    for (const [role, addresses] of history) {
      const shown = await output(world, role, ["ip", "-4", "-o", "address", "show", "dev", "eth0"]);
      // What a client makes up for want of a server is no address of anybody's (RFC 3927).
      for (const [, address] of shown.matchAll(/inet (192\.\d+\.\d+\.\d+)/g)) {
        if (addresses.at(-1) !== address) addresses.push(address!);
      }
    }
  };
  const { links: found } = await box.until(
    ({ links }) =>
      modems.every(({ gateway }) =>
        links.some(({ observed }) => observed.gateway === gateway && observed.state === "up")
      ),
    120_000,
  );
  assert.equal(found.length, modems.length, order);
  const onLan = modems.filter(({ cable }) => cable === "lan");
  if (onLan.length > 0) {
    await eventually(`every device has a modem's address (${order})`, async () => {
      await look();
      return [...history.values()].every((addresses) => addresses.length > 0);
    }, 120_000);
  }

  const dhcp = async () =>
    (await box.status()).plugins.find(({ name }) => name === "dhcp-takeover")!.status as unknown as {
      phase: string;
      servers: { server: string; isAnswering: boolean }[];
    };
  const phase = (wanted: string) =>
    eventually(`the phase ${wanted} (${order})`, async () => (await dhcp()).phase === wanted, 120_000);
  await box.otb(["dhcp", "takeover"]);
  const away = shuffled(onLan, seed + 1);
  for (const [count, { name }] of away.entries()) {
    await eventually(`those that still answer are to be switched off (${order})`, async () => {
      const { phase, servers } = await dhcp();
      const answering = servers.filter(({ isAnswering }) => isAnswering).map(({ server }) => server).sort();
      return phase === "instructions" &&
        `${answering}` === `${away.slice(count).map(({ gateway }) => gateway).sort()}`;
    }, 120_000);
    await look();
    await lab.dhcp(name, undefined);
  }
  // Where nobody served, there is nobody to give back to, and no trial.
  if (onLan.length > 0) {
    await phase("trial");
    await box.otb(["dhcp", "confirm"]);
  }
  await phase("confirmed");

  const addresses = await eventually(`every device has its lease of the box (${order})`, async () => {
    await look();
    const { leases } = await box.otb(["dhcp", "leases"]) as { leases: { address: string }[] };
    const given = new Set(leases.map(({ address }) => address));
    const now = [...history.values()].map((addresses) => addresses.at(-1));
    return leases.length === given.size && now.every((address) => address && given.has(address)) && now;
  }, 240_000);
  assert.deepEqual(
    [...history.values()],
    addresses.map((address) => [address]),
    `nobody's address changed (${order})`,
  );
  assert.equal(new Set(addresses).size, CLIENTS.length, `no address twice (${order})`);
  const code = `const signal = AbortSignal.timeout(5000);
    console.log(await (await fetch("http://${SERVER_ADDRESS}:${SERVER_PORT}/whoami", { signal })).text());`;
  for (const { role, kind } of CLIENTS) {
    await eventually(
      `${kind} is on the bond (${order})`,
      async () => await output(world, role, [Deno.execPath(), "eval", code]) === PEER_ADDRESS,
      120_000,
    );
  }
  await look();
  assert.deepEqual(
    [...history.values()],
    addresses.map((address) => [address]),
    `nor does it later (${order})`,
  );
  return order;
}

/** Orders to try, `20` or `4-9`, three at a time: one of each topology, each some two to three minutes. */
const [FROM = 1, TO = FROM] = ((given) => given.includes("-") ? given.split("-") : ["1", given])(
  Deno.env.get("OTB_TEST_ORDERS") ?? "3",
).map(Number);
const AT_ONCE = 3;

Deno.test("modems, devices and the box plugged in at random: the right links and instructions, no address changes, all on the bond", async () => {
  const failed: string[] = [];
  for (let from = FROM; from <= TO; from += AT_ONCE) {
    const seeds = Array.from({ length: AT_ONCE }, (_, index) => from + index).filter((one) => one <= TO);
    await Promise.all(seeds.map(async (seed) => {
      const folder = await Deno.makeTempDir({ prefix: "otb" });
      try {
        console.log(`order ${seed}, ${await plugged(seed, folder)}`);
      } catch (error) {
        // The others are worth knowing too.
        console.log(`order ${seed} failed`);
        failed.push(`order ${seed}: ${error instanceof Error ? error.stack : error}`);
      } finally {
        // By now nobody writes into it any more.
        await Deno.remove(folder, { recursive: true });
      }
    }));
  }
  assert.deepEqual(failed, []);
});
