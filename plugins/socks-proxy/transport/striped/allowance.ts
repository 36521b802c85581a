// What connections that are made ahead may cost a link in vain, so that one without traffic carries next to nothing. Pure.

/** One that nobody took, over IPv6 with heads: SYN, SYN and confirmation, confirmation, reset (RFC 9293), with the usual options. */
export const UNUSED_BYTES = 80 + 80 + 72 + 60;
/** Another is earned so often, and as many are saved for when streams come. */
const EARNED_MS = 240_000, SAVED = 30;

/** How many may be made in vain now. */
export class Allowance {
  #left = SAVED;
  #sinceMs: number;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** Takes one; false when there is none. */
  spend(nowMs: number): boolean {
    const earned = Math.floor((nowMs - this.#sinceMs) / EARNED_MS);
    this.#left = Math.min(SAVED, this.#left + earned);
    this.#sinceMs += earned * EARNED_MS;
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }

  /** What was made was of use: it would have been made anyway. */
  giveBack(): void {
    this.#left = Math.min(SAVED, this.#left + 1);
  }
}
