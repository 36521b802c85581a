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
