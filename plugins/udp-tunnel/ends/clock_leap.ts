// Tells whether this machine slept, or was restored from a snapshot with its memory: the wall clock leaps then, while the
// monotonic one goes on from where it was. A clock that somebody set looks the same; new keys do no harm then. Pure.

/** Corrections of the clock are smaller or slower (adjtimex(2) slews 0.5 ms a second). */
const LEAP_MS = 1_000;

export class ClockLeap {
  #apartMs: number | undefined;

  /** To be called before anything is sealed. @param nowMs that never goes back @param wallMs of the wall clock */
  haveLeapt(nowMs: number, wallMs: number): boolean {
    const apartMs = wallMs - nowMs;
    const hasLeapt = this.#apartMs !== undefined && Math.abs(apartMs - this.#apartMs) > LEAP_MS;
    this.#apartMs = apartMs;
    return hasLeapt;
  }
}
