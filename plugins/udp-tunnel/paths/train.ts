// Measures how fast a path is that was never used: it sends a handful of packets at once, and looks how they came. Pure.

/** Packets of a train, and each one's size as an IP packet. */
export const TRAIN_PACKETS = 16, TRAIN_BYTES = 1200;
/** Closer together than this is as good as together. */
const LEAST_US = 50;
/** Rounds have eight bits: after such a silence nothing is older. */
const FORGOTTEN_US = 60_000_000;

/** The receiver's look at the newest train. */
export class SeenTrain {
  round = 0;
  kbps = 0;
  #firstUs = 0;
  #newestUs = -Infinity;
  #count = 0;

  /** A packet of a train came. */
  packet(round: number, nowUs: number): void {
    if (round !== this.round) {
      if ((round - this.round & 255) >= 128 && nowUs - this.#newestUs < FORGOTTEN_US) return;
      this.round = round;
      this.#newestUs = nowUs;
      this.kbps = this.#count = 0;
      this.#firstUs = nowUs;
    }
    this.#count++;
    // A few may be lost; fewer than half say nothing.
    if (this.#count <= TRAIN_PACKETS / 2) return;
    const spanUs = Math.max(LEAST_US, nowUs - this.#firstUs);
    this.kbps = Math.min(0xffff_ffff, Math.round((this.#count - 1) * TRAIN_BYTES * 8_000 / spanUs));
  }
}
