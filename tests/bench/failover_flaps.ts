// Links that come and go very often under transfers in both directions and a session: every byte arrives, nothing grows.
import { setTimeout as sleep } from "node:timers/promises";
import { round } from "./measure.ts";
import type { Transfer, World } from "../worlds/world.ts";
import { begin } from "./failover_flows.ts";

/** How long a link is out, and in, at least; each as much again by chance. */
const OUT_MS = 60, IN_MS = 120;
/** After so many flaps everything has been used once: memory is compared with then. */
const WARM = 100;
/** Fewer flaps than these say nothing of growth. */
const LEAST_FLAPS = 300;
/** A transfer of this size after the other, each over one connection of its own, bytes. */
const BYTES = 12_000_000;
/** What a plugin's memory may grow by over all of it. */
const BAR_GROWTH = 1.25;

/** Connections that ended with every byte, and those that did not; memory at the end as a ratio to that after the first flaps. */
export interface FlapsResult {
  flaps: number;
  connections: number;
  broken: string[];
  /** Empty where there were too few. */
  growth: { [process: string]: number };
  pass: boolean;
}

/** Cuts and restores the links in turn while downloads and uploads follow one after the other, beside one session all the time. */
export async function flapsUnder(world: World, flaps: number): Promise<FlapsResult> {
  const results: Transfer[] = [];
  let running = true;
  const follow = async (device: string, upload: boolean) => {
    while (running) results.push(await world.transfer(device, { bytes: BYTES, upload }));
  };
  const session = begin(world, "session", 0);
  await session.isFlowing;
  const transfers = [follow("device1", false), follow("device2", true)];
  let before: { [process: string]: number } = {};
  let said;
  try {
    for (let flap = 0; flap < flaps; flap++) {
      if (flap === WARM) before = await memory(world);
      if (flap % 100 === 0) console.error(`flaps: ${flap} of ${flaps}`);
      const link = world.lab.links[flap % world.lab.links.length]!.name;
      await world.lab.cut(link);
      await sleep(OUT_MS * (1 + Math.random()));
      await world.lab.restore(link);
      await sleep(IN_MS * (1 + Math.random()));
    }
  } finally {
    running = false;
    await Promise.all(transfers);
    said = await session.end(0);
  }
  const after = flaps < LEAST_FLAPS ? {} : await memory(world);
  const growth = Object.fromEntries(
    Object.entries(after).map(([name, bytes]) => [name, round(bytes / (before[name] ?? bytes))]),
  );
  const broken = results.filter(({ checksumOk }) => !checksumOk).map(({ error, bytes }) =>
    error ?? `${bytes} bytes, not as sent`
  );
  if (said.broken !== undefined) broken.push(`the session: ${said.broken}`);
  const pass = broken.length === 0 && Object.values(growth).every((ratio) => ratio <= BAR_GROWTH);
  return { flaps, connections: results.length + 1, broken, growth, pass };
}

/** The result as lines for a person. */
export function flapsRows({ flaps, connections, broken, growth }: FlapsResult): string[][] {
  return [
    [`${flaps} flaps`, ""],
    ["  connections with every byte", `${connections - broken.length} of ${connections}`],
    ...broken.map((reason) => ["  broken", reason]),
    ...Object.entries(growth).map(([name, ratio]) => [`  memory of ${name}`, `${ratio} (bar ${BAR_GROWTH})`]),
  ];
}

async function memory(world: World): Promise<{ [process: string]: number }> {
  const plugins = await Promise.all(
    ([["box", world.box], ["peer", world.cloud]] as const).map(async ([role, end]) =>
      (await end.status()).plugins.map(({ name, memoryBytes }) =>
        [`${name}, ${role}`, memoryBytes ?? 0] as const
      )
    ),
  );
  return Object.fromEntries(plugins.flat());
}
