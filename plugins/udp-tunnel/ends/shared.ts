// What all sessions of this process use together: the library's receiver, memory, the table of flows.
import type { Native, TunnelReceiver } from "../../../core/native/ffi.ts";
import { Arena, PACKET_AT, Slots, STRIDE } from "./arena.ts";
import { Classifier } from "../schedule/classify.ts";
import { Room } from "../schedule/reorder.ts";

/** Packets that one read of the TUN device gives at most, and room behind them for copies. */
export const READ_SLOTS = 128, SPARE_SLOTS = 128;
/** Packets that may wait for their order, with all sessions together, and that stay free for receiving. */
const RECEIVE_SLOTS = 16_384, READY_SLOTS = 2_048;
/** What may be held of them: the rest stays free. */
const HOLDABLE_SLOTS = RECEIVE_SLOTS - 2 * READY_SLOTS;

/** One of each in a process. */
export class Shared {
  /** What comes from the TUN device; spare slots follow. */
  readonly out = new Arena(READ_SLOTS + SPARE_SLOTS);
  /** What comes from the far ends. */
  readonly in = new Arena(RECEIVE_SLOTS);
  readonly slots = new Slots(RECEIVE_SLOTS, READY_SLOTS);
  readonly room = new Room(HOLDABLE_SLOTS);
  /** Bytes of the IP packet in each slot of `in`. */
  readonly lengths = new Uint16Array(RECEIVE_SLOTS);
  readonly classifier: Classifier;
  readonly receiver: TunnelReceiver;
  /** Sends what all sessions have queued. */
  flush: () => void = () => {};
  #spares = 0;

  constructor(readonly native: Native) {
    this.classifier = new Classifier(native.randomUint32());
    this.receiver = native.tunnelReceiver();
  }

  /** Room for one more packet in the sending arena, until the next `release`: the offset where an IP packet may begin. */
  spare(): number {
    if (this.#spares === SPARE_SLOTS) this.flush();
    return (READ_SLOTS + this.#spares++) * STRIDE + PACKET_AT;
  }

  /** Everything that was queued is sent: spare slots are free again. */
  release(): void {
    this.#spares = 0;
  }
}
