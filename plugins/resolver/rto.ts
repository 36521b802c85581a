// How long to wait for an answer before asking elsewhere as well (RFC 6298, for questions instead of segments). Pure.

/** Before anything was measured, and the bounds afterwards; in milliseconds. */
const FIRST_MS = 600, LEAST_MS = 150, MOST_MS = 1_200;

/** Learns from answers. */
export class Rto {
  #smoothedMs: number | undefined;
  #variationMs = 0;

  /** The timeout in milliseconds. */
  get ms(): number {
    if (this.#smoothedMs === undefined) return FIRST_MS;
    return Math.min(MOST_MS, Math.max(LEAST_MS, this.#smoothedMs + 4 * this.#variationMs));
  }

  /** The last answers took about so long; undefined before the first. */
  get smoothedMs(): number | undefined {
    return this.#smoothedMs;
  }

  answered(tookMs: number): void {
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = tookMs;
      this.#variationMs = tookMs / 2;
      return;
    }
    this.#variationMs += (Math.abs(this.#smoothedMs - tookMs) - this.#variationMs) / 4;
    this.#smoothedMs += (tookMs - this.#smoothedMs) / 8;
  }
}
