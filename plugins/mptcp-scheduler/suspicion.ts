// Whether a path is alive: evidence from its subflows raises a suspicion, a probe decides it, probes bring it back. Pure.

/** A probe has three round trips to be answered, within these bounds. */
const PROBE_FLOOR_MS = 200, PROBE_CEILING_MS = 1_500;
/** After a probe has cleared a path, evidence is believed again only after this. */
const TRUST_MS = 300;
/** First and last wait between probes of a path that is out. */
const RETRY_FIRST_MS = 300, RETRY_LAST_MS = 1_000;
/** While it has been out for no longer than this, it may be back at any moment: waits and probes are shorter. */
const SOON_MS = 15_000, RETRY_SOON_MS = 250, PROBE_SOON_MS = 300;
/** A path that flaps must answer this often in a row before it is used again; doubles with each fall, up to the last. */
const ANSWERS_FIRST = 2, ANSWERS_LAST = 6;
/** A path that stood this long is forgiven its falls. */
const FORGIVEN_MS = 120_000;

/** What one beat has shown of a path. */
export interface Evidence {
  nowMs: number;
  rttMs?: number;
  /** Something was received or acknowledged over it in this beat: it is alive, however long a queue makes single packets wait. */
  heard: boolean;
  /** Data in flight without acknowledgement for this long. */
  silentMs: number;
  backoff: number;
  /** It carried data just before and carries nothing now, while other paths go on. */
  wentQuiet: boolean;
  /** Nothing has been heard of it for so long that its state is only a memory. */
  stale: boolean;
  /** No other path stands: what is out is asked at once, and one answer is enough. */
  isOnly: boolean;
}

/** What to do with a path now. */
export interface Judgement {
  out: boolean;
  /** Start a probe with this time limit. */
  probeWithinMs?: number;
}

/** The life of one path: standing, suspected, out. */
export class Suspicion {
  #out = false;
  #probing = false;
  #trustedUntilMs = 0;
  #nextProbeMs = 0;
  #waitMs = RETRY_FIRST_MS;
  #answers = 0;
  #falls = 0;
  #stoodSinceMs = 0;
  #fellMs = -Infinity;
  #isOnly = false;

  get isOut(): boolean {
    return this.#out;
  }

  /** Whether it is out, and whether to probe. */
  beat({ nowMs, rttMs, heard, silentMs, backoff, wentQuiet, stale, isOnly }: Evidence): Judgement {
    if (isOnly && !this.#isOnly) this.#nextProbeMs = nowMs;
    this.#isOnly = isOnly;
    if (this.#probing) return { out: this.#out };
    if (this.#out) {
      if (nowMs < this.#nextProbeMs) return { out: true };
      this.#probing = true;
      // Where nobody knows how far it is, a short probe might never be answered.
      const withinMs = this.#isSoon(nowMs) && rttMs !== undefined
        ? Math.max(PROBE_SOON_MS, 3 * rttMs)
        : PROBE_CEILING_MS;
      return { out: true, probeWithinMs: Math.min(PROBE_CEILING_MS, withinMs) };
    }
    const rtt = rttMs ?? 100;
    const quiet = backoff > 0 || silentMs > Math.max(250, 3 * rtt) || wentQuiet;
    const suspicious = !heard && quiet && nowMs >= this.#trustedUntilMs;
    if (!suspicious && !stale) return { out: false };
    this.#probing = true;
    // Where nothing waits for the verdict there is time.
    const withinMs = suspicious ? Math.max(PROBE_FLOOR_MS, 3 * rtt) : PROBE_CEILING_MS;
    return { out: false, probeWithinMs: Math.min(PROBE_CEILING_MS, withinMs) };
  }

  /** The outcome of a probe, or of what was heard meanwhile; true when the path has just come back. */
  probed(answered: boolean, nowMs: number): boolean {
    this.#probing = false;
    if (!this.#out) {
      if (answered) this.#trustedUntilMs = nowMs + TRUST_MS;
      else this.#fall(nowMs);
      return false;
    }
    if (!answered) {
      this.#answers = 0;
      this.#waitMs = Math.min(this.#isSoon(nowMs) ? RETRY_SOON_MS : RETRY_LAST_MS, this.#waitMs * 1.5);
      this.#nextProbeMs = nowMs + this.#waitMs;
      return false;
    }
    this.#answers++;
    this.#nextProbeMs = nowMs + RETRY_FIRST_MS / 3;
    const needed = Math.min(ANSWERS_LAST, ANSWERS_FIRST * 2 ** Math.max(0, this.#falls - 1));
    if (this.#answers < needed && !this.#isOnly) return false;
    this.#out = false;
    this.#stoodSinceMs = nowMs;
    this.#trustedUntilMs = nowMs + TRUST_MS;
    return true;
  }

  #isSoon(nowMs: number): boolean {
    return nowMs - this.#fellMs < SOON_MS;
  }

  #fall(nowMs: number): void {
    this.#fellMs = nowMs;
    if (nowMs - this.#stoodSinceMs > FORGIVEN_MS) this.#falls = 0;
    this.#falls++;
    this.#out = true;
    this.#answers = 0;
    this.#waitMs = RETRY_FIRST_MS;
    this.#nextProbeMs = nowMs + RETRY_FIRST_MS;
  }
}
