// Whether what is sent over a path arrives at the far end, told from what the far end says it heard. Pure.
//
// Only the way out counts: what the far end sends back may come over any path.

/** Silence of this much, or of so many round trips, makes a path suspect. */
const SUSPECT_US = 150_000, SUSPECT_ROUND_TRIPS = 3;
/** Answers in a row that a suspect path owes, doubled with every suspicion of the last minute up to the most. */
const FIRST_ANSWERS = 2, MOST_ANSWERS = 16, FORGIVEN_US = 60_000_000;
/** A loop that stood still longer than this has heard nobody in that time. */
const STALL_US = 60_000;
/** Answers count as several only when so far apart. */
const ANSWER_APART_US = 80_000;

/** `unknown`: nothing was confirmed yet. */
export type PathState = "unknown" | "up" | "suspect";

/** Judges one path. */
export class Liveness {
  state: PathState = "unknown";
  /** When the far end last confirmed something, on our clock. */
  heardUs = -Infinity;
  /** When the first packet left that was not confirmed since; Infinity: none waits. */
  #waitingUs = Infinity;
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

  /** Something that the far end confirms was sent over the path. */
  sent(nowUs: number): void {
    if (this.#waitingUs === Infinity) this.#waitingUs = nowUs;
  }

  /**
   * The far end confirmed what left at `sentUs` (our clock).
   * @returns true when that changes the state
   */
  confirmed(sentUs: number, nowUs: number): boolean {
    if (sentUs <= this.#newestSentUs) return false;
    this.#newestSentUs = sentUs;
    this.heardUs = nowUs;
    this.#waitingUs = Infinity;
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
   * @param rttUs smoothed; 0 while not known
   * @returns true when the path becomes suspect
   */
  look(rttUs: number, nowUs: number): boolean {
    const stalledUs = nowUs - this.#lookedUs;
    this.#lookedUs = nowUs;
    if (stalledUs > STALL_US && this.#waitingUs !== Infinity) {
      this.#waitingUs = Math.min(nowUs, Math.max(this.#waitingUs, this.heardUs) + stalledUs);
    }
    if (this.state !== "up" || this.#waitingUs === Infinity) return false;
    const limitUs = Math.max(SUSPECT_US, SUSPECT_ROUND_TRIPS * rttUs);
    if (nowUs - Math.max(this.#waitingUs, this.heardUs) < limitUs) return false;
    this.#owed = nowUs - this.#suspectedUs < FORGIVEN_US
      ? Math.min(2 * this.#owed, MOST_ANSWERS)
      : FIRST_ANSWERS;
    this.state = "suspect";
    this.#suspectedUs = nowUs;
    this.#answers = 0;
    return true;
  }
}
