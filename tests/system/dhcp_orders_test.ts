// Three modems on the LAN's own switch, plugged in together with devices and the box in any order.
import { strict as assert } from "node:assert";
import { type ClientKind, eventually, House, type ServerKind } from "../lan.ts";
import { dhcp, LAN, SHORT, until } from "../takeover.ts";

const CLIENTS: ClientKind[] = ["udhcpc", "dhclient", "dhcpcd"];

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

const MODEMS: { role: string; kind: ServerKind; net: string }[] = [
  { role: "modem1", kind: "dnsmasq", net: "192.168.1" },
  { role: "modem2", kind: "udhcpd", net: "192.168.2" },
  { role: "modem3", kind: "dhcpd", net: "192.168.3" },
];

async function threeModems(seed: number): Promise<string> {
  await using house = await House.up(`ord${seed}x${Deno.pid}`, LAN);
  await house.box.otb(["config", "set", ...SHORT]);
  const history = new Map(CLIENTS.map((client) => [client, [] as string[]]));
  const steps = shuffled([
    { name: "box", plug: () => house.box.up() },
    ...MODEMS.map(({ role, kind, net }) => ({
      name: role,
      plug: async () => {
        await house.modem(role, net);
        // Long enough that nobody asks all servers anew while only some of them are off: those would refuse him.
        await house.serve(role, kind, net, 120);
      },
    })),
    ...CLIENTS.map((client) => ({
      name: client,
      plug: async () => void (await house.device(client, client)),
    })),
  ], seed);
  const order = steps.map(({ name }) => name).join(", ");
  for (const { plug } of steps) await plug();
  const look = async () => {
    for (const [client, addresses] of history) {
      for (const address of (await house.seen(client)).addresses) {
        if (/^192\./.test(address) && addresses.at(-1) !== address) addresses.push(address);
      }
    }
  };
  await eventually(`every device has an address (${order})`, async () => {
    await look();
    return [...history.values()].every((addresses) => addresses.length > 0);
  });
  const { links } = await house.box.until(({ links }) =>
    MODEMS.every(({ net }) =>
      links.some(({ observed }) => observed.gateway === `${net}.1` && observed.state === "up")
    )
  );
  assert.equal(links.length, 3, order);

  await house.box.otb(["dhcp", "takeover"]);
  const away = shuffled(MODEMS, seed + 1);
  for (const [count, { role }] of away.entries()) {
    await eventually(`the others still answer (${order})`, async () => {
      const { phase, servers } = await dhcp(house);
      const answering = servers.filter(({ isAnswering }) => isAnswering).map(({ server }) => server).sort();
      return phase === "instructions" &&
        `${answering}` === `${away.slice(count).map(({ net }) => `${net}.1`).sort()}`;
    });
    await look();
    await house.silence(role);
  }
  await until(house, "trial");
  await house.box.otb(["dhcp", "confirm"]);
  await until(house, "confirmed");
  const addresses = await eventually(`every device has its lease of the box (${order})`, async () => {
    await look();
    const { leases } = await house.box.otb(["dhcp", "leases"]) as { leases: { address: string }[] };
    const given = new Set(leases.map(({ address }) => address));
    const now = [...history.values()].map((addresses) => addresses.at(-1)!);
    return leases.length === given.size && now.every((address) => given.has(address)) && now;
  }, 150_000);
  assert.deepEqual(
    [...history.values()],
    addresses.map((address) => [address]),
    `nobody's address changed (${order})`,
  );
  assert.equal(new Set(addresses).size, 3, `no address twice (${order})`);
  for (const client of CLIENTS) {
    const { router } = await house.seen(client);
    assert.ok(
      router && !MODEMS.some(({ net }) => router === `${net}.1`),
      `${client} leaves by the box: ${router}`,
    );
  }
  return order;
}

/** Orders to try, three at a time; each takes some two minutes. */
const ORDERS = Number(Deno.env.get("OTB_TEST_ORDERS") ?? 3);

Deno.test("three modems, three kinds of devices and the box on one switch, plugged in at random: each modem's server is switched off, no address changes", async () => {
  for (let seed = 1; seed <= ORDERS; seed += 3) {
    const seeds = [seed, seed + 1, seed + 2].filter((one) => one <= ORDERS);
    for (const order of await Promise.all(seeds.map(threeModems))) console.log(`plugged: ${order}`);
  }
});
