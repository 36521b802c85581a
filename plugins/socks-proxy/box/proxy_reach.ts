// Judges whether the peer's proxy answers: by what connections to it meet, and by what the path manager says. Pure.
import type { PeerFact } from "@otb/plugin";

/** Nothing has reached the peer for this long, though it was tried: its proxy is out of order. */
const OUT_AFTER_MS = 3_000;
/** It has answered for this long without a miss: it works again. */
const BACK_AFTER_MS = 3_000;

/** What connections and questions over all links say of the peer's proxy. */
export class ProxyReach {
  #out = false;
  #missingSinceMs: number | undefined;
  #answeringSinceMs: number | undefined;

  /** Something is amiss, so that asking pays. */
  get doubtful(): boolean {
    return this.#out || this.#missingSinceMs !== undefined;
  }

  /** One connection or question to the peer's port has ended so. */
  heard(answered: boolean, nowMs: number): void {
    if (answered) {
      this.#answeringSinceMs ??= nowMs;
      this.#missingSinceMs = undefined;
    } else {
      this.#missingSinceMs ??= nowMs;
      this.#answeringSinceMs = undefined;
    }
  }

  /** @param reported what the path manager says of the peer */
  isOut(reported: PeerFact["state"] | undefined, nowMs: number): boolean {
    const past = (sinceMs: number | undefined, waitMs: number) =>
      sinceMs !== undefined && nowMs - sinceMs >= waitMs;
    if (reported === "down" || past(this.#missingSinceMs, OUT_AFTER_MS)) {
      // How it answered before does not count for its return.
      if (!this.#out) this.#answeringSinceMs = undefined;
      this.#out = true;
    } else if (past(this.#answeringSinceMs, BACK_AFTER_MS)) this.#out = false;
    return this.#out;
  }
}
