// `otb bench budget`: 16.8 MB through the whole path within the kernel's own simult_flows budget, both ways.
import { links, median, round } from "./measure.ts";
import { World } from "../worlds/world.ts";

const BYTES = 16_777_216;
/** Delays are one-way in each direction, as in simult_flows.sh of the kernel's MPTCP self-tests. */
const CASES = [
  { name: "10+10, 1 and 50 ms", links: ["10/10/1", "10/10/50"], budgetMs: 7_900 },
  { name: "30+10, 1 and 50 ms", links: ["30/30/1", "10/10/50"], budgetMs: 4_200 },
];

/** One case in one direction. */
export interface BudgetResult {
  name: string;
  direction: "down" | "up";
  ms: number;
  budgetMs: number;
  pass: boolean;
}

/** Transfers the same amount both ways; the figure is the median of the rounds. */
export async function run(options: { rounds: number }): Promise<{ results: BudgetResult[]; pass: boolean }> {
  const results: BudgetResult[] = [];
  for (const { name, links: words, budgetMs } of CASES) {
    const world = await World.up(`bud${Deno.pid}`, { links: links(...words) });
    try {
      for (const direction of ["down", "up"] as const) {
        const runs: number[] = [];
        for (let turn = 0; turn < options.rounds; turn++) {
          const { ms, error } = await world.transfer("device1", { bytes: BYTES, upload: direction === "up" });
          if (error) throw new Error(`Cannot transfer ${BYTES} bytes ${direction}: ${error}`);
          runs.push(ms);
        }
        const ms = round(median(runs), 0);
        results.push({ name, direction, ms, budgetMs, pass: ms <= budgetMs });
      }
    } finally {
      await world.close();
    }
  }
  return { results, pass: results.every(({ pass }) => pass) };
}

/** The result as lines for a person. */
export function rows({ results }: Awaited<ReturnType<typeof run>>): string[][] {
  return [
    ["links", "direction", "16.8 MB took", "budget", ""],
    ...results.map((
      { name, direction, ms, budgetMs, pass },
    ) => [name, direction, `${ms} ms`, `${budgetMs} ms`, pass ? "holds" : "missed"]),
  ];
}
