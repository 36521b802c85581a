// Packets that are too large for the path they take travel as two halves, and are put together here. Rare: the TUN device's MTU
// follows the paths, but IPv6 wants at least 1280, and a path may be narrower than it was a moment ago.

import type { Room } from "../schedule/reorder.ts";

/** Halves that wait for their other half, and for how long. */
const MOST = 64, WAIT_US = 500_000;

interface Half {
  slot: number;
  length: number;
  content: number;
  atUs: number;
}

/** Waiting halves of one session, by stream and order. */
export class Halves {
  readonly #waiting = new Map<number, Half>();

  /** @param room what all sessions may hold together */
  constructor(private readonly room: Pick<Room, "held" | "share">) {}

  /**
   * A half came.
   * @returns the other half's slot and length when both are here; undefined: `slot` is kept. What gives way is told to `free`.
   */
  take(
    stream: number,
    order: number,
    half: Half,
    free: (slot: number) => void,
  ): Half | undefined {
    const key = stream * 65_536 + order;
    const other = this.#waiting.get(key);
    // Numbers come again after 65,536: an old half is another packet's.
    if (other && other.content !== half.content && half.atUs - other.atUs < WAIT_US) {
      this.#forget(key);
      return other;
    }
    if (other) {
      free(other.slot);
      this.#forget(key);
    }
    this.#waiting.set(key, half);
    this.room.held++;
    this.#drop(half.atUs, free);
    return undefined;
  }

  /** Frees everything. */
  clear(free: (slot: number) => void): void {
    for (const [key, { slot }] of this.#waiting) {
      free(slot);
      this.#forget(key);
    }
  }

  #forget(key: number): void {
    if (this.#waiting.delete(key)) this.room.held--;
  }

  #drop(nowUs: number, free: (slot: number) => void): void {
    // The map keeps the order in which they came.
    for (const [key, { slot, atUs }] of this.#waiting) {
      if (this.#waiting.size <= Math.min(MOST, this.room.share) && nowUs - atUs < WAIT_US) break;
      this.#forget(key);
      free(slot);
    }
  }
}
