// The sending half of a striped stream: what is under way, over which link, and what of it is overdue. Pure.

type Bytes = Uint8Array<ArrayBuffer>;

/** So many of the oldest chunks are looked at: what is behind them waits for them anyway. */
const LOOKED_AT = 64;

/** A part of the stream that was sent and is not confirmed. */
export interface Chunk<Way> {
  offset: number;
  length: number;
  /** Its memory: head and bytes. */
  block: Bytes;
  /** Over which it was sent last. */
  way: Way;
  /** When it should arrive, as was thought when it was sent. */
  arrivesMs: number;
  /** When it should have been confirmed. */
  dueMs: number;
  /** The same when its way says that it has come: it waits at the other end for what is before it. */
  doubtMs: number;
  /** Where it ends among all bytes of its way. */
  end: number;
}

/** When a chunk is expected. */
export type Expected = Pick<Chunk<unknown>, "arrivesMs" | "dueMs" | "doubtMs">;

/** Takes the memory of a chunk back. */
export type Free = (block: Bytes, length: number) => void;

/** What was sent and is not confirmed, in the order of the stream. */
export class Outbox<Way> {
  #chunks: Chunk<Way>[] = [];
  #first = 0;
  /** Where the next new byte belongs. */
  next = 0;
  /** Everything before has come. */
  acked = 0;

  get isEmpty(): boolean {
    return this.#first === this.#chunks.length;
  }

  /** Bytes under way. */
  get unacked(): number {
    return this.next - this.acked;
  }

  /** The stream goes on by the `length` bytes of a block, which it keeps; `end` of what it gives is set once it was sent. */
  add(block: Bytes, length: number, way: Way, { arrivesMs, dueMs, doubtMs }: Expected): Chunk<Way> {
    const chunk = { offset: this.next, length, block, way, arrivesMs, dueMs, doubtMs, end: Infinity };
    this.#chunks.push(chunk);
    this.next += length;
    return chunk;
  }

  /** Everything before `offset` has come. False: it was never sent. @param free gets the memory of what is confirmed */
  ack(offset: number, free: Free): boolean {
    if (offset > this.next) return false;
    if (offset <= this.acked) return true;
    this.acked = offset;
    for (;;) {
      const chunk = this.#chunks[this.#first];
      if (!chunk || chunk.offset + chunk.length > offset) break;
      free(chunk.block, chunk.length);
      this.#first++;
    }
    if (this.isEmpty) {
      // Who is idle keeps no room.
      this.#chunks = [];
      this.#first = 0;
    } else if (this.#first > 512) {
      this.#chunks.splice(0, this.#first);
      this.#first = 0;
    }
    return true;
  }

  /** The first of the oldest chunks that is wanted once more. */
  find(isWanted: (chunk: Chunk<Way>) => boolean): Chunk<Way> | undefined {
    const last = Math.min(this.#chunks.length, this.#first + LOOKED_AT);
    for (let index = this.#first; index < last; index++) {
      const chunk = this.#chunks[index]!;
      if (isWanted(chunk)) return chunk;
    }
    return undefined;
  }

  /** Nothing more comes over a way: what it had is overdue at once. */
  lost(way: Way): void {
    for (let index = this.#first; index < this.#chunks.length; index++) {
      const chunk = this.#chunks[index]!;
      if (chunk.way !== way) continue;
      chunk.dueMs = -Infinity;
      chunk.arrivesMs = Infinity;
      chunk.end = Infinity;
    }
  }

  /** A chunk goes out once more. */
  resent(chunk: Chunk<Way>, way: Way, { arrivesMs, dueMs, doubtMs }: Expected): void {
    chunk.way = way;
    chunk.arrivesMs = arrivesMs;
    chunk.dueMs = dueMs;
    chunk.doubtMs = doubtMs;
    chunk.end = Infinity;
  }

  /** Gives all memory back. */
  clear(free: Free): void {
    for (let index = this.#first; index < this.#chunks.length; index++) {
      const { block, length } = this.#chunks[index]!;
      free(block, length);
    }
    this.#chunks = [];
    this.#first = 0;
  }
}
