// Goodput and stalls of one transfer, measured where the bytes arrive.
import { add, type Arrivals } from "./arrivals.ts";

/** Shorter silences are no gaps, milliseconds. */
const LEAST_GAP_MS = 20;

/** A time without a byte, milliseconds since the epoch. */
export interface Gap {
  fromMs: number;
  toMs: number;
}

/** Counts bytes as they arrive; `skipMs` from the first one on are left out of the rate. */
export class Meter {
  bytes = 0;
  longestStallMs = 0;
  readonly arrivals: Arrivals = { fromSlot: 0, bytes: [] };
  /** Between two bytes, in their order. */
  readonly gaps: Gap[] = [];
  #started: number | undefined;
  #lastMs = 0;
  #recentStallMs = 0;
  #skipped: { ms: number; bytes: number } | undefined;

  constructor(private readonly skipMs: number) {}

  take(count: number): void {
    const now = performance.now();
    this.#started ??= now;
    const ms = now - this.#started;
    this.longestStallMs = Math.max(this.longestStallMs, ms - this.#lastMs);
    this.#recentStallMs = Math.max(this.#recentStallMs, ms - this.#lastMs);
    const sinceEpochMs = performance.timeOrigin + now;
    add(this.arrivals, sinceEpochMs, count);
    const fromMs = sinceEpochMs - (ms - this.#lastMs);
    if (sinceEpochMs - fromMs >= LEAST_GAP_MS) this.gaps.push({ fromMs, toMs: sinceEpochMs });
    this.#lastMs = ms;
    this.bytes += count;
    if (!this.#skipped && ms >= this.skipMs) this.#skipped = { ms, bytes: this.bytes };
  }

  /** The longest time without a byte since the last call, one that is not over yet included, milliseconds. */
  takeStallMs(): number {
    const nowMs = performance.now() - (this.#started ?? performance.now());
    const stallMs = Math.max(this.#recentStallMs, nowMs - this.#lastMs);
    this.#recentStallMs = 0;
    return stallMs;
  }

  /** Mbit/s from the end of the skipped part to the last byte. */
  get mbps(): number {
    const from = this.#skipped ?? { ms: 0, bytes: 0 };
    const ms = this.#lastMs - from.ms;
    return ms > 0 ? (this.bytes - from.bytes) * 8 / 1000 / ms : 0;
  }
}
