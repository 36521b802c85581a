// What a connection over one link carries, from what the kernel tells of it, and when a chunk would arrive over it. Pure.

/** What is read of a connection (struct tcp_info, linux/tcp.h). */
export interface Reading {
  rttUs: number;
  minRttUs: number;
  /** Segments in flight. */
  unacked: number;
  mss: number;
  notSentBytes: number;
  bytesAcked: number;
  deliveryRateBytesPerSecond: number;
}

/** A rate is measured over so long, or two round trips. */
const WINDOW_MS = 200;
/** Before anything is known, bytes a second; and never less than that. */
const UNKNOWN_RATE = 250_000, LEAST_RATE = 12_500;
const UNKNOWN_RTT_MS = 100;
/** What a link carries in this time is a chunk, within these bounds. */
const CHUNK_MS = 20, LEAST_CHUNK = 4_096;
/** What was sent is overdue when word of it takes so much longer than it should, and not before this. */
const QUEUE_SLACK = 1.3, WAY_SLACK = 1.5, DUE_SLACK_MS = 60, LEAST_DUE_MS = 150;

/** One connection's figures. */
export class Gauge {
  /** Bytes a second that arrive while it is kept busy. */
  rate = UNKNOWN_RATE;
  rttMs = UNKNOWN_RTT_MS;
  minRttMs = UNKNOWN_RTT_MS;
  /** Given to the kernel and not confirmed. */
  queued = 0;
  #known = false;
  #fromMs = -Infinity;
  #fromAcked = 0;
  /** Something waited to be sent at every look of this window: what was confirmed is all that it carries. */
  #isBusy = false;

  /** @param nowMs of any clock that does not jump */
  read(reading: Reading, nowMs: number): void {
    if (reading.rttUs > 0) this.rttMs = reading.rttUs / 1000;
    if (reading.minRttUs > 0) this.minRttMs = reading.minRttUs / 1000;
    this.queued = reading.unacked * reading.mss + reading.notSentBytes;
    this.#isBusy &&= this.queued > 0;
    if (nowMs - this.#fromMs < Math.max(WINDOW_MS, 2 * this.minRttMs)) return;
    if (this.#fromMs > -Infinity) {
      const seen = (reading.bytesAcked - this.#fromAcked) * 1000 / (nowMs - this.#fromMs);
      // While it had less to do than it could, it says only what it carries at least.
      if (this.#isBusy && this.#known) this.rate = seen;
      else if (seen > this.rate || !this.#known && reading.deliveryRateBytesPerSecond > 0) {
        this.rate = Math.max(seen, this.#known ? 0 : reading.deliveryRateBytesPerSecond);
        this.#known = true;
      }
      this.rate = Math.max(LEAST_RATE, this.rate);
    }
    this.#fromMs = nowMs;
    this.#fromAcked = reading.bytesAcked;
    this.#isBusy = this.queued > 0;
  }

  /** Bytes were given to the kernel. */
  sent(bytes: number): void {
    this.queued += bytes;
  }

  /** How long `bytes` given to it now would take to arrive, milliseconds. */
  arrivalMs(bytes: number): number {
    // What fits on the way without waiting is no queue.
    const waiting = Math.max(0, this.queued - this.rate * this.minRttMs / 1000);
    return (waiting + bytes) * 1000 / this.rate + this.minRttMs / 2;
  }

  /** How long to wait for word of `bytes` given to it now, milliseconds. */
  dueMs(bytes: number): number {
    const queueMs = (this.queued + bytes) * 1000 / this.rate;
    return Math.max(LEAST_DUE_MS, QUEUE_SLACK * queueMs + WAY_SLACK * this.minRttMs + DUE_SLACK_MS);
  }

  /** How much to give it at once, bytes. */
  chunkBytes(most: number): number {
    return Math.floor(Math.min(most, Math.max(LEAST_CHUNK, this.rate * CHUNK_MS / 1000)));
  }
}
