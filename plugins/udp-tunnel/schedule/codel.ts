// When to tell senders that a queue stands: the control law of CoDel (RFC 8289 section 5), asked as a packet
// enters, because the time that it will wait is known by then. Pure.

/** RFC 8289 sections 4.3 and 4.4. */
const INTERVAL_US = 100_000, PACKET_BITS = 1500 * 8;

/** The state of one queue. */
export class CoDel {
  /** One packet's time. */
  #leastUs = 0;
  #aboveSinceUs = -1;
  #isDropping = false;
  #nextUs = 0;
  #count = 0;
  #lastCount = 0;
  #emptyUs = 0;

  /**
   * A packet that is just being sent is no queue: on slow links the target is one packet's time (RFC 8289 section
   * 4.3).
   */
  set rateBitsPerSecond(rate: number) {
    this.#leastUs = PACKET_BITS * 1e6 / rate;
  }

  /**
   * Whether this packet shall carry the news of congestion, by a mark or by its loss.
   * @param waitUs how long it will stand in the queue
   * @param targetUs how long it may stand there at all times
   * @param mayTake false when this packet shall be spared; then the news waits for the next
   */
  isDue(waitUs: number, targetUs: number, nowUs: number, mayTake: boolean): boolean {
    const allowedUs = targetUs > this.#leastUs ? targetUs : this.#leastUs;
    // It also drains while nobody asks: then it did not stand.
    const wasShort = nowUs > this.#emptyUs - allowedUs;
    this.#emptyUs = nowUs + waitUs;
    if (waitUs < allowedUs || wasShort) {
      this.#aboveSinceUs = -1;
      this.#isDropping = false;
      return false;
    }
    if (this.#aboveSinceUs < 0) this.#aboveSinceUs = nowUs;
    if (nowUs - this.#aboveSinceUs < INTERVAL_US || !mayTake) return false;
    if (!this.#isDropping) {
      this.#isDropping = true;
      // A queue that comes back soon is met with the pace that had sent it away.
      const delta = this.#count - this.#lastCount;
      this.#count = delta > 1 && nowUs - this.#nextUs < 16 * INTERVAL_US ? delta : 1;
      this.#lastCount = this.#count;
    } else if (nowUs < this.#nextUs) return false;
    else this.#count++;
    this.#nextUs = (this.#count === 1 ? nowUs : Math.max(this.#nextUs, nowUs - INTERVAL_US)) +
      INTERVAL_US / Math.sqrt(this.#count);
    return true;
  }
}
