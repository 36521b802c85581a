// Random bytes of the kernel in small portions: one call and one piece of memory for many salts.
import type { Native } from "../../core/native/ffi.ts";

const POOL_BYTES = 4_096;

/** Bytes fit for salts; none is given out twice. */
export class RandomPool {
  #pool = new Uint8Array(0);
  #used = 0;

  constructor(private readonly native: Native) {}

  /** A view that nobody else has. */
  take(length: number): Uint8Array<ArrayBuffer> {
    if (this.#used + length > this.#pool.length) {
      this.#pool = this.native.random(new Uint8Array(POOL_BYTES));
      this.#used = 0;
    }
    return this.#pool.subarray(this.#used, this.#used += length);
  }
}
