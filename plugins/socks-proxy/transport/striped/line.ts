// What is known of one link in one direction: whether it loses packets by itself, and so which congestion control carries most. Pure.
// A full queue loses packets too, but only where a queue stands; a radio loses them at any time.
import { Account } from "./guard.ts";

/** Losses are looked at together over so long. */
const WINDOW_MS = 200;
/** With a queue below this, milliseconds or share of the least round trip or of the longest queue, nothing is lost by being full. */
const EMPTY_MS = 8, EMPTY_SHARE = 0.15, EMPTY_SHARE_OF_LONGEST = 0.3;
/** The longest queue is forgotten so slowly, a window. */
const LONGEST_FADING = 0.995;
/** So many segments lost beside an empty queue are no chance. */
const PROOF = 2;
/** Nothing lost for so long: the line is good now. */
const GOOD_AFTER_MS = 60_000;
/** bbr that goes on losing this share fills a queue that is too short for it; in the beginning it does so to find the rate. */
const TOO_LOSSY = 0.1;
const LEAST_SEGMENTS = 1_000, LOOKED_AT_MS = 3_000;
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

/** What a person wants of all links; `auto`: what each needs. */
export type CongestionWish = "auto" | "cubic" | "bbr";

export class Line {
  readonly account = new Account();
  #found: "cubic" | "bbr" = "cubic";
  #fromMs = -Infinity;
  #maxQueueMs = 0;
  #minRttMs = 0;
  #longestQueueMs = 0;
  #segments = 0;
  #lost = 0;
  #score = 0;
  #lastLossMs = -Infinity;
  #restUntilMs = -Infinity;
  #rests = 0;
  #bbrSegments = 0;
  #bbrLost = 0;
  #bbrFromMs = 0;

  constructor(private readonly wish: () => CongestionWish = () => "auto") {}

  get congestion(): "cubic" | "bbr" {
    const wish = this.wish();
    return wish === "auto" ? this.#found : wish;
  }

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
    this.#longestQueueMs = Math.max(LONGEST_FADING * this.#longestQueueMs, this.#maxQueueMs);
    const isEmpty = this.#maxQueueMs <=
      Math.max(EMPTY_MS, EMPTY_SHARE * this.#minRttMs, EMPTY_SHARE_OF_LONGEST * this.#longestQueueMs);
    if (this.#lost > 0) this.#lastLossMs = nowMs;
    if (this.#found === "cubic") {
      if (this.#lost > 0) this.#score = isEmpty ? this.#score + this.#lost : Math.max(0, this.#score - 1);
      if (this.#score >= PROOF && nowMs >= this.#restUntilMs) this.#begin(nowMs);
      return;
    }
    if (nowMs < this.#bbrFromMs) return;
    this.#bbrSegments += this.#segments;
    this.#bbrLost += this.#lost;
    if (this.#bbrSegments >= LEAST_SEGMENTS && nowMs - this.#bbrFromMs >= LOOKED_AT_MS) {
      const isTooLossy = this.#bbrLost > TOO_LOSSY * this.#bbrSegments;
      this.#bbrSegments = this.#bbrLost = 0;
      this.#bbrFromMs = nowMs;
      if (isTooLossy) {
        this.#restUntilMs = nowMs + REST_MS * 2 ** this.#rests++;
        return this.#end();
      }
    }
    if (nowMs - this.#lastLossMs > GOOD_AFTER_MS) this.#end();
  }

  #begin(nowMs: number): void {
    this.#found = "bbr";
    this.#bbrFromMs = nowMs + LOOKED_AT_MS;
    this.#bbrSegments = this.#bbrLost = 0;
  }

  #end(): void {
    this.#found = "cubic";
    this.#score = 0;
  }
}
