// Memory for packets: equal slots, each with room for the sealed header before the packet.

type Bytes = Uint8Array<ArrayBuffer>;

/** A slot; the sealed header begins in it at HEADER_AT, the IP packet right behind. */
export const STRIDE = 2048, HEADER_AT = 48, PACKET_AT = 64;

/** Slots as bytes and as the 32-bit words that headers are made of. */
export class Arena {
  readonly bytes: Bytes;
  readonly words: Uint32Array<ArrayBuffer>;

  constructor(readonly slots: number) {
    // Pages that were never touched cost nothing.
    this.bytes = new Uint8Array(slots * STRIDE);
    this.words = new Uint32Array(this.bytes.buffer);
  }
}

/** The free slots of an arena; what the library shall fill next stands ready in `ready`. */
export class Slots {
  /** The next free slots, in the order in which they are taken. */
  readonly ready: Int32Array<ArrayBuffer>;
  readyCount = 0;
  readonly #stack: Int32Array;
  #count: number;

  constructor(slots: number, ready: number) {
    this.ready = new Int32Array(ready);
    this.#stack = Int32Array.from({ length: slots }, (_, slot) => slots - 1 - slot);
    this.#count = slots;
    this.refill(0);
  }

  /** Takes the first `used` of the ready ones away and fills up. */
  refill(used: number): void {
    this.ready.copyWithin(0, used, this.readyCount);
    this.readyCount -= used;
    while (this.readyCount < this.ready.length && this.#count > 0) {
      this.ready[this.readyCount++] = this.#stack[--this.#count]!;
    }
  }

  free(slot: number): void {
    this.#stack[this.#count++] = slot;
  }
}
