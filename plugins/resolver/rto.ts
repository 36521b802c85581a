// How long to wait for an answer before asking elsewhere as well (RFC 6298, for questions instead of segments). Pure.

/** Before anything was measured, and the bounds afterwards; in milliseconds. */
const FIRST_MS = 600, LEAST_MS = 150, MOST_MS = 1_000;

/** Learns from answers. */
export class Rto {
  #smoothedMs: number | undefined;
  #variationMs = 0;
  /** When the last late answer was counted. */
  #lateMs = -Infinity;

  /** The timeout in milliseconds. */
  get ms(): number {
    if (this.#smoothedMs === undefined) return FIRST_MS;
    return Math.min(MOST_MS, Math.max(LEAST_MS, this.#smoothedMs + 4 * this.#variationMs));
  }

  /** The last answers took about so long; undefined before the first. */
  get smoothedMs(): number | undefined {
    return this.#smoothedMs;
  }

  /**
   * Takes how long an answer took, milliseconds, which came at `nowMs`. One that is late by far raises the timeout a little, and many
   * that waited for the same thing count once: a link that died for a second is not how long answers take.
   */
  answered(tookMs: number, nowMs: number): void {
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = Math.min(tookMs, FIRST_MS);
      this.#variationMs = this.#smoothedMs / 2;
      return;
    }
    const isLate = tookMs > this.ms;
    if (isLate && nowMs - tookMs < this.#lateMs) return;
    if (isLate) this.#lateMs = nowMs;
    const sampleMs = Math.min(tookMs, this.ms);
    this.#variationMs += (Math.abs(this.#smoothedMs - sampleMs) - this.#variationMs) / 4;
    this.#smoothedMs += (sampleMs - this.#smoothedMs) / 8;
  }
}
