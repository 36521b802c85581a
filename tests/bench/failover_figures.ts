// What `otb bench failover` makes of what it saw: the longest gap about a cut, and when a link carries its share again. Pure.
import { type Arrivals, SLOT_MS } from "../lab/arrivals.ts";
import type { Gap } from "../lab/meter.ts";
import { median, round } from "./measure.ts";

/** Milliseconds over all cuts. */
export interface Figures {
  median: number;
  p95: number;
  most: number;
}

/** A share is carried when it is held for so long. */
const HELD_MS = 500;

/** Median, 95th percentile and the greatest; NaN for none. */
export function figures(values: number[]): Figures {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: round(median(sorted), 0),
    p95: round(sorted[Math.ceil(sorted.length * 0.95) - 1] ?? NaN, 0),
    most: round(sorted.at(-1) ?? NaN, 0),
  };
}

/** The longest gap of which a part lies between two times, milliseconds; 0 without one. */
export function longestWithin(gaps: Gap[], fromMs: number, toMs: number): number {
  return gaps.reduce(
    (most, gap) => gap.toMs > fromMs && gap.fromMs < toMs ? Math.max(most, gap.toMs - gap.fromMs) : most,
    0,
  );
}

/** Gaps with the silence before `endMs`, in which nothing came any more. */
export function gapsUntil(gaps: Gap[], { fromSlot, bytes }: Arrivals, endMs: number): Gap[] {
  const lastMs = (fromSlot + bytes.length) * SLOT_MS;
  return lastMs < endMs ? [...gaps, { fromMs: lastMs, toMs: endMs }] : gaps;
}

/** What had been carried at a time. */
export interface Sample {
  atMs: number;
  bytes: number;
}

/** Milliseconds from the first sample to the first time at which `mbps` were held for half a second; undefined where never. */
export function carriesAfter(samples: Sample[], mbps: number): number | undefined {
  for (const [index, { atMs, bytes }] of samples.entries()) {
    const start = samples.slice(0, index).findLast((earlier) => atMs - earlier.atMs >= HELD_MS);
    if (start && (bytes - start.bytes) * 8 / 1000 / (atMs - start.atMs) >= mbps) {
      return atMs - samples[0]!.atMs;
    }
  }
}
