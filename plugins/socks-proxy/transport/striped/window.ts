// How far ahead the other end may send: enough for the slowest link's delay at the rate that comes, and no more. Pure.
import type { Held } from "./memory.ts";
import { LITTLE } from "./memory.ts";
import { WINDOW_UNIT } from "./frames.ts";

/** What the other end may send before it hears more. */
export const FIRST_WINDOW_BYTES = LITTLE;
/** A rate is taken over so long. */
const RATE_MS = 250;
/** Beside the delays themselves, milliseconds. */
const SLACK_MS = 500;
/** However fast and far. */
const WIDE_BYTES = 512 * 1024, MOST_BYTES = 16 * 2 ** 20;

export class Window {
  /** Up to where bytes are taken, as was promised. */
  limit = FIRST_WINDOW_BYTES;
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

  /** Something has come within the last moments. @param bytes delivered so far */
  isMoving(bytes: number): boolean {
    return this.#rate > 0 || bytes > this.#fromBytes;
  }

  /**
   * What is told the other end now, in WINDOW_UNITs beyond `come`; it is promised from then on.
   * @param next bytes delivered so far
   * @param come bytes that have come, at least those
   */
  tell(next: number, come: number, held: Held): number {
    const wanted = Math.max(WIDE_BYTES, 2 * this.#rate * (2 * this.#rttMs + SLACK_MS));
    const bytes = next + held.window(Math.min(MOST_BYTES, wanted)) - come;
    const units = Math.max(0, Math.floor(bytes / WINDOW_UNIT));
    this.limit = Math.max(this.limit, come + units * WINDOW_UNIT);
    return units;
  }
}
