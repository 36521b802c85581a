// Whether what is sent over a path arrives at the far end, told from what the far end says it heard. Pure.
//
// Only the way out counts: what the far end sends back may come over any path.

/**
 * What is not confirmed this much later than a round trip may take makes its path suspect. The far end confirms every 50
 * ms, and may be held up itself.
 */
const SUSPECT_US = 150_000;
/** Answers in a row that a suspect path owes, doubled with every suspicion of the last minute up to the most. */
const FIRST_ANSWERS = 2, MOST_ANSWERS = 16, FORGIVEN_US = 60_000_000;
/** A loop that stood still longer than this has heard nobody in that time. */
const STALL_US = 60_000;
/** Answers count as several only when so far apart. */
const ANSWER_APART_US = 80_000;
/** Times of sending that are remembered, and how far apart. */
const SENT_TIMES = 64, SENT_APART_US = 10_000;

/** `unknown`: nothing was confirmed yet. */
export type PathState = "unknown" | "up" | "suspect";

/** Judges one path. */
export class Liveness {
  state: PathState = "unknown";
  /** When the far end last confirmed something, on our clock. */
  heardUs = -Infinity;
  /** When the first packet left that was not confirmed, as far as is remembered; Infinity: none waits. */
  #waitingUs = Infinity;
  /** A ring: the first packet of each 10 ms. */
  readonly #sentUs = new Float64Array(SENT_TIMES).fill(-Infinity);
  #sentCount = 0;
  #lastSentUs = -Infinity;
  #newestSentUs = -Infinity;
  #lookedUs = -Infinity;
  #answers = 0;
  #owed = FIRST_ANSWERS;
  #answeredUs = -Infinity;
  #suspectedUs = -Infinity;

  /** Something was sent that is not confirmed yet. */
  get isWaiting(): boolean {
    return this.#waitingUs !== Infinity && this.state === "up";
  }

  /**
   * Something that the far end confirms was sent over the path.
   * @param sentUs the time that it carries
   */
  sent(sentUs: number): void {
    const nowUs = Math.floor(sentUs);
    this.#lastSentUs = nowUs;
    if (this.#waitingUs === Infinity) this.#waitingUs = nowUs;
    if (nowUs - this.#sentUs[(this.#sentCount + SENT_TIMES - 1) % SENT_TIMES]! < SENT_APART_US) return;
    this.#sentUs[this.#sentCount++ % SENT_TIMES] = nowUs;
  }

  /**
   * The far end confirmed what left at `sentUs` (our clock).
   * @returns true when that changes the state
   */
  confirmed(sentUs: number, nowUs: number): boolean {
    if (sentUs <= this.#newestSentUs) return false;
    this.#newestSentUs = sentUs;
    this.heardUs = nowUs;
    this.#waitingUs = this.#firstSentAfter(sentUs);
    if (this.state === "up") return false;
    if (this.state === "unknown") {
      this.state = "up";
      return true;
    }
    // What left before the suspicion says nothing about now.
    if (sentUs < this.#suspectedUs || nowUs - this.#answeredUs < ANSWER_APART_US) return false;
    this.#answeredUs = nowUs;
    if (++this.#answers < this.#owed) return false;
    this.state = "up";
    return true;
  }

  /**
   * To be called often while something is sent, after all sockets were read.
   * @param timeoutUs how long a round trip may take (RFC 6298)
   * @returns true when the path becomes suspect
   */
  look(timeoutUs: number, nowUs: number): boolean {
    const stalledUs = nowUs - this.#lookedUs;
    this.#lookedUs = nowUs;
    if (stalledUs > STALL_US && this.#waitingUs !== Infinity) {
      this.#waitingUs = Math.min(nowUs, this.#waitingUs + stalledUs);
    }
    if (this.state !== "up" || this.#waitingUs === Infinity) return false;
    if (nowUs - this.#waitingUs < timeoutUs + SUSPECT_US) return false;
    this.#owed = nowUs - this.#suspectedUs < FORGIVEN_US
      ? Math.min(2 * this.#owed, MOST_ANSWERS)
      : FIRST_ANSWERS;
    this.state = "suspect";
    this.#suspectedUs = nowUs;
    this.#answers = 0;
    return true;
  }

  #firstSentAfter(confirmedUs: number): number {
    if (this.#lastSentUs <= confirmedUs) return Infinity;
    const count = Math.min(this.#sentCount, SENT_TIMES);
    for (let back = count; back > 0; back--) {
      const sentUs = this.#sentUs[(this.#sentCount - back) % SENT_TIMES]!;
      if (sentUs > confirmedUs) return sentUs;
    }
    return this.#lastSentUs;
  }
}
