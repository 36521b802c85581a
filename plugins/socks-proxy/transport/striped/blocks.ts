// Memory for chunks under way: blocks that are used again, since most have one size and live for a round trip.
type Bytes = Uint8Array<ArrayBuffer>;

const BLOCK_BYTES = 65_536;
/** Chunks up to this get memory of their own size. */
const SMALL_BYTES = 16_384;
/** Blocks kept for the next. */
const KEPT = 256;

/** Counts what all streams hold. */
export class Blocks {
  #free: ArrayBuffer[] = [];
  /** Bytes in use. */
  used = 0;

  /** A copy of `length` bytes at `at`. */
  copy(bytes: Bytes, at: number, length: number): Bytes {
    this.used += length;
    const copied = length <= SMALL_BYTES
      ? new Uint8Array(length)
      : new Uint8Array(this.#free.pop() ?? new ArrayBuffer(BLOCK_BYTES), 0, length);
    copied.set(bytes.subarray(at, at + length));
    return copied;
  }

  give(bytes: Bytes): void {
    this.used -= bytes.length;
    if (bytes.buffer.byteLength === BLOCK_BYTES && this.#free.length < KEPT) this.#free.push(bytes.buffer);
  }
}
