// The rate of one direction of a link: found when delay rises under load, lowered when it does so again, raised while there is
// load and no delay. Pure: time comes in as an argument.
//
// After cake-autorate (delay threshold, 2 of 4 samples, x 0.9, growth above 75 % of load), with four differences: a rate that
// nobody knows is not guessed; what the link carries is measured wherever its queue stands, and is the base; beyond that growth
// begins with small steps and needs a full link; and a queue that stands below the threshold is taken down gently, as waiting for
// the threshold each time would let it stand there most of the time.

/** Samples looked back at, and how many of them late ones make a link full. */
const LOOK_BACK = 4, LATE_ENOUGH = 2;
/** A full link is held to this share of what it carried: the queue in it empties. */
const DOWN = 0.9;
/**
 * Beyond what this link's delay does without load: up to this share of the threshold it may be raised, and more than that share,
 * two samples long, is a queue that stands. The rate goes down by what empties it in this time.
 */
const CLEAR = 0.2, STANDING = 0.3, EMPTIED_MS = 600;
/** A radio's delay is never still: what it does below this share of the rate is learned, so much a sample. */
const UNLOADED = 0.4, LEARN_CALM = 0.05;
/** Of what the rate was, a step leaves at least this: a burst that is over soon must not cost everything. */
const LEAST_STEP = 0.75;
/** Growth of a sample below this share of what the link is known to carry. */
const UP_KNOWN = 0.05, KNOWN_SHARE = 0.95;
/**
 * Beyond it: what comes late is a second old, and a step too much by one percent is ten milliseconds of queue in it. So steps
 * begin small, and become larger while nothing happens.
 */
const UP_NEW = 0.003, UP_FASTER = 1.03, UP_MOST = 0.02;
/**
 * Above these shares of its rate a link is loaded enough to be raised: to what it is known to carry, and beyond, where only use
 * shows whether it does. Below the last it is too idle to be lowered.
 */
const LOADED = 0.75, FULL = 0.9, IDLE = 0.2;
/** After a step down the queue takes this many times its length to empty at a tenth of the rate. */
const EMPTYING = 10, LEAST_HOLD_MS = 400, MOST_HOLD_MS = 2_000;
/** A queue that grows by so much in the meantime says that the step was too small. */
const WORSE = 1.3;
/** How an idle link's rate goes back to its base, a sample; and how the base follows. */
const RELAX = 0.002, LEARN_UP = 0.01;
/** How fast what a full link carries is learned, a sample. */
const LEARN_FULL = 0.2;
/** Never below this share of the base, nor below what carries a call and a page. */
const LEAST_SHARE = 0.1, FLOOR = 500_000;
/**
 * Delay that stays after so many steps down in a row is not ours, and giving way would only starve calls: the rate is what it
 * was, and delay says nothing for a while.
 */
const MOST_STEPS = 6, FOREIGN_MS = 15_000;
/** The estimate is the most that was carried in so many samples: a moment's dip is not a link's rate. */
const ESTIMATE_SAMPLES = 10;
/** Less traffic than this says nothing about a link. */
const LEAST_ESTIMATE = 1_000_000;

/** What is seen of a direction, five times a second. */
export interface Sample {
  /** Monotonic. */
  nowMs: number;
  /** How much longer packets take than they might; absent while nobody measures: then nothing is changed. */
  queueMs?: number;
  carriedBitsPerSecond: number;
  /** It was counted where it goes into the link's queue (up), not where it comes out (down). */
  isCountedBefore?: boolean;
  /** What a queue of our own may explain of it while we hold the rate. */
  ownQueueMs: number;
  thresholdMs: number;
  /** What a person allows at most. */
  mostBitsPerSecond?: number;
}

/** One direction. */
export class Autorate {
  #late: boolean[] = [];
  #queueMs = 0;
  #lastMs = -Infinity;
  #calmMs = 0;
  #carried: number[] = [];
  #holdUntilMs = -Infinity;
  #loweredAtQueueMs = 0;
  #lowestMs = -Infinity;
  /** Steps down while delay stayed, and the rate before the first of them. */
  #steps = 0;
  #before = 0;
  #growth = UP_NEW;
  #foreignUntilMs = -Infinity;

  /** @param rateBitsPerSecond undefined while unknown: it is not held then */
  constructor(public rateBitsPerSecond?: number, public baseBitsPerSecond = rateBitsPerSecond) {}

  /** Takes one sample. */
  beat(sample: Sample): void {
    const { nowMs, queueMs, carriedBitsPerSecond: carried, mostBitsPerSecond: most = Infinity } = sample;
    if (queueMs === undefined) {
      this.#late = [];
      this.#queueMs = 0;
      this.#carried = [];
      return;
    }
    const rate = this.rateBitsPerSecond;
    const ownQueueMs = rate === undefined ? 0 : sample.ownQueueMs;
    const isLate = queueMs > sample.thresholdMs + ownQueueMs;
    const standingMs = Math.min(queueMs, this.#queueMs);
    const capacity = this.#capacity(sample, queueMs, ownQueueMs);
    this.#late = [...this.#late, isLate].slice(-LOOK_BACK);
    this.#carried = [...this.#carried, carried].slice(-ESTIMATE_SAMPLES);
    const isFull = this.#late.filter(Boolean).length >= LATE_ENOUGH;
    if (rate === undefined || this.baseBitsPerSecond === undefined) {
      const fastest = Math.max(...this.#carried);
      if (!isFull || fastest < LEAST_ESTIMATE) return;
      this.#learn(capacity ?? fastest, most);
      this.#lower(sample, queueMs, DOWN * this.baseBitsPerSecond!);
      return;
    }
    if (carried < UNLOADED * rate && !isLate) this.#calmMs += (queueMs - this.#calmMs) * LEARN_CALM;
    const calmMs = this.#calmMs + ownQueueMs;
    if (capacity !== undefined && carried > IDLE * rate) this.#learn(capacity, most);
    if (queueMs <= calmMs + CLEAR * sample.thresholdMs) this.#steps = 0;
    if (nowMs < this.#foreignUntilMs) return;
    if (isFull && isLate && carried > IDLE * rate) {
      const isWorse = nowMs >= this.#lowestMs && queueMs > WORSE * this.#loweredAtQueueMs;
      if (nowMs < this.#holdUntilMs && !isWorse) return;
      if (this.#steps === 0) this.#before = rate;
      if (++this.#steps > MOST_STEPS) {
        this.#steps = 0;
        this.#foreignUntilMs = nowMs + FOREIGN_MS;
        this.rateBitsPerSecond = Math.min(most, this.#before);
        this.baseBitsPerSecond = Math.max(this.baseBitsPerSecond, this.rateBitsPerSecond);
        return;
      }
      this.#lower(sample, queueMs, Math.max(LEAST_STEP * rate, DOWN * Math.min(rate, carried)));
    } else if (carried > LOADED * rate && standingMs > calmMs + STANDING * sample.thresholdMs) {
      this.#growth = UP_NEW;
      if (nowMs < this.#holdUntilMs) return;
      this.rateBitsPerSecond = this.#within(sample, rate * (1 - (standingMs - calmMs) / EMPTIED_MS));
    } else if (carried > LOADED * rate) {
      if (this.#late.length < LOOK_BACK || this.#late.some(Boolean)) return;
      if (queueMs > calmMs + CLEAR * sample.thresholdMs) return;
      const isKnown = rate * (1 + UP_KNOWN) < KNOWN_SHARE * this.baseBitsPerSecond;
      if (!isKnown && carried < FULL * rate) return;
      this.rateBitsPerSecond = Math.min(most, rate * (1 + (isKnown ? UP_KNOWN : this.#growth)));
      if (!isKnown) this.#growth = Math.min(UP_MOST, this.#growth * UP_FASTER);
      this.baseBitsPerSecond += Math.max(0, this.rateBitsPerSecond - this.baseBitsPerSecond) * LEARN_UP;
    } else if (carried < IDLE * rate) {
      this.rateBitsPerSecond = Math.min(most, rate + (this.baseBitsPerSecond - rate) * RELAX);
    }
  }

  /** Takes one sample while the direction is not held: what it carries when it is full is learned for when it shall be. */
  watch(sample: Sample): void {
    const { queueMs, thresholdMs, mostBitsPerSecond: most = Infinity } = sample;
    this.#steps = 0;
    this.#foreignUntilMs = this.#holdUntilMs = -Infinity;
    if (queueMs === undefined) return;
    this.#late = [...this.#late, queueMs > thresholdMs].slice(-LOOK_BACK);
    const capacity = this.#capacity(sample, queueMs, 0);
    if (this.#late.filter(Boolean).length < LATE_ENOUGH || capacity === undefined) return;
    if (capacity < LEAST_ESTIMATE) return;
    this.#learn(capacity, most);
    this.rateBitsPerSecond = DOWN * this.baseBitsPerSecond!;
  }

  /**
   * What the link carried, where its queue stood at both ends of the sample: then it was never idle. Of what was counted before
   * the queue, some may have stayed in it, or more have come out.
   */
  #capacity(
    { nowMs, carriedBitsPerSecond: carried, thresholdMs, isCountedBefore }: Sample,
    queueMs: number,
    ownQueueMs: number,
  ): number | undefined {
    const formerMs = this.#queueMs, ms = nowMs - this.#lastMs;
    this.#queueMs = queueMs;
    this.#lastMs = nowMs;
    const leastMs = this.#calmMs + ownQueueMs + CLEAR * thresholdMs;
    if (Math.min(formerMs, queueMs) <= leastMs) return undefined;
    if (!isCountedBefore) return carried;
    const grewMs = queueMs - formerMs;
    // Half or twice as much in one sample is no measurement.
    return ms + grewMs > ms / 2 && ms + grewMs < 2 * ms ? carried * ms / (ms + grewMs) : undefined;
  }

  #learn(capacity: number, most: number): void {
    const base = this.baseBitsPerSecond ?? capacity;
    this.baseBitsPerSecond = Math.min(most, Math.max(FLOOR, base + (capacity - base) * LEARN_FULL));
  }

  #within({ mostBitsPerSecond: most = Infinity }: Sample, wanted: number): number {
    const floor = Math.min(most, Math.max(FLOOR, LEAST_SHARE * this.baseBitsPerSecond!));
    return Math.min(most, Math.max(floor, wanted));
  }

  #lower(sample: Sample, queueMs: number, wanted: number): void {
    const { nowMs } = sample;
    this.rateBitsPerSecond = this.#within(sample, wanted);
    this.#loweredAtQueueMs = queueMs;
    this.#lowestMs = nowMs + LEAST_HOLD_MS;
    this.#holdUntilMs = nowMs + Math.min(MOST_HOLD_MS, Math.max(LEAST_HOLD_MS, EMPTYING * queueMs));
    this.#late = [];
    this.#growth = UP_NEW;
  }
}
