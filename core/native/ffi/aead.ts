// Streams under AEAD (SIP022, SIP004).
import { OtbError } from "../../contract/mod.ts";
import { isOutside } from "./checks.ts";
import { Errno } from "./errors.ts";
import type { Bytes, Symbols } from "./symbols.ts";

/** `2022-blake3-aes-256-gcm` (SIP022) or `aes-256-gcm` (SIP004); both take a 32-byte key and a 32-byte salt. */
export type AeadMethod = "2022-blake3-aes-256-gcm" | "aes-256-gcm";

/** Bytes of a salt and of a tag. */
export const SALT_BYTES = 32, TAG_BYTES = 16;

/** Largest payload of one frame. */
export const MAX_FRAME_PAYLOAD: Record<AeadMethod, number> = {
  "2022-blake3-aes-256-gcm": 0xffff,
  "aes-256-gcm": 0x3fff,
};

/** Bytes that `sealFrames` writes for `length` bytes of payload. */
export function sealedLength(method: AeadMethod, length: number): number {
  return length + Math.ceil(length / MAX_FRAME_PAYLOAD[method]) * (2 + 2 * TAG_BYTES);
}

/** Room that `openFrames` may ask for with `length` bytes of input: the session may hold almost one frame back. */
export function openCapacity(length: number): number {
  return length + 0xffff + TAG_BYTES;
}

/**
 * One direction of one encrypted stream: a subkey and a counter that never repeats. Seal or open with it, never both.
 * About 700 bytes of native memory, and one partial frame while one is pending. `free` it (or `using`): it wipes the key.
 */
export class AeadSession {
  #symbols: Symbols;
  #pointer: Deno.PointerValue;

  constructor(symbols: Symbols, readonly method: AeadMethod, key: Bytes, salt: Bytes) {
    this.#symbols = symbols;
    const id = method === "2022-blake3-aes-256-gcm" ? 0 : 1;
    this.#pointer = symbols.otb_aead_new(id, key, key.byteLength, salt, salt.byteLength);
    if (this.#pointer === null) {
      throw new OtbError(
        "aead-key-length",
        `Cannot start an AEAD session as key and salt must have 32 bytes: current lengths are "${key.byteLength}" and "${salt.byteLength}"`,
      );
    }
  }

  /** One AEAD operation, for headers: writes `length + 16` bytes, and returns that or a negative errno. */
  sealOne(input: Bytes, offset: number, length: number, out: Bytes, outOffset: number): number {
    if (isOutside(input, offset, length) || isOutside(out, outOffset, length + TAG_BYTES)) {
      return -Errno.EINVAL;
    }
    return this.#symbols.otb_aead_seal_one(this.#pointer, input, offset, length, out, outOffset);
  }

  /** One AEAD operation on `length` bytes, tag included; returns `length - 16`, or -EBADMSG when forged. */
  openOne(input: Bytes, offset: number, length: number, out: Bytes, outOffset: number): number {
    if (isOutside(input, offset, length) || isOutside(out, outOffset, length - TAG_BYTES)) {
      return -Errno.EINVAL;
    }
    return this.#symbols.otb_aead_open_one(this.#pointer, input, offset, length, out, outOffset);
  }

  /**
   * Cuts the input into frames [u16 length, sealed][payload, sealed]; returns `sealedLength(method, length)`, or a
   * negative errno (-EOVERFLOW when the counter is spent). Input and output must not overlap.
   */
  sealFrames(input: Bytes, offset: number, length: number, out: Bytes, outOffset: number): number {
    if (isOutside(input, offset, length) || isOutside(out, outOffset, sealedLength(this.method, length))) {
      return -Errno.EINVAL;
    }
    return this.#symbols.otb_aead_seal_frames(this.#pointer, input, offset, length, out, outOffset);
  }

  /**
   * Takes all of the input, however it is cut, keeps an incomplete frame for the next call, and returns the bytes of
   * plaintext written (may be 0). -EBADMSG when forged, for this and every later call; -ENOBUFS, nothing consumed, when
   * `out` is too small (`openCapacity(length)` always suffices). Input and output must not overlap.
   */
  openFrames(input: Bytes, offset: number, length: number, out: Bytes, outOffset: number): number {
    if (isOutside(input, offset, length) || outOffset > out.byteLength) return -Errno.EINVAL;
    const room = out.byteLength - outOffset;
    return this.#symbols.otb_aead_open_frames(this.#pointer, input, offset, length, out, outOffset, room);
  }

  /** Writes a frame without payload, 34 bytes; returns that or a negative errno. */
  sealEmpty(out: Bytes, outOffset: number): number {
    const head = this.sealOne(EMPTY, 0, 2, out, outOffset);
    if (head < 0) return head;
    const body = this.sealOne(EMPTY, 0, 0, out, outOffset + head);
    return body < 0 ? body : head + body;
  }

  /** `openFrames` has met a frame without payload. */
  get metEmpty(): boolean {
    return this.#symbols.otb_aead_ended(this.#pointer) === 1;
  }

  /** Wipes the key and frees the memory; later calls return -EINVAL. */
  free(): void {
    this.#symbols.otb_aead_free(this.#pointer);
    this.#pointer = null;
  }

  [Symbol.dispose](): void {
    this.free();
  }
}

/** The length of a frame without payload. */
const EMPTY = new Uint8Array(2);
