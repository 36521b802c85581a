// How much of the links' rates the tunnel carries, what it loses of it, and what it costs an idle link.
import { setTimeout as sleep } from "node:timers/promises";
import assert from "node:assert/strict";
import type { LinkCounters } from "../lab/emulation.ts";
import { links } from "../bench/measure.ts";
import { pathsOf, tunnelIsUp } from "../worlds/tunnel.ts";
import { PEER_ADDRESS, World } from "../worlds/world.ts";

const LINKS = links("20/20/10", "10/10/20");
/** UDP payload of a full packet inside: 1424 less IPv4 and UDP headers. */
const FULL = 1396;

Deno.test("UDP leaves with the peer's address over all links at once, in order; a cut link costs a moment, and neither address nor port", async () => {
  await using world = await World.up(`tunnela${Deno.pid}`, { links: LINKS });
  await tunnelIsUp(world);

  const before = await world.lab.counters();
  // 80 % of the sum, overhead included: neither link carries that alone.
  const both = await world.datagrams("device1", {
    down: { mbps: 22, bytes: FULL },
    up: { mbps: 22, bytes: FULL },
    seconds: 8,
    skipSeconds: 3,
  });
  const after = await world.lab.counters();
  for (const [direction, came] of [["up", both.up], ["down", both.down]] as const) {
    assert.ok(came!.received > 0.97 * came!.sent, `${direction}: ${came!.received} of ${came!.sent}`);
    assert.ok(came!.reorderedShare < 0.005, `${direction}: ${came!.reordered} out of order`);
    assert.equal(came!.duplicates + came!.damaged, 0);
  }
  assert.deepEqual(both.seenFrom.map((from) => from.split(":")[0]), [PEER_ADDRESS]);
  for (const [index, link] of LINKS.entries()) {
    assert.ok(carried(after[index]!) - carried(before[index]!) > 2e6, `${link.name} carried its part`);
  }

  const cut = world.datagrams("device1", {
    down: { mbps: 6, bytes: 1_000 },
    up: { mbps: 2, bytes: 300 },
    seconds: 16,
  });
  cut.catch(() => {});
  await sleep(4_000);
  await world.lab.cut("fibre");
  await sleep(4_000);
  await world.lab.restore("fibre");
  const flow = await cut;
  // `otb bench datagrams` holds it to 0.3 s; here a loaded machine may take its time.
  for (const came of [flow.up!, flow.down!]) {
    assert.ok(came.received > 0.9 * came.sent, `${came.received} of ${came.sent}`);
    assert.ok(came.longestGapMs < 2_000, `${came.longestGapMs} ms`);
  }
  assert.equal(flow.seenFrom.length, 1, `one address and port all the way: ${flow.seenFrom}`);
  await world.box.until((status) => pathsOf(status).every(({ state }) => state === "up"));

  // What the cut has lost is not held against the link: it is the nearer one, and carries what fits.
  const [fibre, cable] = await carriedBy(
    world,
    () => world.datagrams("device1", { down: { mbps: 6, bytes: 1_000 }, seconds: 3 }),
  );
  assert.ok(fibre!.bytes > 3 * cable!.bytes, `${fibre!.bytes} of fibre, ${cable!.bytes} of cable`);

  // Nobody pays for a mobile link that is not used; while something goes on there are ten packets a second each way.
  await sleep(5_000);
  for (const { packets } of await carriedBy(world, () => sleep(6_000))) {
    assert.ok(packets < 60, `${packets} packets in six seconds of silence, both ways`);
  }
  assert.ok(
    pathsOf(await world.box.status()).every(({ state }) => state === "up"),
    "and silence is no fault",
  );
});

/** What each link carries down and up while something happens. */
async function carriedBy(
  world: World,
  happens: () => Promise<unknown>,
): Promise<{ bytes: number; packets: number }[]> {
  const before = await world.lab.counters();
  await happens();
  const after = await world.lab.counters();
  const packets = ({ up, down }: LinkCounters) => up.packets + down.packets;
  return after.map((counters, index) => ({
    bytes: carried(counters) - carried(before[index]!),
    packets: packets(counters) - packets(before[index]!),
  }));
}

/** Bytes over a link both ways. */
function carried({ up, down }: LinkCounters): number {
  return up.bytes + down.bytes;
}
