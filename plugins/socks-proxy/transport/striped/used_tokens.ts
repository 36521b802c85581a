// Remembers which streams were opened: a request that arrives late would reach its target twice. Pure.

/** As long as a late request would still be taken, and more (SIP022 section 3.1.3: clocks may differ by 30 s either way). */
const KEPT_MS = 65_000;
/** However many: the oldest go. */
const MOST = 65_536;

/** A set that forgets, in two generations. */
export class UsedTokens {
  #current = new Set<string>();
  #previous = new Set<string>();
  #sinceMs = -Infinity;

  add(token: string, nowMs: number): void {
    if (nowMs - this.#sinceMs > KEPT_MS || this.#current.size >= MOST) {
      this.#previous = nowMs - this.#sinceMs > 2 * KEPT_MS ? new Set() : this.#current;
      this.#current = new Set();
      this.#sinceMs = nowMs;
    }
    this.#current.add(token);
  }

  has(token: string): boolean {
    return this.#current.has(token) || this.#previous.has(token);
  }
}
