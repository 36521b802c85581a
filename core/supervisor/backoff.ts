// When a crashed plugin is started again, and when it is given up for a while. Pure: time comes in, decisions come out.

/** Waits between restarts in milliseconds; the last one repeats. */
const DELAYS_MS = [100, 500, 1_000, 2_000, 5_000, 10_000];
/** A run this long counts as healthy and forgets earlier crashes. */
const HEALTHY_AFTER_MS = 60_000;
/** This many crashes without a healthy run between them are a crash loop. */
const LOOP_CRASHES = 6;
/** How long a crash loop rests before one more try. */
const LOOP_REST_MS = 300_000;

/** What to do after a crash: try again after `delayMs`; `loop` when this is no longer normal. */
export interface Decision {
  delayMs: number;
  loop: boolean;
}

/** Counts the crashes of one plugin. */
export class Backoff {
  #crashes = 0;

  /** @param ranMs how long the crashed run had been ready, 0 when it never was */
  crashed(ranMs: number): Decision {
    if (ranMs >= HEALTHY_AFTER_MS) this.#crashes = 0;
    this.#crashes++;
    if (this.#crashes >= LOOP_CRASHES) {
      return { delayMs: LOOP_REST_MS, loop: true };
    }
    return { delayMs: DELAYS_MS[Math.min(this.#crashes, DELAYS_MS.length) - 1]!, loop: false };
  }

  /** A person asked for a start: earlier crashes no longer count. */
  reset(): void {
    this.#crashes = 0;
  }
}
