// How far ahead the other end may send: enough for the slowest link's delay at the rate that comes, and no more. Pure.

/** What the other end may send before it hears more. */
export const FIRST_WINDOW_BYTES = 512 * 1024;
/** A rate is taken over so long. */
const RATE_MS = 250;
/** Beside the delays themselves, milliseconds. */
const SLACK_MS = 500;
const MOST_BYTES = 16 * 2 ** 20;
/** What all streams hold together, from which on none gets more than the first window. */
const MOST_HELD_BYTES = 32 * 2 ** 20;

export class Window {
  #rate = 0;
  #fromMs = -Infinity;
  #fromBytes = 0;
  #rttMs = 0;

  /** @param bytes delivered so far */
  beat(bytes: number, nowMs: number, rttMs: number): void {
    if (nowMs - this.#fromMs < RATE_MS) return;
    this.#rttMs = rttMs;
    if (this.#fromMs > -Infinity) this.#rate = (bytes - this.#fromBytes) / (nowMs - this.#fromMs);
    this.#fromMs = nowMs;
    this.#fromBytes = bytes;
  }

  /** Something has come within the last moments. */
  isMoving(nowMs: number): boolean {
    return this.#rate > 0 || nowMs - this.#fromMs < RATE_MS;
  }

  /** Bytes beyond what was delivered. @param held by all streams */
  bytes(held: number): number {
    if (held > MOST_HELD_BYTES) return FIRST_WINDOW_BYTES;
    const wanted = 2 * this.#rate * (2 * this.#rttMs + SLACK_MS);
    return Math.min(MOST_BYTES, Math.max(FIRST_WINDOW_BYTES, wanted));
  }

  /** Up to where bytes are taken: never less than what was ever promised. */
  limit(delivered: number): number {
    return delivered + MOST_BYTES;
  }
}
