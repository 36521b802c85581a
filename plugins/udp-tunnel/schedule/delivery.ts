// Which path takes which packet: the one that delivers it earliest (EDPF), with a short queue ahead per path.
// Pure.
//
// Nothing is held back here. `choose` answers at once: a path, or that the packet has to go because every path
// that may take it is full; how full is known from what was sent and from each path's rate, without asking
// anybody. That is what keeps queues in modems short, so that a call on the same link stays clear.
import { BULK, type Kind, REAL_TIME, SMALL_BITS_PER_SECOND, STREAMS } from "./classify.ts";
import { CoDel } from "./codel.ts";
import { type Candidate, chooseGroup, isLossy, worth } from "./group.ts";
import { Homes, NEAR } from "./homes.ts";
import { QUEUED_MOST, QUEUED_UNIT_US } from "../paths/path_meter.ts";

/** `choose` found no place for the packet. */
export const DROPPED = -1;
export const MAX_PATHS = 8;

/** A path as it is known now; set anew at each beat. */
export interface PathState {
  /** Paths of a lower number are used first; the next ones when these are full (bulk) or gone. */
  tier: 0 | 1 | 2;
  /** False for what is down, suspect or not yet measured: it gets nothing. */
  isUsable: boolean;
  rateBitsPerSecond: number;
  /**
   * It has not been full yet: the rate is what it carries at least, and holding packets back would hide what it
   * can do.
   */
  isStarting: boolean;
  /** One-way delay without our own queue, from any zero that is common to all paths. */
  owdUs: number;
  /** Share of packets lost, 0 to 1. */
  lossRatio: number;
}

export interface DeliveryOptions {
  /**
   * How long the queue ahead of a path may become before bulk goes to slower paths, less while there is a call;
   * what a source sends at once must fit in any case.
   */
  queueUs: number;
  /** A flow is spread only over paths whose delay is this much longer than the nearest one's at most. */
  spreadUs: number;
}

/**
 * Measured in virtual time, see SCHEDULING.md: shorter queues starve downloads over links of 30 and 100 ms, longer
 * ones delay everything else; over a wider spread one download becomes slower than over the nearest link alone.
 */
export const DEFAULTS: DeliveryOptions = { queueUs: 40_000, spreadUs: 100_000 };

/** Where all paths are full a burst may go beyond the limit by this, a flow below its share further. */
const BURST = 1.5, MODEST_BURST = 2;
/** So long after its last packet a call is taken to go on; then queues are shorter. */
const CALL_US = 2_000_000, CALL_SHARE = 0.45;
/**
 * A queue may stand so long before senders are told: RFC 8289's while there is a call. Without one, one download over
 * two links would lose a tenth of its rate for ten milliseconds that only downloads see, see SCHEDULING.md.
 */
const TARGET_US = 15_000, CALL_TARGET_US = 5_000;
/** What a source sends at once: ten packets of a new QUIC flow (RFC 9002 section 7.2) and some. */
const BURST_BYTES = 16_384;
/** While nobody knows what a path can do, packets are hardly ever refused. */
const START_QUEUE_US = 80_000;
/** Who takes less than this part of his share is spared. */
const MODEST = 0.75;
/** Sorts lossy paths behind clean ones, those of a lower tier behind these, and full paths behind all. */
const LOSSY_US = 3e6, TIER_US = 1e7, FULL_US = 1e9;
/** Urgent packets take a lower tier when the higher one is later by more than this. */
const TIER_URGENT_US = 100_000;
/** What a path has shown is forgotten by this at each update: by half in some seconds. */
const SHOWN_FADE = 0.995;
/** The near paths count as crowded while all have a queue of this length, and so long after. */
const CROWDED_QUEUE_US = 5_000, CROWDED_US = 1_000_000;
/**
 * What is added to a bulk stream's number for flows that live on a far path: they share no order with those that
 * do not.
 */
const FAR_STREAM = 1024;
/** Only a flood of flows that claim to be urgent gets beyond this. */
const URGENT_QUEUE_US = 100_000;
/** Real-time flows change their path only for a gain beyond this: a change is jitter. */
const STICKY_US = 4_000;
/** One percent of loss is as bad for urgent packets as this delay. */
const LOSS_PERCENT_US = 20_000;
/** Age of the packet before in the same stream, as it travels: units of 10 ms, 15 at most. */
const AGE_UNIT_US = 10_000, AGE_MAX = 15;
/**
 * How long `paths` remembers at least, what left before that is not waited for; and how often flows are counted.
 */
const BEAT_US = 150_000;

/** The scheduler of one sender; fields describe the last choice. */
export class Delivery {
  /** A second path that shall carry the same packet, or DROPPED. */
  duplicate = DROPPED;
  /** The packet shall be marked with "congestion experienced". */
  isMarked = false;
  /** The packet's stream, for the wire. */
  stream = 0;
  /** The packet's number in its stream, 0 to 65,535, for the wire. */
  order = 0;
  /** How long before it the stream's last packet left, in units of 10 ms, 0 to 15, for the wire. */
  age = 0;
  /**
   * Paths that carried packets of this kind in the last 150 to 400 ms, a bit each, for the wire: only there can
   * missing ones be.
   */
  paths = 0;
  /**
   * How long the packet waits behind what the path was given before, and its duplicate; units of 256 us, 255 at
   * most.
   */
  queued = 0;
  duplicateQueued = 0;
  /** Packets that found no place, and that CoDel took or marked, since the start. */
  dropped = 0;
  signalled = 0;

  #paths = 0;
  readonly #rank = new Int32Array(MAX_PATHS);
  readonly #far = new Uint8Array(MAX_PATHS);
  readonly #isStarting = new Uint8Array(MAX_PATHS);
  readonly #isLossy = new Uint8Array(MAX_PATHS);
  readonly #usPerByte = new Float64Array(MAX_PATHS);
  readonly #owdUs = new Float64Array(MAX_PATHS);
  readonly #penaltyUs = new Float64Array(MAX_PATHS);
  readonly #shownRate = new Float64Array(MAX_PATHS);
  readonly #bulkPenaltyUs = new Float64Array(MAX_PATHS);
  readonly #queueUs = new Float64Array(MAX_PATHS);
  readonly #freeUs = new Float64Array(MAX_PATHS);
  readonly #order = new Uint16Array(STREAMS);
  readonly #sentUs = new Float64Array(STREAMS).fill(-1e9);
  readonly #homes = new Homes(MAX_PATHS);
  /** By home. */
  readonly #codels = Array.from({ length: MAX_PATHS + 1 }, () => new CoDel());
  /** Bits of the paths that urgent and spread packets took lately, and since the last beat. */
  #urgentPaths = 0;
  #newUrgentPaths = 0;
  #nearPaths = 0;
  #newNearPaths = 0;
  #beatUs = 0;
  #urgentPath = 0;
  #groupPath = DROPPED;
  #realTimeUs = -Infinity;
  #crowdedUs = -Infinity;

  constructor(private readonly options: DeliveryOptions = DEFAULTS) {}

  /**
   * Takes over what is known of the paths, by their index; about every 100 ms, and at once when one comes or goes.
   */
  update(states: readonly PathState[], nowUs: number): void {
    const paths = states.slice(0, MAX_PATHS);
    this.#paths = paths.length;
    const usable = paths.filter(({ isUsable, rateBitsPerSecond }) => isUsable && rateBitsPerSecond > 0);
    const first = Math.min(...usable.map(({ tier }) => tier));
    const nearestUs = Math.min(...usable.filter(({ tier }) => tier === first).map(({ owdUs }) => owdUs));
    const firsts = usable.filter(({ tier }) => tier === first).map((state) =>
      this.#candidate(state, paths.indexOf(state))
    );
    const group = chooseGroup(firsts, this.options.spreadUs, this.#groupPath);
    this.#groupPath = group[0]?.path ?? DROPPED;
    for (let path = 0; path < this.#paths; path++) {
      this.#isLossy[path] = isLossy(paths[path]!.lossRatio, this.#isLossy[path] === 1) ? 1 : 0;
    }
    const isClean = group.some(({ path }) => this.#isLossy[path] === 0);
    let groupRate = 0;
    for (let path = 0; path < this.#paths; path++) {
      const state = paths[path]!;
      const { tier, owdUs, rateBitsPerSecond, isStarting, lossRatio } = state;
      const isUsable = usable.includes(state) && (tier < 2 || tier === first);
      this.#rank[path] = isUsable ? tier - first : -1;
      this.#homes.setRate(path + 1, 0);
      if (!isUsable) continue;
      const isFar = tier === first
        ? !group.some((member) => member.path === path)
        : owdUs - group[0]!.owdUs > this.options.spreadUs;
      this.#far[path] = isFar ? 1 : 0;
      if (!isFar) groupRate += rateBitsPerSecond;
      else if (tier === first) {
        // Nobody learns what a path can do by never using it.
        const hopedFor = isStarting ? group[0]!.rateBitsPerSecond / 2 : 0;
        this.#homes.setRate(
          path + 1,
          worth({ ...state, path, rateBitsPerSecond: Math.max(rateBitsPerSecond, hopedFor) }),
        );
      }
      this.#codels[path + 1]!.rateBitsPerSecond = rateBitsPerSecond;
      const usPerByte = 8e6 / rateBitsPerSecond;
      // What is ahead stays the same in bytes.
      const scale = Math.min(1, usPerByte / (this.#usPerByte[path] || usPerByte));
      this.#freeUs[path] = nowUs + this.queuedUs(path, nowUs) * scale;
      this.#usPerByte[path] = usPerByte;
      this.#isStarting[path] = isStarting ? 1 : 0;
      this.#owdUs[path] = owdUs - nearestUs;
      this.#penaltyUs[path] = lossRatio * 100 * LOSS_PERCENT_US + this.#rank[path]! * TIER_URGENT_US;
      // Losses of a radio look to a download as if the link were full.
      this.#bulkPenaltyUs[path] = this.#rank[path]! * TIER_US +
        (isClean && this.#isLossy[path] === 1 ? LOSSY_US : 0);
      this.#queueUs[path] = Math.max(this.options.queueUs, BURST_BYTES * usPerByte);
    }
    // What was under way on a path that is gone is lost: nobody shall wait for it.
    const alive = paths.reduce((bits, state, path) => usable.includes(state) ? bits | 1 << path : bits, 0);
    this.#nearPaths &= alive;
    this.#newNearPaths &= alive;
    this.#urgentPaths &= alive;
    this.#newUrgentPaths &= alive;
    this.#homes.setRate(NEAR, groupRate);
    this.#codels[NEAR]!.rateBitsPerSecond = groupRate;
    if (nowUs - this.#beatUs < BEAT_US) return;
    this.#beatUs = nowUs;
    this.#homes.beat();
    this.#urgentPaths = this.#newUrgentPaths;
    this.#nearPaths = this.#newNearPaths;
    this.#newUrgentPaths = this.#newNearPaths = 0;
  }

  /** Groups are chosen by what paths have shown lately, not by how they swing. */
  #candidate({ rateBitsPerSecond, owdUs, lossRatio }: PathState, path: number): Candidate {
    const shown = this.#shownRate[path]! * SHOWN_FADE;
    this.#shownRate[path] = rateBitsPerSecond > shown ? rateBitsPerSecond : shown;
    return { path, rateBitsPerSecond: this.#shownRate[path]!, owdUs, lossRatio };
  }

  /**
   * Chooses the path for a packet of `length` bytes as they go over the link.
   * @param speaksEcn its ends understand "congestion experienced"
   * @returns the path's index, or DROPPED
   */
  choose(
    length: number,
    kind: Kind,
    stream: number,
    flow: number,
    rateBitsPerSecond: number,
    speaksEcn: boolean,
    nowUs: number,
  ): number {
    this.duplicate = DROPPED;
    this.isMarked = false;
    this.stream = stream;
    const path = kind === BULK
      ? this.#chooseBulk(length, flow, rateBitsPerSecond, speaksEcn, nowUs)
      : this.#chooseUrgent(length, kind, rateBitsPerSecond, nowUs);
    if (path === DROPPED) {
      this.dropped++;
      return DROPPED;
    }
    this.queued = this.#send(path, length, nowUs);
    if (this.duplicate !== DROPPED) this.duplicateQueued = this.#send(this.duplicate, length, nowUs);
    const sentStream = this.stream;
    this.order = this.#order[sentStream]!;
    this.#order[sentStream]!++;
    const age = (nowUs - this.#sentUs[sentStream]!) / AGE_UNIT_US;
    this.age = age < AGE_MAX ? Math.floor(age) : AGE_MAX;
    this.#sentUs[sentStream] = nowUs;
    return path;
  }

  /** How much longer the path is busy with what it was given, in microseconds. */
  queuedUs(path: number, nowUs: number): number {
    return Math.max(0, this.#freeUs[path]! - nowUs);
  }

  /** @returns for how many units of 256 us the path is still busy with what went before */
  #send(path: number, length: number, nowUs: number): number {
    const freeUs = this.#freeUs[path]!;
    const startUs = freeUs > nowUs ? freeUs : nowUs;
    this.#freeUs[path] = startUs + length * this.#usPerByte[path]!;
    const queued = (startUs - nowUs) / QUEUED_UNIT_US;
    return queued < QUEUED_MOST ? Math.round(queued) : QUEUED_MOST;
  }

  #chooseBulk(length: number, flow: number, flowRate: number, speaksEcn: boolean, nowUs: number): number {
    const home = this.#homes.of(flow, nowUs - this.#crowdedUs < CROWDED_US);
    const hasCall = nowUs - this.#realTimeUs < CALL_US;
    const patience = hasCall ? CALL_SHARE : 1;
    // Who takes less than his share is not punished for the others' greed: where all is full he finds more.
    const isModest = flowRate < MODEST * this.#homes.fairBitsPerSecond(home);
    const burst = isModest ? MODEST_BURST : BURST;
    let best = DROPPED, bestUs = Infinity, standingUs = Infinity;
    for (let path = 0; path < this.#paths; path++) {
      if (this.#rank[path]! < 0 || (home === NEAR ? this.#far[path] === 1 : path !== home - 1)) continue;
      const aheadUs = this.#freeUs[path]! - nowUs;
      const queueUs = aheadUs > 0 ? aheadUs : 0;
      if (this.#isStarting[path] === 1) standingUs = 0;
      else if (queueUs < standingUs) standingUs = queueUs;
      const limitUs = this.#queueUs[path]! * patience;
      if (queueUs >= (this.#isStarting[path] === 1 ? START_QUEUE_US : burst * limitUs)) continue;
      const atUs = queueUs + length * this.#usPerByte[path]! + this.#owdUs[path]! +
        this.#bulkPenaltyUs[path]! +
        (queueUs >= limitUs ? FULL_US : 0);
      if (atUs < bestUs) {
        best = path;
        bestUs = atUs;
      }
    }
    // While one path has room the queues of the others only make their packets arrive in order: that is no
    // congestion.
    const isSignal = this.#codels[home]!.isDue(
      standingUs,
      hasCall ? CALL_TARGET_US : TARGET_US,
      nowUs,
      !isModest || speaksEcn,
    );
    if (home === NEAR && standingUs > CROWDED_QUEUE_US) this.#crowdedUs = nowUs;
    if (best === DROPPED) return DROPPED;
    if (isSignal) {
      this.signalled++;
      this.isMarked = speaksEcn;
      if (!speaksEcn) return DROPPED;
    }
    if (home === NEAR) {
      this.#newNearPaths |= 1 << best;
      this.paths = this.#nearPaths |= 1 << best;
    } else {
      this.stream |= FAR_STREAM;
      this.paths = 1 << best;
    }
    return best;
  }

  #chooseUrgent(length: number, kind: Kind, flowRate: number, nowUs: number): number {
    const best = this.#soonest(DROPPED, kind === REAL_TIME ? this.#urgentPath : DROPPED, length, nowUs);
    if (best === DROPPED) return DROPPED;
    let used = 1 << best;
    if (kind === REAL_TIME) {
      this.#urgentPath = best;
      this.#realTimeUs = nowUs;
      if (flowRate <= SMALL_BITS_PER_SECOND) this.duplicate = this.#soonest(best, DROPPED, length, nowUs);
      if (this.duplicate !== DROPPED) used |= 1 << this.duplicate;
    }
    this.#newUrgentPaths |= used;
    this.paths = this.#urgentPaths |= used;
    return best;
  }

  /**
   * The path where a packet arrives first.
   * @param except is left out
   * @param usual is kept unless another is clearly sooner
   */
  #soonest(except: number, usual: number, length: number, nowUs: number): number {
    let best = DROPPED, bestUs = Infinity;
    for (let path = 0; path < this.#paths; path++) {
      if (this.#rank[path]! < 0 || path === except) continue;
      const aheadUs = this.#freeUs[path]! - nowUs;
      if (aheadUs > URGENT_QUEUE_US) continue;
      const atUs = (aheadUs > 0 ? aheadUs : 0) + length * this.#usPerByte[path]! + this.#owdUs[path]! +
        this.#penaltyUs[path]! - (path === usual ? STICKY_US : 0);
      if (atUs < bestUs) {
        best = path;
        bestUs = atUs;
      }
    }
    return best;
  }
}
