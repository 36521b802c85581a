// Which path the next connection starts on: short ones live and die there, so the near and wide ones get most. Pure.
import type { FirstPathFact, Tier } from "@otb/plugin";

/** A path as a candidate for a start. */
export interface Candidate {
  link: string;
  interface: string;
  source: string;
  tier: Tier;
  rttMs?: number;
  /** Known or measured, bits per second. */
  capacity?: number;
  /** MPTCP does not pass it: a connection that starts here stays here. */
  stripped: boolean;
  publicAddress?: string;
}

const UNKNOWN_RTT_MS = 50, UNKNOWN_CAPACITY = 20e6;
/** A path with so little of the best one's worth is not begun on. */
const WORTH_FLOOR = 0.15;

/** Weights that sum to 1; a lower tier or a stripped path only counts when nothing better is there, until then it has 0. */
export function firstPaths(candidates: Candidate[]): Pick<FirstPathFact, "choices"> {
  const ranked = [...candidates].sort((a, b) => rank(a) - rank(b) || (a.link < b.link ? -1 : 1));
  const best = ranked.filter((candidate) => rank(candidate) === rank(ranked[0]!));
  const worths = best.map(({ rttMs = UNKNOWN_RTT_MS, capacity = UNKNOWN_CAPACITY }) =>
    Math.sqrt(capacity) / (rttMs + 5) ** 2
  );
  const top = Math.max(...worths);
  const kept = worths.map((worth) => worth >= top * WORTH_FLOOR ? worth : 0);
  const sum = kept.reduce((total, worth) => total + worth, 0);
  // Steps of 5 %: a fact that changes with every beat would wake every reader.
  const weights = kept.map((worth) => Math.round(worth / sum * 20) / 20);
  const rest = 1 - weights.reduce((total, weight) => total + weight, 0);
  if (weights.length > 0) weights[kept.indexOf(Math.max(...kept))]! += rest;
  return {
    choices: ranked.map(({ link, interface: device, source, publicAddress }, index) => ({
      link,
      interface: device,
      source,
      weight: Math.round((weights[index] ?? 0) * 20) / 20,
      ...(publicAddress !== undefined && { publicAddress }),
    })).sort((a, b) => b.weight - a.weight),
  };
}

/** Smaller is better: stripped paths come after all others, then tiers in their order. */
function rank({ tier, stripped }: Candidate): number {
  return ["primary", "secondary", "backup", "never"].indexOf(tier) + (stripped ? 10 : 0);
}
