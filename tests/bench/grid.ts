// `otb bench grid`: mixes of links as homes have them, each transport beside what the links carry, in the same run.
import { round } from "./measure.ts";
import { chosen } from "./chosen.ts";
import { CONNECTIONS, FIRST_S, Mix, type Way, WAYS } from "./grid_mix.ts";
import { type GridResult, picture } from "./grid_picture.ts";
import { MIXES } from "./mixes.ts";

/** The bars: of what the links carry in steady state, and of the best link alone, both over the first seconds and later. */
const BAR_SUM = 0.97, BAR_BEST = 0.98;

interface Options {
  rounds: number;
  /** Length of a transfer over one connection. */
  seconds: number;
  /** Only mixes whose name contains this. */
  only?: string;
  /** Where the result is drawn. */
  picture?: string;
}

/** Measures one connection and eight over each mix both ways, by each transport, and one over the best link alone. */
export async function run(
  { rounds, seconds, only, picture: file }: Options,
): Promise<{ results: GridResult[]; pass: boolean }> {
  const results: GridResult[] = [];
  for (const name of chosen(Object.keys(MIXES) as (keyof typeof MIXES)[], only)) {
    const mix = new Mix(name, rounds, seconds);
    await mix.measure();
    for (const way of WAYS) for (const connections of CONNECTIONS) results.push(judge(mix, way, connections));
  }
  if (file) await Deno.writeTextFile(file, picture(results));
  return { results, pass: results.every(({ pass }) => pass) };
}

function judge(mix: Mix, way: Way, connections: number): GridResult {
  const sumMbps = mix.sumMbps(way), bestMbps = mix.mbps("best", way, 1);
  const mptcp = mix.mbps("mptcp", way, connections), striped = mix.mbps("striped", way, connections);
  const ofSum = { mptcp: round(mptcp / sumMbps, 3), striped: round(striped / sumMbps, 3) };
  const ofBest = round(striped / bestMbps, 3);
  const first = connections === 1 ? firstOf(mix, way) : undefined;
  return {
    name: mix.name,
    way,
    connections,
    sumMbps: round(sumMbps, 1),
    bestMbps: round(bestMbps, 1),
    mbps: { mptcp: round(mptcp, 1), striped: round(striped, 1) },
    ofSum,
    ofBest,
    ofMptcp: round(striped / mptcp, 2),
    ...(first && { first }),
    pass: ofSum.striped >= BAR_SUM && ofBest >= BAR_BEST && (first?.ofBest ?? 1) >= BAR_BEST,
  };
}

function firstOf(mix: Mix, way: Way): GridResult["first"] {
  const mbps = mix.mbps("striped", way, 1, true), bestMbps = mix.mbps("best", way, 1, true);
  return {
    seconds: FIRST_S,
    mbps: round(mbps, 1),
    bestMbps: round(bestMbps, 1),
    ofBest: round(mbps / bestMbps, 3),
  };
}

/** The result as lines for a person. */
export function rows({ results }: Awaited<ReturnType<typeof run>>): string[][] {
  const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
  return [
    [
      "links, Mbit/s",
      "way",
      "at once",
      "they carry",
      "best alone",
      "mptcp",
      "striped",
      "mptcp of all",
      "striped of all",
      "of the best",
      `first ${FIRST_S} s`,
      `bars ${percent(BAR_SUM)}, ${percent(BAR_BEST)}`,
    ],
    ...results.map(({ name, way, connections, sumMbps, bestMbps, mbps, ofSum, ofBest, first, pass }) => [
      name,
      way,
      String(connections),
      sumMbps.toFixed(1),
      bestMbps.toFixed(1),
      mbps.mptcp.toFixed(1),
      mbps.striped.toFixed(1),
      percent(ofSum.mptcp),
      percent(ofSum.striped),
      percent(ofBest),
      first ? percent(first.ofBest) : "",
      pass ? "hold" : "missed",
    ]),
  ];
}
