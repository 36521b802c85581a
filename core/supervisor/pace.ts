// How often a plugin may ask for what costs the core work: freely in bursts, and no more often than so in the long run. Pure.

/** A bucket of turns that fills steadily (the token bucket of tc-tbf(8)). */
export class Pace {
  #turns: number;
  #atMs: number | undefined;

  constructor(private readonly burst: number, private readonly perSecond: number) {
    this.#turns = burst;
  }

  /** Takes a turn; how long to wait for it, milliseconds. */
  take(nowMs: number): number {
    const grown = (nowMs - (this.#atMs ?? nowMs)) / 1000 * this.perSecond;
    this.#atMs = nowMs;
    this.#turns = Math.min(this.burst, this.#turns + grown) - 1;
    return Math.max(0, -this.#turns / this.perSecond * 1000);
  }
}
