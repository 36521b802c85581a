// What is known of one link in one direction: whether it loses packets by itself, and so which congestion control carries most. Pure.
// A full queue loses packets too, but only where a queue stands; a radio loses them at any time.

/** Losses are looked at together over so long. */
const WINDOW_MS = 200;
/** With a queue below this, milliseconds or share of the least round trip, nothing is lost by being full. */
const EMPTY_MS = 8, EMPTY_SHARE = 0.15;
/** So many segments lost beside an empty queue are no chance. */
const PROOF = 2;
/** Nothing lost for so long: the line is good now. */
const GOOD_AFTER_MS = 60_000;
/** bbr that loses this share fills a queue that is too short for it. */
const TOO_LOSSY = 0.06;
const LEAST_SEGMENTS = 500;
/** After it was given up, it is not tried again for so long, twice as long each time. */
const REST_MS = 30_000;

/** One look at a connection over the link. */
export interface LineReading {
  rttMs: number;
  minRttMs: number;
  /** Since the last look. */
  segments: number;
  lost: number;
}

export class Line {
  congestion: "cubic" | "bbr" = "cubic";
  #fromMs = -Infinity;
  #maxQueueMs = 0;
  #minRttMs = 0;
  #segments = 0;
  #lost = 0;
  #score = 0;
  #lastLossMs = -Infinity;
  #restUntilMs = -Infinity;
  #rests = 0;
  #bbrSegments = 0;
  #bbrLost = 0;

  take({ rttMs, minRttMs, segments, lost }: LineReading, nowMs: number): void {
    this.#segments += segments;
    this.#lost += lost;
    this.#maxQueueMs = Math.max(this.#maxQueueMs, rttMs - minRttMs);
    this.#minRttMs = minRttMs;
    if (nowMs - this.#fromMs < WINDOW_MS) return;
    if (this.#fromMs > -Infinity) this.#judge(nowMs);
    this.#fromMs = nowMs;
    this.#segments = this.#lost = this.#maxQueueMs = 0;
  }

  #judge(nowMs: number): void {
    const isEmpty = this.#maxQueueMs <= Math.max(EMPTY_MS, EMPTY_SHARE * this.#minRttMs);
    if (this.#lost > 0) this.#lastLossMs = nowMs;
    if (this.congestion === "cubic") {
      if (this.#lost > 0) this.#score = isEmpty ? this.#score + this.#lost : Math.max(0, this.#score - 1);
      if (this.#score >= PROOF && nowMs >= this.#restUntilMs) this.#begin();
      return;
    }
    this.#bbrSegments += this.#segments;
    this.#bbrLost += this.#lost;
    if (this.#bbrSegments >= LEAST_SEGMENTS) {
      const isTooLossy = this.#bbrLost > TOO_LOSSY * this.#bbrSegments;
      this.#bbrSegments = this.#bbrLost = 0;
      if (isTooLossy) {
        this.#restUntilMs = nowMs + REST_MS * 2 ** this.#rests++;
        return this.#end();
      }
    }
    if (nowMs - this.#lastLossMs > GOOD_AFTER_MS) this.#end();
  }

  #begin(): void {
    this.congestion = "bbr";
    this.#bbrSegments = this.#bbrLost = 0;
  }

  #end(): void {
    this.congestion = "cubic";
    this.#score = 0;
  }
}
