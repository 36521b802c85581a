// Copies of a few bytes without a piece of memory each: making a typed array costs more than most connections do with it.
type Bytes = Uint8Array<ArrayBuffer>;

const CHUNK_BYTES = 16_384;
/** More than this gets memory of its own, so that one long life does not hold a whole chunk of others. */
const OWN_BYTES = 2_048;

/** Hands out views of shared chunks; a chunk goes with the last of its views. */
export class Arena {
  #chunk = new Uint8Array(0);
  #used = 0;

  /** A view of `length` zero bytes that nobody else has. */
  take(length: number): Bytes {
    if (length > OWN_BYTES) return new Uint8Array(length);
    if (this.#used + length > this.#chunk.length) {
      this.#chunk = new Uint8Array(CHUNK_BYTES);
      this.#used = 0;
    }
    return this.#chunk.subarray(this.#used, this.#used += length);
  }

  /** A copy of `bytes[from..to]`. */
  copy(bytes: Bytes, from: number, to: number): Bytes {
    const copied = this.take(to - from);
    copied.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
    return copied;
  }

  /** `before` and `more[0..length]` one behind the other. */
  join(before: Bytes, more: Bytes, length: number): Bytes {
    if (before.length === 0) return this.copy(more, 0, length);
    const joined = this.take(before.length + length);
    joined.set(before);
    joined.set(more.subarray(0, length), before.length);
    return joined;
  }
}

/** The one of this process. */
export const arena = new Arena();
