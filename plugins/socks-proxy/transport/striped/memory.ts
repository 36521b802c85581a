// What striped streams may hold: enough for the slowest link of each while few do, ever less as they are many. Pure.

import { readBuffer } from "../../../../core/native/ffi.ts";
import { HEAD_BYTES } from "./frames.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const MIB = 2 ** 20;

/** What may wait to be put in order: a stream has its wish, then this little, then next to nothing. */
const HELD_PLENTY = 32 * MIB, HELD_ENOUGH = 64 * MIB, HELD_MOST = 128 * MIB;
/** What may be kept until it is confirmed, likewise. */
const KEPT_PLENTY = 48 * MIB, KEPT_ENOUGH = 96 * MIB;
/** What a stream has in the beginning, and what it always has. */
export const LITTLE = 128 * 1024, LEAST = 16 * 1024;

/** What waits to be put in order, of one box or, without `all`, of everybody. */
export class Held {
  bytes = 0;
  /** Boxes with something here. */
  #sharers = 0;

  constructor(private readonly all?: Held) {}

  add(bytes: number): void {
    const before = this.bytes;
    this.bytes += bytes;
    if (!this.all) return;
    this.all.#sharers += Number(this.bytes > 0) - Number(before > 0);
    this.all.add(bytes);
  }

  /** How far ahead a stream may be sent that wants so much. */
  window(wanted: number): number {
    const { bytes } = this.all ?? this;
    return bytes < HELD_PLENTY ? wanted : bytes < HELD_ENOUGH ? LITTLE : LEAST;
  }

  /** Whether a stream may go on that holds `own`: beyond the bound those end that hold much, of boxes that hold more than their share. */
  hasRoom(own: number): boolean {
    const { all } = this;
    if ((all ?? this).bytes <= HELD_MOST || own <= LEAST) return true;
    return all !== undefined && this.bytes < HELD_MOST / all.#sharers;
  }
}

/** A whole chunk behind its head. */
const BLOCK_BYTES = 65_536;
/** Chunks up to this get memory of their own size. */
const SMALL_BYTES = 16_384;
/** Blocks kept for the next. */
const SPARE = 256;

/**
 * Chunks under way, each behind the place of its head, so that it is sealed from where it was read to. Blocks are used again, since
 * most have one size and live for a round trip.
 */
export class Blocks {
  #spare: Bytes[] = [];
  /** Bytes in use. */
  used = 0;

  /** How much more a stream may keep that keeps so much already. */
  room(own: number): number {
    return this.used < KEPT_PLENTY ? Infinity : (this.used < KEPT_ENOUGH ? LITTLE : LEAST) - own;
  }

  /** A block to read a chunk into, for `keep` or, if nothing came, for `spare`. */
  take(): Bytes {
    return this.#spare.pop() ?? readBuffer(BLOCK_BYTES);
  }

  /** What a taken block holds, head and `length` bytes, to be given back with that length. */
  keep(block: Bytes, length: number): Bytes {
    this.used += length;
    if (length > SMALL_BYTES) return block;
    const own = block.slice(0, HEAD_BYTES + length);
    this.spare(block);
    return own;
  }

  give(block: Bytes, length: number): void {
    this.used -= length;
    this.spare(block);
  }

  /** A block that holds nothing. */
  spare(block: Bytes): void {
    if (block.length === BLOCK_BYTES && this.#spare.length < SPARE) this.#spare.push(block);
  }
}
