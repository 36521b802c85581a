// `otb bench grid`: mixes of links as homes have them, each transport beside what the links carry, in the same run.
import type { Lab } from "../lab/lab.ts";
import type { LinkSpec } from "../lab/parse.ts";
import { links, median, PAYLOAD_SHARE, round } from "../measure.ts";
import { type Transport, TRANSPORTS, World } from "../world.ts";
import { picture } from "./grid_picture.ts";
import { MIXES } from "./mixes.ts";

const WAYS = ["down", "up"] as const;
type Way = typeof WAYS[number];

/** What happens to the first link of a mix while it is measured, and what it then carries of its rate on average. */
const MOVING: { [name: string]: { jitterMs?: number; share: number; everyMs: number; move: Move } } = {
  "Starlink 200 with gaps + DSL 20": {
    jitterMs: 15,
    share: 1 - 0.2 / 15,
    everyMs: 15_000,
    async move(lab, { name }) {
      await lab.cut(name);
      await new Promise((resolve) => setTimeout(resolve, 200));
      await lab.restore(name);
    },
  },
  "phone that swings 30 to 3 + DSL 12": {
    share: 0.55,
    everyMs: 8_000,
    move: (lab, { name, downMbps, upMbps }, turn) =>
      lab.set(name, turn % 2 === 0 ? { downMbps: downMbps / 10, upMbps: upMbps / 10 } : { downMbps, upMbps }),
  },
};
type Move = (lab: Lab, first: LinkSpec, turn: number) => Promise<void>;

interface Options {
  rounds?: number;
  seconds?: number;
  /** Only mixes whose name contains this. */
  only?: string;
  /** Where the result is drawn. */
  picture?: string;
}

/** One mix in one direction. */
export interface GridResult {
  name: string;
  way: Way;
  sumMbps: number;
  /** What the best link carries alone, by its rate. */
  bestMbps: number;
  mbps: { [transport in Transport]: number };
  ofSum: { [transport in Transport]: number };
}

/** Measures one connection of `seconds`, of which the first 40 % are not counted, over each mix both ways. */
export async function run(
  { rounds = 1, seconds = 20, only, picture: file }: Options,
): Promise<{ results: GridResult[] }> {
  const results: GridResult[] = [];
  for (const [name, words] of Object.entries(MIXES)) {
    if (only && !name.includes(only)) continue;
    results.push(...await measure(name, links(...words), rounds, seconds));
  }
  if (file) await Deno.writeTextFile(file, picture(results));
  return { results };
}

async function measure(
  name: string,
  links: LinkSpec[],
  rounds: number,
  seconds: number,
): Promise<GridResult[]> {
  const moving = MOVING[name];
  if (moving?.jitterMs) links[0] = { ...links[0]!, jitterMs: moving.jitterMs };
  await using world = await World.up(`grid${Deno.pid}`, { links });
  // A lab's link changes with what is set of it.
  const first = { ...links[0]! };
  const found = new Map<string, number[]>();
  for (let turn = 0; turn < rounds; turn++) {
    for (const transport of TRANSPORTS) {
      await world.over(transport);
      for (const way of WAYS) {
        // A moving link is looked at for as many whole rounds as make a fair average.
        const counted = moving ? 2 * moving.everyMs / 1000 : Math.round(seconds * 0.6);
        const skipSeconds = Math.round(seconds * 0.4);
        let turn = 0;
        const timer = moving && setInterval(() => void moving.move(world.lab, first, turn++), moving.everyMs);
        const { mbps } = await world.transfer("device1", {
          seconds: skipSeconds + counted,
          skipSeconds,
          upload: way === "up",
        });
        clearInterval(timer);
        if (moving) await world.lab.set(first.name, { downMbps: first.downMbps, upMbps: first.upMbps });
        const key = `${transport} ${way}`;
        found.set(key, [...found.get(key) ?? [], mbps]);
        console.error(`${name}: ${key} ${round(mbps)}`);
      }
    }
  }
  return WAYS.map((way) => {
    const rates = links.map((_, index) => {
      const link = index === 0 ? first : links[index]!;
      const share = index === 0 ? moving?.share ?? 1 : 1;
      return PAYLOAD_SHARE * share * (way === "down" ? link.downMbps : link.upMbps);
    });
    const sumMbps = rates.reduce((sum, rate) => sum + rate, 0);
    const of = (transport: Transport) => round(median(found.get(`${transport} ${way}`)!), 1);
    const mbps = { mptcp: of("mptcp"), striped: of("striped") };
    return {
      name,
      way,
      sumMbps: round(sumMbps, 1),
      bestMbps: round(Math.max(...rates), 1),
      mbps,
      ofSum: { mptcp: round(mbps.mptcp / sumMbps, 3), striped: round(mbps.striped / sumMbps, 3) },
    };
  });
}

/** The result as lines for a person. */
export function rows({ results }: Awaited<ReturnType<typeof run>>): string[][] {
  const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
  return [
    ["links", "way", "sum Mbit/s", "best link", "mptcp", "striped", "mptcp", "striped of the sum"],
    ...results.map(({ name, way, sumMbps, bestMbps, mbps, ofSum }) => [
      name,
      way,
      sumMbps.toFixed(1),
      bestMbps.toFixed(1),
      mbps.mptcp.toFixed(1),
      mbps.striped.toFixed(1),
      percent(ofSum.mptcp),
      percent(ofSum.striped),
    ]),
  ];
}
