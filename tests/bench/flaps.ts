// `otb bench flaps`: links come and go a thousand times under transfers in both directions: every byte arrives, nothing grows.
import { links, round } from "../measure.ts";
import { type Transfer, World } from "../world.ts";

/** Flaps a round: the default of three rounds makes a thousand. */
const FLAPS = 334;
/** How long a link is out, and in, at least; each as much again by chance. */
const OUT_MS = 60, IN_MS = 120;
/** After so many flaps everything has been used once: memory is compared with then. */
const WARM = 100;
/** A transfer of this size after the other, each over one connection of its own, bytes. */
const BYTES = 12_000_000;
/** What a plugin's memory may grow by over all of it. */
const BAR_GROWTH = 1.25;

/** Transfers that ended with every byte, and those that did not; memory at the end as a ratio to that after the first flaps. */
export interface FlapsResult {
  flaps: number;
  transfers: number;
  broken: string[];
  growth: { [process: string]: number };
  pass: boolean;
}

/** Cuts and restores three links in turn while a download and an upload follow one after the other. */
export async function run({ rounds }: { rounds: number }): Promise<FlapsResult> {
  await using world = await World.up(`flaps${Deno.pid}`, {
    links: links("30/30/5", "30/30/10", "30/30/20"),
    devices: 2,
  });
  const flaps = FLAPS * rounds;
  const results: Transfer[] = [];
  let running = true;
  const follow = async (device: string, upload: boolean) => {
    while (running) results.push(await world.transfer(device, { bytes: BYTES, upload }));
  };
  const transfers = [follow("device1", false), follow("device2", true)];
  let before: { [process: string]: number } = {};
  try {
    for (let flap = 0; flap < flaps; flap++) {
      if (flap === WARM) before = await memory(world);
      const link = world.lab.links[flap % 3]!.name;
      await world.lab.cut(link);
      await sleep(OUT_MS * (1 + Math.random()));
      await world.lab.restore(link);
      await sleep(IN_MS * (1 + Math.random()));
    }
  } finally {
    running = false;
    await Promise.all(transfers);
  }
  const after = await memory(world);
  const growth = Object.fromEntries(
    Object.entries(after).map(([name, bytes]) => [name, round(bytes / (before[name] ?? bytes))]),
  );
  const broken = results.filter(({ checksumOk }) => !checksumOk).map(({ error, bytes }) =>
    error ?? `${bytes} bytes, not as sent`
  );
  const pass = broken.length === 0 && Object.values(growth).every((ratio) => ratio <= BAR_GROWTH);
  return { flaps, transfers: results.length, broken, growth, pass };
}

/** The result as lines for a person. */
export function rows({ flaps, transfers, broken, growth }: FlapsResult): string[][] {
  return [
    [`${flaps} flaps`, ""],
    ["transfers with every byte", `${transfers - broken.length} of ${transfers}`],
    ...broken.map((reason) => ["broken", reason]),
    ...Object.entries(growth).map(([name, ratio]) => [`memory of ${name}`, `${ratio} (bar ${BAR_GROWTH})`]),
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

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
