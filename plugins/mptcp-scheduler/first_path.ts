// Which path the next connection starts on: short ones live and die there, so the near and wide ones get most. Pure.
import type { FirstPathFact, Tier } from "../../core/plugin.ts";

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
}

const UNKNOWN_RTT_MS = 50, UNKNOWN_CAPACITY = 20e6;
/** A path with so little of the best one's worth is not begun on. */
const WORTH_FLOOR = 0.15;

/** Weights that sum to 1; a lower tier or a stripped path only counts when nothing better is there. */
export function firstPaths(candidates: Candidate[]): FirstPathFact {
  const unstripped = candidates.filter(({ stripped }) => !stripped);
  const pool = unstripped.length > 0 ? unstripped : candidates;
  const best =
    (["primary", "secondary", "backup"] as const).map((tier) =>
      pool.filter((candidate) => candidate.tier === tier)
    ).find((tier) => tier.length > 0) ?? [];
  const worths = best.map(({ rttMs = UNKNOWN_RTT_MS, capacity = UNKNOWN_CAPACITY }) =>
    Math.sqrt(capacity) / (rttMs + 5) ** 2
  );
  const top = Math.max(...worths);
  const kept = worths.map((worth) => worth >= top * WORTH_FLOOR ? worth : 0);
  const sum = kept.reduce((total, worth) => total + worth, 0);
  return {
    choices: best.flatMap(({ link, interface: device, source }, index) =>
      kept[index]! > 0
        ? [{ link, interface: device, source, weight: Math.round(kept[index]! / sum * 20) / 20 }]
        : []
    ).filter(({ weight }) => weight > 0).sort((a, b) => b.weight - a.weight || (a.link < b.link ? -1 : 1)),
  };
}
