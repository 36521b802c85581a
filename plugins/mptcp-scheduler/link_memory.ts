// What is remembered of one link from beat to beat.
import type { Bytes } from "./carried.ts";
import type { Verdict } from "./endpoints.ts";
import { Suspicion } from "./suspicion.ts";
import type { PathSample } from "./telemetry.ts";

/** Over what time a rate is smoothed, and how slowly a peak is forgotten, a beat. */
const SMOOTHING_MS = 300, PEAK_FADING = 0.9995;

/** How much a new rate counts against the ones before. */
export function weightOf(elapsedMs: number): number {
  return 1 - Math.exp(-elapsedMs / SMOOTHING_MS);
}

/** One link. */
export class LinkMemory {
  readonly suspicion = new Suspicion();
  verdict: Verdict = { out: false, promoted: false, generation: 0 };
  /** What the link carries, whoever's it is; smoothed over a few beats, bits per second. */
  rx = 0;
  tx = 0;
  /** What running connections to the peer had acknowledged of it, likewise. */
  acknowledged = 0;
  /** The fastest of late, fading. */
  peak = 0;
  probedRttMs: number | undefined;
  lastHeardMs = 0;
  lastBusyMs = 0;
  /** Since when connections lack a subflow here, how often one was asked for, and when that may be tried again. */
  joinMissingSinceMs: number | undefined;
  repairs = 0;
  nextRepairMs = 0;
  /** Multipath TCP does not pass it. */
  stripped = false;
  sample: PathSample | undefined;

  constructor(public congestion: string) {}

  /** What the link carries now, whoever's it is. A beat is too short for a rate that people read or capacity is guessed from. */
  carries({ rx, tx, elapsedMs }: Bytes & { elapsedMs: number }): void {
    const weight = weightOf(elapsedMs);
    this.rx += (rx - this.rx) * weight;
    this.tx += (tx - this.tx) * weight;
    this.peak = Math.max(this.peak * PEAK_FADING, this.rx, this.tx);
  }
}
