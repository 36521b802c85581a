// `otb bench aggregate`: one TCP connection through the whole path against the sum of the single links, in the same run.
import { links, median, round } from "./measure.ts";
import { World } from "../worlds/world.ts";

/** Link sets with a bar: down/up Mbit/s / one-way delay ms. */
const CASES: { name: string; links: string[] }[] = [
  { name: "50+50", links: ["50/50/10", "50/50/10"] },
  { name: "100+20 at RTT 20/60 ms", links: ["100/100/10", "20/20/30"] },
  { name: "50+30+20", links: ["50/50/10", "30/30/15", "20/20/20"] },
  { name: "3 x 5", links: ["5/5/15", "5/5/15", "5/5/15"] },
  { name: "4 links", links: ["40/40/10", "30/30/15", "20/20/20", "10/10/25"] },
  { name: "8 links", links: Array.from({ length: 8 }, (_, index) => `15/15/${10 + index}`) },
];

const BAR = 0.97;

export interface BenchOptions {
  /** Rounds of alternating runs; the figures are medians. */
  rounds: number;
  seconds: number;
  /** Only cases whose name contains this. */
  only?: string;
}

/** One case in one direction. */
export interface AggregateResult {
  name: string;
  direction: "down" | "up";
  aloneMbps: number[];
  sumMbps: number;
  aggregateMbps: number;
  efficiency: number;
  pass: boolean;
}

/** Measures every case both ways; each round measures the links alone, then all together. */
export async function run(
  options: BenchOptions,
): Promise<{ bar: number; results: AggregateResult[]; pass: boolean }> {
  const results: AggregateResult[] = [];
  for (const { name, links: words } of CASES) {
    if (options.only && !name.includes(options.only)) continue;
    const world = await World.up(`agg${Deno.pid}`, { links: links(...words) });
    try {
      for (const direction of ["down", "up"] as const) {
        const alone: number[][] = words.map(() => []);
        const together: number[] = [];
        for (let turn = 0; turn < options.rounds; turn++) {
          const transfer = { seconds: options.seconds, skipSeconds: 3, upload: direction === "up" };
          for (const index of words.keys()) {
            alone[index]!.push((await world.transfer(`solo${index + 1}`, transfer)).mbps);
          }
          together.push((await world.transfer("device1", transfer)).mbps);
        }
        const aloneMbps = alone.map((runs) => round(median(runs)));
        const sumMbps = round(aloneMbps.reduce((sum, mbps) => sum + mbps, 0));
        const aggregateMbps = round(median(together));
        const efficiency = round(aggregateMbps / sumMbps, 3);
        results.push({
          name,
          direction,
          aloneMbps,
          sumMbps,
          aggregateMbps,
          efficiency,
          pass: efficiency >= BAR,
        });
      }
    } finally {
      await world.close();
    }
  }
  return { bar: BAR, results, pass: results.every(({ pass }) => pass) };
}

/** The result as lines for a person. */
export function rows({ results }: Awaited<ReturnType<typeof run>>): string[][] {
  return [
    ["links", "direction", "sum Mbit/s", "through otb", "efficiency", "bar 97 %"],
    ...results.map((result) => [
      result.name,
      result.direction,
      result.sumMbps.toFixed(1),
      result.aggregateMbps.toFixed(1),
      `${(result.efficiency * 100).toFixed(1)} %`,
      result.pass ? "holds" : "missed",
    ]),
  ];
}
