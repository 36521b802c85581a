// How long to wait for an answer, from how long answers took (RFC 6298). Pure.

const FIRST_MS = 1_000, LEAST_MS = 1_000, MOST_MS = 4_000;

/** Smoothed round trip and its variation, milliseconds. */
export class RoundTrip {
  #smoothedMs: number | undefined;
  #variationMs = 0;

  get rttMs(): number | undefined {
    return this.#smoothedMs;
  }

  get jitterMs(): number | undefined {
    return this.#smoothedMs === undefined ? undefined : this.#variationMs;
  }

  /** The retransmission timeout. */
  get timeoutMs(): number {
    if (this.#smoothedMs === undefined) return FIRST_MS;
    return Math.min(MOST_MS, Math.max(LEAST_MS, this.#smoothedMs + 4 * this.#variationMs));
  }

  take(rttMs: number): void {
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = rttMs;
      this.#variationMs = rttMs / 2;
      return;
    }
    this.#variationMs += (Math.abs(this.#smoothedMs - rttMs) - this.#variationMs) / 4;
    this.#smoothedMs += (rttMs - this.#smoothedMs) / 8;
  }
}
