// `otb bench unequal`: where kernel MPTCP fails, printed without a bar: very unequal links and a lossy one.
import { links, median, round } from "../measure.ts";
import { World } from "../world.ts";

const CASES = [
  { name: "50 at RTT 20 ms + 50 at RTT 600 ms", links: ["50/50/10", "50/50/300"] },
  { name: "the same + 30 at RTT 100 ms with 1 % loss", links: ["50/50/10", "50/50/300", "30/30/50/1"] },
];

/** One case, download. */
export interface UnequalResult {
  name: string;
  aloneMbps: number[];
  sumMbps: number;
  bestMbps: number;
  aggregateMbps: number;
  ofSum: number;
  ofBest: number;
}

/** Measures the links alone and together. */
export async function run(
  options: { rounds: number; seconds: number },
): Promise<{ results: UnequalResult[] }> {
  const results: UnequalResult[] = [];
  for (const { name, links: words } of CASES) {
    const world = await World.up(`uneq${Deno.pid}`, { links: links(...words) });
    try {
      const transfer = { seconds: Math.max(options.seconds, 12), skipSeconds: 5 };
      const alone: number[][] = words.map(() => []);
      const together: number[] = [];
      for (let turn = 0; turn < options.rounds; turn++) {
        for (const index of words.keys()) {
          alone[index]!.push((await world.transfer(`solo${index + 1}`, transfer)).mbps);
        }
        together.push((await world.transfer("device1", transfer)).mbps);
      }
      const aloneMbps = alone.map((runs) => round(median(runs)));
      const sumMbps = round(aloneMbps.reduce((sum, mbps) => sum + mbps, 0));
      const bestMbps = Math.max(...aloneMbps);
      const aggregateMbps = round(median(together));
      results.push({
        name,
        aloneMbps,
        sumMbps,
        bestMbps,
        aggregateMbps,
        ofSum: round(aggregateMbps / sumMbps, 3),
        ofBest: round(aggregateMbps / bestMbps, 3),
      });
    } finally {
      await world.close();
    }
  }
  return { results };
}

/** The result as lines for a person. */
export function rows({ results }: Awaited<ReturnType<typeof run>>): string[][] {
  return [
    ["links", "sum Mbit/s", "best link", "through otb", "of the sum", "of the best"],
    ...results.map((result) => [
      result.name,
      result.sumMbps.toFixed(1),
      result.bestMbps.toFixed(1),
      result.aggregateMbps.toFixed(1),
      `${(result.ofSum * 100).toFixed(0)} %`,
      `${(result.ofBest * 100).toFixed(0)} %`,
    ]),
  ];
}
