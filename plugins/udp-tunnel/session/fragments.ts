// Packets that are too large for their path travel as two fragments, and are put together here. That is rare: the TUN
// device's MTU follows the paths, but IPv6 wants at least 1280, and a path may be narrower than it was a moment ago.

import type { Room } from "../schedule/reorder.ts";

/** Fragments that wait for the other one of their packet, and for how long. */
const MOST = 64, WAIT_US = 500_000;

interface Fragment {
  slot: number;
  length: number;
  content: number;
  atUs: number;
}

/** Waiting fragments of one session, by stream and order. */
export class Fragments {
  readonly #waiting = new Map<number, Fragment>();

  /** @param room what all sessions may hold together */
  constructor(private readonly room: Pick<Room, "held" | "share">) {}

  /**
   * A fragment came.
   * @returns the slot and length of the other one when both are here; undefined: `slot` is kept. What gives way is told to `free`.
   */
  take(
    stream: number,
    order: number,
    fragment: Fragment,
    free: (slot: number) => void,
  ): Fragment | undefined {
    const key = stream * 65_536 + order;
    const other = this.#waiting.get(key);
    // Numbers come again after 65,536: an old fragment is another packet's.
    if (other && other.content !== fragment.content && fragment.atUs - other.atUs < WAIT_US) {
      this.#forget(key);
      return other;
    }
    if (other) {
      free(other.slot);
      this.#forget(key);
    }
    this.#waiting.set(key, fragment);
    this.room.held++;
    this.#drop(fragment.atUs, free);
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
