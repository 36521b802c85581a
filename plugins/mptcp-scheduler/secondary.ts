// When secondary links join in: while the primaries are nearly full, with two thresholds and time between. Pure.

/** Beats in a row that it takes to change the mind. */
const JOIN_BEATS = 3, REST_BEATS = 20;

/** Watches the load of the primaries. */
export class Overflow {
  promoted = false;
  #beats = 0;

  /** @param load used share of the primaries' capacity, 0 to 1; NaN when it is not known @returns whether secondaries carry */
  beat(load: number, above: number, below: number): boolean {
    const against = this.promoted ? load < below : load > above;
    this.#beats = against ? this.#beats + 1 : 0;
    if (this.#beats >= (this.promoted ? REST_BEATS : JOIN_BEATS)) {
      this.promoted = !this.promoted;
      this.#beats = 0;
    }
    return this.promoted;
  }
}

/** A primary link with what it carries and at most carried of late, bits per second; the rates are what a person set for it. */
export interface Primary {
  downMbps?: number;
  upMbps?: number;
  carried: { rx: number; tx: number; peak: number };
}

/** How full the primaries are together in the direction that is fuller, 0 to 1; 1 where there is none. */
export function loadOf(primaries: readonly Primary[]): number {
  const share = (way: "rx" | "tx") => {
    const used = primaries.reduce((sum, { carried }) => sum + carried[way], 0);
    const capacity = primaries.reduce((sum, { downMbps, upMbps, carried }) => {
      const known = way === "rx" ? downMbps : upMbps;
      return sum + (known ?? carried.peak / 1e6) * 1e6;
    }, 0);
    return capacity > 1e6 ? used / capacity : 0;
  };
  return primaries.length === 0 ? 1 : Math.max(share("rx"), share("tx"));
}
