// What to do about an agreed offset. Pure.
import type { Phrase } from "@otb/plugin";
import type { Agreement } from "./agree.ts";
import { words } from "./texts/mod.ts";

/** This software is not older: no time before it is ever set, whoever says it. Milliseconds since the epoch. */
export const BUILT_MS = Date.UTC(2026, 0, 1);
/** The proxy allows 30 s; beyond this a clock is wrong, and only beyond this it jumps. */
export const WRONG_MS = 10_000;
/** Two rounds mean the same offset when they differ by less. */
const SAME_MS = 2_000;

/** What is known before the decision. */
export interface Situation {
  /** This machine's clock. */
  nowMs: number;
  /** The latest time that is known to have passed. */
  floorMs: number;
  /** The clock was right once since the start: a jump now is news that wants to be confirmed. */
  wasSet: boolean;
  /** Links that were asked. */
  linksAsked: number;
  /** The offset that the round before asked for, when it was not done. */
  pendingMs?: number;
}

/** What to do with the clock. */
export type Correction =
  | { kind: "none" }
  | { kind: "slew" | "step"; offsetMs: number }
  | { kind: "confirm"; offsetMs: number }
  | { kind: "refuse"; reason: Phrase };

/** A jump needs an offset that is beyond doubt; once the clock was right, a second round and a second link as well. */
export function correction({ offsetMs, errorMs, links }: Agreement, situation: Situation): Correction {
  const { nowMs, floorMs, wasSet, linksAsked, pendingMs } = situation;
  if (nowMs + offsetMs < floorMs) {
    return {
      kind: "refuse",
      reason: words.phrase("before", { time: new Date(floorMs).toISOString() }),
    };
  }
  if (Math.abs(offsetMs) <= errorMs) return { kind: "none" };
  if (Math.abs(offsetMs) <= WRONG_MS) return { kind: "slew", offsetMs };
  if (!wasSet) return { kind: "step", offsetMs };
  if (links.length < Math.min(2, linksAsked)) {
    return { kind: "refuse", reason: words.phrase("one-link-jumps") };
  }
  const confirmed = pendingMs !== undefined && Math.abs(pendingMs - offsetMs) < SAME_MS;
  return { kind: confirmed ? "step" : "confirm", offsetMs };
}
