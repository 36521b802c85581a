// In which order packets leave at the far end: per stream by their number, with a short wait for what is still
// under way. Pure.
//
// It works on indexes of the caller's receive slots: `accept` takes one, `release` after each batch (and at
// `nextUs`) lets go of what waited long enough, and `ready[0..readyCount]` are the slots to deliver, in order, and
// then to use again.
import { BULK, kindOf, STREAMS } from "./classify.ts";
import { MAX_PATHS } from "./delivery.ts";

/** What became of a packet. */
export const READY = 0, HELD = 1, DUPLICATE = 2;

/** Numbers this far apart belong to different times: the stream starts anew. */
const WINDOW = 8192;
/** A wait is at most this long. */
export const WAIT_URGENT_US = 50_000, WAIT_BULK_US = 150_000;
/** Delays are remembered at their worst; that fades over so many packets. */
const FADE = 1024;
/**
 * What is waited for on top: mean deviations, and what a burst on the slowest path adds. Bulk may wait more,
 * because in a download the paths soon show what is lost, and a packet that is given up too early halves the rate
 * of its sender.
 */
const JITTERS = 4, MARGIN_US = 5_000, MARGIN_BULK_US = 30_000;
const AGE_UNIT_US = 10_000;

/** One may hold so many times what nobody holds: alone it gets four fifths, with others all the same, and some is always left. */
const SHARE = 4;

/** Slots in which packets of all sessions may wait for their order. */
export class Room {
  held = 0;

  constructor(private readonly holdable: number) {}

  /** What one session may hold now (dynamic thresholds, Choudhury and Hahne 1998). */
  get share(): number {
    return SHARE * (this.holdable - this.held);
  }
}

/** The reorder buffers of one receiver. */
export class Reorder {
  /** Slots that may leave, in this order; the caller sets `readyCount` to 0 when it has taken them. */
  readonly ready: Int32Array;
  readyCount = 0;
  /** When `release` has something to do next; Infinity when nothing is held. */
  nextUs = Infinity;
  /**
   * Since the start: packets that came twice, that came after they were given up, and numbers that were given up.
   */
  duplicates = 0;
  late = 0;
  lost = 0;

  readonly #expected = new Uint16Array(STREAMS);
  /** Which of the 64 numbers before the expected one came: bit 0 is the one just before. */
  readonly #seenLow = new Uint32Array(STREAMS);
  readonly #seenHigh = new Uint32Array(STREAMS);
  /** Held packets of a stream, and the lowest number among them. */
  readonly #held = new Uint16Array(STREAMS);
  readonly #head = new Uint16Array(STREAMS);
  /** Streams that hold something, in no order, and each one's place there. */
  readonly #waiting = new Uint16Array(STREAMS);
  readonly #place = new Uint16Array(STREAMS);
  #waitingCount = 0;
  #heldCount = 0;

  /** Held packets by stream and number: chains of slots. */
  readonly #chains: Int32Array;
  readonly #next: Int32Array;
  readonly #key: Uint32Array;
  readonly #global: Float64Array;
  readonly #paths: Uint8Array;
  readonly #untilUs: Float64Array;
  readonly #chainMask: number;

  /**
   * By path: whether it ever brought something, its newest number, its late packets' delay, its mean and
   * deviation.
   */
  readonly #isKnown = new Uint8Array(MAX_PATHS);
  /** Of bulk and of all else apart: on a full link urgent packets overtake. */
  readonly #newest = new Float64Array(2 * MAX_PATHS);
  /** The newest number of all: others are unrolled around it, as a path may be silent while the rest go round. */
  #newestOfAll = -1;
  readonly #worstUs = new Float64Array(MAX_PATHS);
  readonly #meanUs = new Float64Array(MAX_PATHS);
  readonly #jitterUs = new Float64Array(MAX_PATHS);

  /**
   * @param slots the caller's receive slots
   * @param room how many of them may wait here, which sessions share; the others stay free for receiving
   * @param waitBulkUs the longest wait for bulk
   */
  constructor(slots: number, private readonly room: Room, private readonly waitBulkUs = WAIT_BULK_US) {
    const chains = 2 ** Math.ceil(Math.log2(slots));
    this.ready = new Int32Array(slots);
    this.#chains = new Int32Array(chains).fill(-1);
    this.#next = new Int32Array(slots).fill(-1);
    this.#key = new Uint32Array(slots);
    this.#global = new Float64Array(slots);
    this.#paths = new Uint8Array(slots);
    this.#untilUs = new Float64Array(slots);
    this.#chainMask = chains - 1;
  }

  /**
   * Takes the packet in `slot`.
   * @param stream 0 to STREAMS - 1 @param order its number in the stream, 16 bits @param age as Delivery.age
   * @param global its number in the session, 32 bits @param path the index of its path @param paths as
   * Delivery.paths
   * @param delayUs its relative one-way delay
   * @returns READY, HELD, or DUPLICATE: then the slot is the caller's again
   */
  accept(
    slot: number,
    stream: number,
    order: number,
    age: number,
    global: number,
    path: number,
    paths: number,
    delayUs: number,
    nowUs: number,
  ): number {
    const isBulk = kindOf(stream) === BULK;
    const unrolled = this.heard(path, global, delayUs, isBulk);
    const ahead = order - this.#expected[stream]! << 16 >> 16;
    if (ahead === 0) {
      this.#deliver(slot, stream);
      if (this.#held[stream] !== 0) this.#follow(stream);
      return READY;
    }
    if (ahead < 0 && ahead > -WINDOW) return this.#late(slot, stream, -ahead - 1);
    if (ahead < 0 || ahead >= WINDOW) {
      while (this.#held[stream] !== 0) this.#giveUp(stream);
      this.#expected[stream] = order;
      this.#seenLow[stream] = this.#seenHigh[stream] = 0;
      this.#deliver(slot, stream);
      return READY;
    }
    const latestUs = this.#latestUs(paths) + (isBulk ? MARGIN_BULK_US : MARGIN_US);
    const waitUs = Math.min(
      isBulk ? this.waitBulkUs : WAIT_URGENT_US,
      latestUs - delayUs - age * AGE_UNIT_US,
    );
    if (this.#find(stream, order) >= 0) {
      this.duplicates++;
      return DUPLICATE;
    }
    this.#hold(slot, stream, order, unrolled, paths, nowUs + waitUs);
    if (this.#heldCount > this.room.share) this.#giveUp(stream);
    return HELD;
  }

  /**
   * Lets go of what waited long enough or whose gap was overtaken on every path; to be called after each batch.
   */
  release(nowUs: number): void {
    this.nextUs = Infinity;
    // Backwards, because a stream that has nothing left gives its place to the last one.
    for (let place = this.#waitingCount - 1; place >= 0; place--) {
      const stream = this.#waiting[place]!;
      while (this.#held[stream] !== 0) {
        const head = this.#find(stream, this.#head[stream]!);
        const untilUs = this.#untilUs[head]!;
        const isBulk = kindOf(stream) === BULK;
        if (untilUs > nowUs && !this.#isOvertaken(this.#global[head]!, this.#paths[head]!, isBulk)) {
          if (untilUs < this.nextUs) this.nextUs = untilUs;
          break;
        }
        this.#giveUp(stream);
      }
    }
  }

  /** Gives every held slot back; nothing may be accepted afterwards. */
  drain(free: (slot: number) => void): void {
    while (this.#waitingCount > 0) this.#giveUp(this.#waiting[0]!);
    for (let index = 0; index < this.readyCount; index++) free(this.ready[index]!);
    this.readyCount = 0;
    this.nextUs = Infinity;
  }

  /**
   * Takes note of anything that came over a path, probes included; `accept` does so itself.
   * @param isBulk false for what links may let overtake: it says nothing of bulk that left before
   * @returns the number unrolled, which never goes round
   */
  heard(path: number, number: number, delayUs: number, isBulk = false): number {
    const newest = this.#newestOfAll;
    const global = newest < 0 ? number + 2 ** 32 : newest + (number - newest | 0);
    if (global > newest) this.#newestOfAll = global;
    if (this.#isKnown[path] === 0) {
      this.#isKnown[path] = 1;
      this.#newest[path] = this.#newest[MAX_PATHS + path] = global;
      this.#worstUs[path] = this.#meanUs[path] = delayUs;
      return global;
    }
    const lane = isBulk ? MAX_PATHS + path : path;
    if (global > this.#newest[lane]!) this.#newest[lane] = global;
    const worstUs = this.#worstUs[path]!, errorUs = delayUs - this.#meanUs[path]!;
    this.#worstUs[path] = delayUs > worstUs ? delayUs : worstUs - (worstUs - delayUs) / FADE;
    this.#meanUs[path] = this.#meanUs[path]! + errorUs / 8;
    this.#jitterUs[path] = this.#jitterUs[path]! + (Math.abs(errorUs) - this.#jitterUs[path]!) / 16;
    return global;
  }

  /** The delay within which everything comes that was sent over these paths; unknown ones may take any time. */
  #latestUs(paths: number): number {
    let latestUs = -Infinity;
    for (let path = 0; paths !== 0; path++, paths >>= 1) {
      if ((paths & 1) === 0) continue;
      if (this.#isKnown[path] === 0) return Infinity;
      const untilUs = this.#worstUs[path]! + JITTERS * this.#jitterUs[path]!;
      if (untilUs > latestUs) latestUs = untilUs;
    }
    return latestUs;
  }

  /**
   * Paths keep the order of what they carry: nothing older than `global` comes any more once all have brought
   * something as new.
   */
  #isOvertaken(global: number, paths: number, isBulk: boolean): boolean {
    const lane = isBulk ? MAX_PATHS : 0;
    for (let path = 0; paths !== 0; path++, paths >>= 1) {
      if ((paths & 1) === 1 && (this.#isKnown[path] === 0 || this.#newest[lane + path]! < global)) {
        return false;
      }
    }
    return true;
  }

  /** Gives the numbers before the stream's first held packet up. */
  #giveUp(stream: number): void {
    const missing = this.#head[stream]! - this.#expected[stream]! & 0xffff;
    this.lost += missing;
    this.#expected[stream] = this.#head[stream]!;
    this.#shift(stream, missing);
    this.#follow(stream);
  }

  /** Delivers held packets as long as they follow, and finds the next lowest. */
  #follow(stream: number): void {
    while (this.#held[stream] !== 0 && this.#head[stream] === this.#expected[stream]) {
      const slot = this.#take(stream, this.#expected[stream]!);
      this.#deliver(slot, stream);
      if (this.#held[stream] === 0) return;
      let order = this.#expected[stream]!;
      while (this.#find(stream, order) < 0) order = order + 1 & 0xffff;
      this.#head[stream] = order;
    }
  }

  #deliver(slot: number, stream: number): void {
    this.ready[this.readyCount++] = slot;
    this.#expected[stream]!++;
    this.#seenHigh[stream] = this.#seenHigh[stream]! << 1 | this.#seenLow[stream]! >>> 31;
    this.#seenLow[stream] = this.#seenLow[stream]! << 1 | 1;
  }

  /** Moves the memory of what came past `count` numbers that did not. */
  #shift(stream: number, count: number): void {
    const low = this.#seenLow[stream]!, high = this.#seenHigh[stream]!;
    if (count >= 64) this.#seenHigh[stream] = this.#seenLow[stream] = 0;
    else if (count >= 32) {
      this.#seenHigh[stream] = low << count - 32;
      this.#seenLow[stream] = 0;
    } else if (count > 0) {
      this.#seenHigh[stream] = high << count | low >>> 32 - count;
      this.#seenLow[stream] = low << count;
    }
  }

  /** What comes behind its turn is delivered when it is new: later is better than never. */
  #late(slot: number, stream: number, back: number): number {
    // Only small real-time flows are sent twice; of what is too old to be remembered, theirs is a duplicate.
    const isNew = back >= 64
      ? kindOf(stream) === BULK
      : ((back < 32 ? this.#seenLow[stream]! >>> back : this.#seenHigh[stream]! >>> back - 32) & 1) === 0;
    if (!isNew) {
      this.duplicates++;
      return DUPLICATE;
    }
    if (back < 32) this.#seenLow[stream] = this.#seenLow[stream]! | 1 << back;
    else if (back < 64) this.#seenHigh[stream] = this.#seenHigh[stream]! | 1 << back - 32;
    this.late++;
    this.ready[this.readyCount++] = slot;
    return READY;
  }

  #hold(slot: number, stream: number, order: number, global: number, paths: number, untilUs: number): void {
    const key = stream << 16 | order;
    const chain = this.#chain(key);
    this.#key[slot] = key;
    this.#global[slot] = global;
    this.#paths[slot] = paths;
    this.#untilUs[slot] = untilUs;
    this.#next[slot] = this.#chains[chain]!;
    this.#chains[chain] = slot;
    this.#heldCount++;
    this.room.held++;
    const expected = this.#expected[stream]!;
    if (this.#held[stream] === 0) {
      this.#place[stream] = this.#waitingCount;
      this.#waiting[this.#waitingCount++] = stream;
      this.#head[stream] = order;
    } else if ((order - expected & 0xffff) < (this.#head[stream]! - expected & 0xffff)) {
      this.#head[stream] = order;
    }
    this.#held[stream]!++;
    if (untilUs < this.nextUs) this.nextUs = untilUs;
  }

  #chain(key: number): number {
    return Math.imul(key, 0x9e3779b1) >>> 8 & this.#chainMask;
  }

  /** The slot that holds the number, or -1. */
  #find(stream: number, order: number): number {
    const key = (stream << 16 | order) >>> 0;
    let slot = this.#chains[this.#chain(key)]!;
    while (slot >= 0 && this.#key[slot] !== key) slot = this.#next[slot]!;
    return slot;
  }

  /** Takes a held number out. */
  #take(stream: number, order: number): number {
    const slot = this.#find(stream, order);
    const chain = this.#chain(this.#key[slot]!);
    if (this.#chains[chain] === slot) this.#chains[chain] = this.#next[slot]!;
    else {
      let before = this.#chains[chain]!;
      while (this.#next[before] !== slot) before = this.#next[before]!;
      this.#next[before] = this.#next[slot]!;
    }
    this.#heldCount--;
    this.room.held--;
    if (--this.#held[stream]! === 0) {
      const last = this.#waiting[--this.#waitingCount]!;
      this.#waiting[this.#place[stream]!] = last;
      this.#place[last] = this.#place[stream]!;
    }
    return slot;
  }
}
