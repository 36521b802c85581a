// What the two ends of a striped stream say to each other inside their sealed connections (WIRE.md). Pure.

type Bytes = Uint8Array<ArrayBuffer>;

/** Type, flags, u16le, u64le. */
export const HEAD_BYTES = 12;
/** So that a chunk with its head is one frame of SIP022. */
export const MAX_CHUNK_BYTES = 0xffff - HEAD_BYTES;
/** A window is told in these. */
export const WINDOW_UNIT = 4_096;
/** Bytes of the stream from an offset; everything before an offset has come; there are no bytes behind an offset; all is off. */
export const DATA = 1, ACK = 2, END = 3, RESET = 4;
/** Flags of ACK: the end has come too. */
export const ALL_CAME = 1;

const HIGH = 2 ** 32;

/** Writes a head; `size` is the length of what follows DATA, and the window of an ACK in WINDOW_UNITs. */
export function writeHead(
  out: Bytes,
  at: number,
  type: number,
  flags: number,
  size: number,
  offset: number,
): void {
  out[at] = type;
  out[at + 1] = flags;
  out[at + 2] = size & 255;
  out[at + 3] = size >> 8;
  let low = offset % HIGH, high = (offset - low) / HIGH;
  for (let index = 0; index < 4; index++) {
    out[at + 4 + index] = low & 255;
    out[at + 8 + index] = high & 255;
    low >>>= 8;
    high >>>= 8;
  }
}

/** What the peer says to who asks whether it knows striped streams: an ACK of nothing. */
export function isAnswer(bytes: Bytes): boolean {
  return bytes.length === HEAD_BYTES && bytes[0] === ACK && bytes.every((byte, at) => at === 0 || byte === 0);
}

/** The first bytes of a stream, where frames begin with them. */
export function firstBytes(frames: Bytes): Bytes {
  const isFirst = frames.length > HEAD_BYTES && frames[0] === DATA &&
    frames.subarray(4, HEAD_BYTES).every((byte) => byte === 0);
  return isFirst
    ? frames.subarray(HEAD_BYTES, HEAD_BYTES + frames[2]! + frames[3]! * 256)
    : frames.subarray(0, 0);
}

/** Takes what is read. */
export interface Sink {
  /** A piece of a chunk: `length` bytes at `at`, which belong at `offset` of the stream. */
  data(offset: number, bytes: Bytes, at: number, length: number): void;
  ack(offset: number, window: number, allCame: boolean): void;
  end(offset: number): void;
  reset(): void;
}

/** Reads frames from pieces of any size. */
export class FrameReader {
  /** The beginning of a head whose rest has not come. */
  #head: Bytes | undefined;
  #have = 0;
  /** Of the chunk that is being read: where its next byte belongs, and how many are missing. */
  #offset = 0;
  #missing = 0;

  /** False when that is no frame: nothing more is to be read. */
  take(bytes: Bytes, from: number, to: number, sink: Sink): boolean {
    let at = from;
    while (at < to) {
      if (this.#missing > 0) {
        const length = Math.min(this.#missing, to - at);
        const offset = this.#offset;
        this.#offset += length;
        this.#missing -= length;
        sink.data(offset, bytes, at, length);
        at += length;
      } else if (!this.#head && to - at >= HEAD_BYTES) {
        if (!this.#take(bytes, at, sink)) return false;
        at += HEAD_BYTES;
      } else {
        const head = this.#head ??= new Uint8Array(HEAD_BYTES);
        while (this.#have < HEAD_BYTES && at < to) head[this.#have++] = bytes[at++]!;
        if (this.#have < HEAD_BYTES) return true;
        this.#have = 0;
        this.#head = undefined;
        if (!this.#take(head, 0, sink)) return false;
      }
    }
    return true;
  }

  /** Takes a whole head; false when it is none. */
  #take(bytes: Bytes, at: number, sink: Sink): boolean {
    const type = bytes[at], flags = bytes[at + 1]!;
    const size = bytes[at + 2]! + bytes[at + 3]! * 256;
    const offset = u32(bytes, at + 4) + u32(bytes, at + 8) * HIGH;
    if (!Number.isSafeInteger(offset + size * WINDOW_UNIT)) return false;
    if (type === DATA) {
      if (flags !== 0 || size === 0 || size > MAX_CHUNK_BYTES) return false;
      this.#offset = offset;
      this.#missing = size;
    } else if (type === ACK) {
      if (flags > ALL_CAME) return false;
      sink.ack(offset, size * WINDOW_UNIT, flags === ALL_CAME);
    } else if (type === END) {
      if (flags !== 0 || size !== 0) return false;
      sink.end(offset);
    } else if (type === RESET) {
      if (flags !== 0 || size !== 0 || offset !== 0) return false;
      sink.reset();
    } else return false;
    return true;
  }
}

function u32(bytes: Bytes, at: number): number {
  return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24) >>> 0;
}
