// What the receiver counts of one path between two reports to the sender. Pure.
import { PathDelay } from "./owd.ts";

/** `Delivery.queued` counts in these. */
export const QUEUED_UNIT_US = 256, QUEUED_MOST = 255;

/** What the far end saw of one path since its last report; whole numbers, as they travel. */
export interface PathReport {
  /** Whole packets as they went over the link. */
  receivedBytes: number;
  receivedPackets: number;
  /** Missing per-path numbers; those of what the ends tell each other are not. */
  lostPackets: number;
  /**
   * From the last packet before to the last one of this report: when they came, and when they were due to leave.
   */
  receivedSpanUs: number;
  sentSpanUs: number;
  /**
   * The least and the greatest delay less what our own queue explains; the least and the smoothed delay; from the
   * session's zero.
   */
  excessUs: number;
  peakUs: number;
  baseUs: number;
  delayUs: number;
}

/** Counts one path; `packet` for each one that arrives, `report` about every 100 ms. */
export class PathMeter {
  readonly delay = new PathDelay();
  #bytes = 0;
  #packets = 0;
  #others = 0;
  #excessUs = Infinity;
  #peakUs = -Infinity;
  #hasBulk = false;
  #highest = -1;
  #reportedHighest = -1;
  #receivedUs = 0;
  #dueUs = 0;
  #reportedReceivedUs = 0;
  #reportedDueUs = 0;

  /**
   * Counts a packet.
   * @param perPath its number on the path @param delayUs its relative one-way delay
   * @param queued as `Delivery.queued` @param nowUs when it came, on the receiver's clock
   * @param isBulk links may let other packets overtake it: then theirs say nothing of the queue
   */
  packet(
    bytes: number,
    perPath: number,
    delayUs: number,
    queued: number,
    nowUs: number,
    isBulk = true,
  ): void {
    this.#bytes += bytes;
    this.#packets++;
    const queuedUs = queued * QUEUED_UNIT_US;
    const excessUs = delayUs - queuedUs;
    if (isBulk && !this.#hasBulk) {
      this.#hasBulk = true;
      this.#excessUs = Infinity;
      this.delay.leastUs = NaN;
    }
    if (isBulk || !this.#hasBulk) {
      this.delay.sample(delayUs, nowUs, queuedUs);
      // A full field only says "or longer": nothing follows from it.
      if (queued < QUEUED_MOST && excessUs < this.#excessUs) this.#excessUs = excessUs;
      if (excessUs > this.#peakUs) this.#peakUs = excessUs;
    }
    if (this.#highest >= 0 && perPath <= this.#highest) return;
    const isFirst = this.#highest < 0;
    this.#highest = perPath;
    this.#receivedUs = nowUs;
    this.#dueUs = nowUs - excessUs;
    if (!isFirst) return;
    // Spans begin with the first packet, so it does not count itself.
    this.#bytes = this.#packets = this.#others = 0;
    this.#mark();
  }

  /** Counts what has a number on the path and is no packet of anybody's: it is not lost. */
  other(perPath: number): void {
    if (this.#highest < 0) return;
    this.#others++;
    if (perPath > this.#highest) this.#highest = perPath;
  }

  /** What came since the last report; undefined when nothing did. */
  report(nowUs: number): PathReport | undefined {
    if (this.#packets === 0) return undefined;
    const numbers = this.#highest - this.#reportedHighest;
    const report: PathReport = {
      receivedBytes: this.#bytes,
      receivedPackets: this.#packets,
      lostPackets: Math.max(0, numbers - this.#packets - this.#others),
      receivedSpanUs: Math.round(this.#receivedUs - this.#reportedReceivedUs),
      sentSpanUs: Math.round(this.#dueUs - this.#reportedDueUs),
      excessUs: Math.round(Math.min(this.#excessUs, this.delay.leastUs)),
      peakUs: Math.round(this.#peakUs),
      baseUs: Math.round(this.delay.baseUs),
      delayUs: Math.round(this.delay.smoothedUs),
    };
    this.#bytes = this.#packets = this.#others = 0;
    this.#excessUs = Infinity;
    this.#peakUs = -Infinity;
    this.#hasBulk = false;
    this.#mark();
    this.delay.beat(nowUs);
    return report;
  }

  #mark(): void {
    this.#reportedHighest = this.#highest;
    this.#reportedReceivedUs = this.#receivedUs;
    this.#reportedDueUs = this.#dueUs;
  }
}
