// How fast a path is, as the sender may use it: adapted at each report of the far end, about every 100 ms. Pure.
//
// Everything hangs on the rate that really arrived. While it arrives undelayed and we sent as much as allowed,
// allow more; where packets are later than our own queue explains, the link is full and what arrives is its rate.
// Growth is measured from what arrived, a round trip ago, not from what was allowed: so it needs no patience on
// long paths and cannot run away.
import type { PathReport } from "./path_meter.ts";

/** Limits that are known beforehand; undefined where they are not. */
export interface ProbeOptions {
  /** What the operator sells (upMbps, downMbps): never exceeded, and believed at the start. */
  capBitsPerSecond?: number;
  /** What it was when last used. */
  startBitsPerSecond?: number;
}

const START_BITS_PER_SECOND = 8_000_000, LEAST_BITS_PER_SECOND = 100_000, MOST_BITS_PER_SECOND = 1e11;
/** No honest figure of a report is above this: half of the numbers' range. */
const MOST = 2 ** 31;
/**
 * Delay above base and above our own queue that the link may have when full: what a controller needs to see, and
 * two packets at least.
 */
const TARGET_US = 4_000, TARGET_BITS = 2 * 1500 * 8;
/**
 * From this share of the allowance on the path is fully used; below, the sources are the limit and nothing is
 * learned upwards.
 */
const FULL = 0.9;
/**
 * Growth: at the start a little ahead of what comes, as the sender refuses little then; later small steps that
 * become larger while nothing gets in the way.
 */
const START_GROWTH = 0.25, FIRST_GROWTH = 0.02, MOST_GROWTH = 0.1;
/** So much of the allowance is taken away at most in one step while it is not used. */
const UNUSED_STEP = 0.9;
/** Who uses less than this share of the allowance has made no queue: it is other traffic's, TCP's on the same link. */
const OURS = 0.5;
/**
 * A link that stays full shows its base no more: after so long without, one report's time is given to emptying its
 * queue.
 */
const EMPTY_EVERY_US = 5_000_000, EMPTY_SHARE = 0.85;
/** Closer to the base than this is at the base. */
const NEAR_US = 1_000;
/** So much of a train's rate is believed. */
const TRAIN_SHARE = 0.8;
/** Losses while packets are so much later than the base may be those of a full queue. */
const QUEUED_US = 20_000;
/** Losses without delay: a radio's up to this; above, a policer's or a shallow queue's. */
const RADIO_LOSS = 0.03;
/** So much in one report is never a radio's. Once, it was a cut. */
const SUDDEN_LOSS = 0.12, SUDDEN_PACKETS = 20;
/** Losses of a path that carries nothing fade by this at each report, by half in 30 s: only use shows that it is clean again. */
const UNUSED_FADE = 0.9977;
/** A queue that stays this long although we gave way is not ours: other traffic's, or the route became longer. */
const FOREIGN_US = 1_000_000, FOREIGN_ROUND_TRIPS = 4;

/** The allowance of one path. */
export class RateProbe {
  rateBitsPerSecond: number;
  /** Losses that no full queue explains, smoothed over about 500 packets, 0 to 1. */
  lossRatio = 0;
  /** Delay above base that is not ours; part of the path's delay. */
  foreignUs = 0;
  /** The link has not been full yet: the rate is only what it carries at least. */
  isStarting: boolean;

  #allLoss = 0;
  #wasQueued = false;
  #wasSudden = false;
  #growth = FIRST_GROWTH;
  #steppedUs = 0;
  #targetUs = TARGET_US;
  /** Smoothed rate of arrival. */
  #arrivedBitsPerSecond = 0;
  #crowdedSinceUs = Infinity;
  #emptyUs: number | undefined;
  #crowdedLeastUs = Infinity;

  constructor(private readonly options: ProbeOptions = {}) {
    this.isStarting = options.capBitsPerSecond === undefined;
    this.rateBitsPerSecond = Math.min(
      options.startBitsPerSecond ?? options.capBitsPerSecond ?? START_BITS_PER_SECOND,
      options.capBitsPerSecond ?? Infinity,
    );
  }

  /**
   * Takes what a train of packets showed, sent at once over a path that is not known yet: how fast they came one
   * after the other. It counts only until the path has been full.
   */
  train(bitsPerSecond: number): void {
    if (!this.isStarting || !(bitsPerSecond > 0 && bitsPerSecond < MOST_BITS_PER_SECOND)) return;
    this.rateBitsPerSecond = Math.max(LEAST_BITS_PER_SECOND, TRAIN_SHARE * bitsPerSecond);
  }

  /** The path carried nothing since the last report. */
  unused(): void {
    this.lossRatio *= UNUSED_FADE;
  }

  /** Takes a report and adapts. */
  report(report: PathReport, rttUs: number, nowUs: number): void {
    const {
      receivedBytes,
      receivedPackets,
      lostPackets,
      receivedSpanUs,
      sentSpanUs,
      excessUs,
      peakUs,
      baseUs,
    } = report;
    const packets = receivedPackets + lostPackets;
    // The far end may say anything: what makes no sense teaches nothing.
    const isSane = receivedBytes > 0 && receivedBytes < MOST && receivedPackets > 0 &&
      receivedPackets < MOST &&
      lostPackets >= 0 && lostPackets < MOST && receivedSpanUs > 0 && receivedSpanUs < MOST &&
      sentSpanUs > 0 &&
      sentSpanUs < MOST && Math.abs(excessUs) < MOST && Math.abs(peakUs) < MOST && Math.abs(baseUs) < MOST;
    if (!isSane) return;
    const loss = lostPackets / packets;
    const isSudden = loss > SUDDEN_LOSS && packets >= SUDDEN_PACKETS, isCut = isSudden && !this.#wasSudden;
    this.#wasSudden = isSudden;
    if (!isCut) this.#allLoss += (loss - this.#allLoss) * Math.min(1, packets / 500);
    const arrived = receivedBytes * 8e6 / receivedSpanUs;
    const sent = receivedBytes / (1 - loss) * 8e6 / sentSpanUs;
    this.#arrivedBitsPerSecond += (arrived - this.#arrivedBitsPerSecond) *
      (this.#arrivedBitsPerSecond ? 0.5 : 1);
    // Where the link is faster than allowed, our queue is shorter than we think, and the excess below the base.
    const aboveUs = Math.max(0, excessUs - baseUs);
    this.foreignUs = Math.min(this.foreignUs, aboveUs);
    const queueUs = aboveUs - this.foreignUs;
    this.#targetUs = Math.max(TARGET_US, TARGET_BITS * 1e6 / this.rateBitsPerSecond);

    // What a full queue loses says nothing about the path itself; nor does the report after it.
    const isQueued = peakUs - baseUs > QUEUED_US;
    if (!isQueued && !this.#wasQueued && !isCut) {
      this.lossRatio += (loss - this.lossRatio) * Math.min(1, packets / 500);
    }
    this.#wasQueued = isQueued;
    const isFull = sent >= FULL * this.rateBitsPerSecond;
    const isLossy = !isCut && (isSudden || Math.min(loss, this.#allLoss) > RADIO_LOSS);
    if (queueUs > (this.isStarting ? 2 : 1) * this.#targetUs) {
      if (sent < OURS * this.rateBitsPerSecond) this.foreignUs += queueUs;
      else this.#giveWay(queueUs, isFull, rttUs, nowUs);
    } else {
      this.#crowdedSinceUs = Infinity;
      if (isLossy) this.#limit(this.#arrivedBitsPerSecond, isFull);
      else if (isFull) this.#grow(arrived, queueUs, rttUs, nowUs);
    }
    if (aboveUs < NEAR_US || this.isStarting) this.#emptyUs = nowUs;
    this.#emptyUs ??= nowUs;
    if (isFull && nowUs - this.#emptyUs > EMPTY_EVERY_US + rttUs) {
      this.#emptyUs = nowUs;
      this.rateBitsPerSecond = EMPTY_SHARE * this.#arrivedBitsPerSecond;
    }
    const { capBitsPerSecond = MOST_BITS_PER_SECOND } = this.options;
    this.rateBitsPerSecond = Math.min(
      capBitsPerSecond,
      Math.max(LEAST_BITS_PER_SECOND, this.rateBitsPerSecond),
    );
  }

  #grow(arrived: number, queueUs: number, rttUs: number, nowUs: number): void {
    const growth = this.isStarting ? START_GROWTH : this.#growth * (1 - queueUs / this.#targetUs);
    this.rateBitsPerSecond = Math.max(this.rateBitsPerSecond, arrived * (1 + growth));
    // Larger steps only when the last one has been seen to do no harm.
    if (queueUs > this.#targetUs / 2 || nowUs - this.#steppedUs < rttUs) return;
    this.#steppedUs = nowUs;
    this.#growth = Math.min(MOST_GROWTH, this.#growth * 1.5);
  }

  /**
   * The link is full: what arrives is its rate, less what drains the queue in about a round trip and two reports.
   */
  #giveWay(queueUs: number, isFull: boolean, rttUs: number, nowUs: number): void {
    if (this.#crowdedSinceUs === Infinity) {
      this.#crowdedSinceUs = nowUs;
      this.#crowdedLeastUs = queueUs;
    }
    // A queue that shrinks is ours and on its way out.
    if (queueUs < 0.8 * this.#crowdedLeastUs) {
      this.#crowdedSinceUs = nowUs;
      this.#crowdedLeastUs = queueUs;
    }
    if (nowUs - this.#crowdedSinceUs > Math.max(FOREIGN_US, FOREIGN_ROUND_TRIPS * rttUs)) {
      this.foreignUs += queueUs;
      this.#crowdedSinceUs = Infinity;
      return;
    }
    const drainUs = 200_000 + rttUs;
    this.#limit(this.#arrivedBitsPerSecond * Math.max(0.7, 1 - (queueUs - this.#targetUs) / drainUs), isFull);
  }

  #limit(bitsPerSecond: number, isFull: boolean): void {
    const isSure = isFull || this.isStarting;
    this.rateBitsPerSecond = isSure
      ? bitsPerSecond
      : Math.max(bitsPerSecond, UNUSED_STEP * this.rateBitsPerSecond);
    this.isStarting = false;
    this.#growth = FIRST_GROWTH;
  }
}
