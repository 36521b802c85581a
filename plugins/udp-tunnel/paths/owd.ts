// How long packets take on a path: one-way delay as the receiver sees it, and round trips. Pure.
//
// The clocks of the two ends have nothing in common. Delays are therefore only relative: all paths of one session
// count from the same unknown zero, so that they compare with each other, and each path knows its own least one,
// its base.

/**
 * The base follows a delay that grew within one to two of these; clocks that drift apart by 100 ppm move it by 2
 * ms at most.
 */
const BASE_WINDOW_US = 10_000_000;

/** The common zero of a session's delays: its first packet. */
export class DelayZero {
  #zero: number | undefined;

  /**
   * The relative one-way delay of a packet in microseconds, right within half an hour of difference either way.
   * @param sentUs the sender's clock as on the wire, modulo 2^32
   * @param receivedUs the receiver's clock
   */
  delayUs(sentUs: number, receivedUs: number): number {
    const raw = receivedUs - sentUs | 0;
    this.#zero ??= raw;
    return raw - this.#zero | 0;
  }
}

/** One-way delay of one path; all figures in microseconds from the session's zero. */
export class PathDelay {
  /** Smoothed by 1/8 (RFC 6298's alpha); 0 before the first packet. */
  smoothedUs = 0;
  /** Mean deviation from the smoothed delay, by 1/16. */
  jitterUs = 0;
  /** The least and the greatest since the last `beat`; NaN without a packet. */
  leastUs = NaN;
  mostUs = NaN;
  isKnown = false;
  /** The least delay that this path can have, as far as is known; 0 before the first packet. */
  baseUs = 0;
  #windowLeastUs = Infinity;
  #windowExcessUs = Infinity;
  #windowStartUs = 0;

  /** Takes one packet's delay, of which its sender explains `queuedUs` by his own queue. */
  sample(delayUs: number, nowUs: number, queuedUs = 0): void {
    if (!this.isKnown) {
      this.isKnown = true;
      this.smoothedUs = this.baseUs = delayUs;
      this.#windowStartUs = nowUs;
    }
    const error = delayUs - this.smoothedUs;
    this.smoothedUs += error / 8;
    this.jitterUs += (Math.abs(error) - this.jitterUs) / 16;
    // The comparison is that way round so that NaN gives way.
    if (!(this.leastUs <= delayUs)) this.leastUs = delayUs;
    if (!(this.mostUs >= delayUs)) this.mostUs = delayUs;
    if (delayUs < this.baseUs) this.baseUs = delayUs;
    if (delayUs < this.#windowLeastUs) this.#windowLeastUs = delayUs;
    if (delayUs - queuedUs < this.#windowExcessUs) this.#windowExcessUs = delayUs - queuedUs;
  }

  /**
   * Ends a beat: begins `leastUs` and `mostUs` anew, and lets the base grow when even what the sender cannot
   * explain grew.
   */
  beat(nowUs: number): void {
    this.leastUs = this.mostUs = NaN;
    if (nowUs - this.#windowStartUs < BASE_WINDOW_US || this.#windowLeastUs === Infinity) return;
    // A link faster than its allowance makes the excess too small: that may not lower the base.
    this.baseUs = Math.min(this.#windowLeastUs, Math.max(this.baseUs, this.#windowExcessUs));
    this.#windowStartUs = nowUs;
    this.#windowLeastUs = this.#windowExcessUs = Infinity;
  }
}

/** Round trips of one path and the time to wait for an answer, RFC 6298 section 2. */
export class RoundTrip {
  smoothedUs = 0;
  variationUs = 0;
  isKnown = false;

  sample(rttUs: number): void {
    if (!this.isKnown) {
      this.isKnown = true;
      this.smoothedUs = rttUs;
      this.variationUs = rttUs / 2;
      return;
    }
    this.variationUs += (Math.abs(this.smoothedUs - rttUs) - this.variationUs) / 4;
    this.smoothedUs += (rttUs - this.smoothedUs) / 8;
  }

  /**
   * How long an answer may take; one second before the first one (RFC 6298 section 2.1), else at least `leastUs`.
   */
  timeoutUs(leastUs: number): number {
    return this.isKnown ? Math.max(leastUs, this.smoothedUs + 4 * this.variationUs) : 1_000_000;
  }
}
