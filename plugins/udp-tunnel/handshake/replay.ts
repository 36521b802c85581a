// Makes each question count once: the box numbers its questions, and the peer takes only newer ones. Pure.

/** A box's numbers, for ever growing: by the clock, and beyond every earlier one where the clock went back. */
export class QuestionNumbers {
  #last: bigint;
  #reserved: bigint;
  #isReserving = false;
  #isUnsafe = false;

  /**
   * @param stored what `store` was last given
   * @param store keeps a number; numbers up to it may be used once it is kept
   */
  constructor(stored: string | undefined, private readonly store: (reserved: string) => Promise<void>) {
    this.#last = this.#reserved = /^\d{1,19}$/.test(stored ?? "") ? BigInt(stored!) : 0n;
  }

  /** The next number; undefined: none may be used yet, it is being reserved. @param nowMs of the wall clock */
  next(nowMs: number): bigint | undefined {
    const byClock = BigInt(Math.max(0, Math.floor(nowMs * 1_000)));
    const next = byClock > this.#last ? byClock : this.#last + 1n;
    if (next > this.#reserved && !this.#isUnsafe) {
      void this.#reserve(next + RESERVE);
      return undefined;
    }
    this.#isUnsafe = false;
    return this.#last = next;
  }

  async #reserve(until: bigint): Promise<void> {
    if (this.#isReserving) return;
    this.#isReserving = true;
    try {
      await this.store(`${until}`);
      this.#reserved = until;
    } catch {
      // A full disk must not end the tunnel: the clock alone has to do, which goes on over a restart too.
      this.#isUnsafe = true;
    }
    this.#isReserving = false;
  }
}

/** Ten minutes of the clock: so seldom something is written. */
const RESERVE = 600_000_000n;

interface LastQuestion {
  counter: bigint;
  askedMs: number;
  /** When a packet under keys of a question last came; -Infinity: never. */
  provedMs: number;
}

/**
 * The newest question of each static key that came with one box's key. A static key that is not known here has to show a cookie: what
 * was recorded before this process began, or before its key was forgotten, has none that is still good. So nothing need be stored, and
 * clocks of boxes may be wrong.
 */
export class NewestQuestions {
  readonly #last = new Map<string, LastQuestion>();

  /** @param most static keys at once */
  constructor(private readonly most: number) {}

  /** The newest question's number; undefined: the key is not known. */
  of(key: string): bigint | undefined {
    return this.#last.get(key)?.counter;
  }

  /** Takes a question that was looked at. @returns false when there is no room for another key */
  take(key: string, counter: bigint, nowMs: number): boolean {
    const known = this.#last.get(key);
    if (!known && this.#last.size >= this.most && !this.#forgetOne(nowMs)) return false;
    this.#last.set(key, { counter, askedMs: nowMs, provedMs: known?.provedMs ?? -Infinity });
    return true;
  }

  /** Every key has to show a cookie again. */
  clear(): void {
    this.#last.clear();
  }

  proved(key: string, nowMs: number): void {
    const known = this.#last.get(key);
    if (known) known.provedMs = nowMs;
  }

  /** The least recently proved one goes, if its last question is so old that no cookie of that time is good any more. */
  #forgetOne(nowMs: number): boolean {
    let oldest: string | undefined, least = Infinity;
    for (const [key, { askedMs, provedMs }] of this.#last) {
      if (nowMs - askedMs < COOKIE_GONE_MS) continue;
      // Among those that never proved themselves the one that asked longest ago.
      const atMs = provedMs === -Infinity ? askedMs - 1e12 : provedMs;
      if (atMs < least) [oldest, least] = [key, atMs];
    }
    return oldest !== undefined && this.#last.delete(oldest);
  }
}

/** Longer than a cookie is good for (cookies.ts). */
export const COOKIE_GONE_MS = 150_000;
