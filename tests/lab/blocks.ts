// Reproducible bytes for transfers: one megabyte of noise, repeated, cheap enough for gigabits on one core.
import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";

/** Length of the repeated block. */
export const BLOCK_BYTES = 1 << 20;

/** The block itself, the same on both ends: xorshift32 from a fixed seed. */
export const BLOCK: Uint8Array<ArrayBuffer> = (() => {
  const words = new Uint32Array(BLOCK_BYTES / 4);
  let state = 0x2545f491;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer);
})();

const expected = Buffer.from(BLOCK.buffer);

/** Says whether a stream of bytes is the repeated block, whatever pieces it comes in. */
export class Checker {
  bytes = 0;
  ok = true;
  #hash: Hash = createHash("sha256");

  take(piece: Uint8Array): void {
    this.#hash.update(piece);
    for (let offset = 0; offset < piece.length;) {
      const at = this.bytes % BLOCK_BYTES;
      const length = Math.min(piece.length - offset, BLOCK_BYTES - at);
      if (expected.compare(piece, offset, offset + length, at, at + length) !== 0) this.ok = false;
      offset += length;
      this.bytes += length;
    }
  }

  sha256(): string {
    return this.#hash.digest("hex");
  }
}
