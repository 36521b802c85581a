// Whether the peer itself is there, told from what connections and probes over all links say. Pure.
import type { PeerFact, Phrase } from "@otb/plugin";
import { words } from "./texts/mod.ts";

/** No link has heard of it for this long, in spite of asking: it is gone. */
const GONE_AFTER_MS = 5_000;
/** It must have answered this long without a miss to be believed again. */
const BACK_AFTER_MS = 3_000;

/** How the last question ended: the peer's port answered, something there refused it, or nothing came. */
export type Answer = "answered" | "refused" | "silent";

/** The peer as seen over all links together. */
export class PeerReach {
  #state: PeerFact["state"] = "unknown";
  #missingSinceMs: number | undefined;
  #answeringSinceMs: number | undefined;
  #last: Answer = "silent";
  /** What others had answered when it was last heard. */
  #answersBefore: number | undefined;
  #isDoubted = false;

  /** Something is amiss, so that asking more often pays. */
  get doubtful(): boolean {
    return this.#state !== "up" || this.#missingSinceMs !== undefined || this.#isDoubted;
  }

  heard(answer: Answer, nowMs: number): void {
    this.#last = answer;
    if (answer === "answered") {
      this.#answeringSinceMs ??= nowMs;
      this.#missingSinceMs = this.#answersBefore = undefined;
    } else {
      this.#missingSinceMs ??= nowMs;
      this.#answeringSinceMs = undefined;
    }
  }

  /**
   * What to say of it now.
   * @param answers how often others on the Internet have answered while it was silent (LinkHealthFact); undefined: nobody asks them
   */
  state(nowMs: number, answers?: number): Pick<PeerFact, "state"> & { why?: Phrase } {
    const missing = this.#missingSinceMs !== undefined && nowMs - this.#missingSinceMs >= GONE_AFTER_MS;
    this.#answersBefore = answers === undefined
      ? undefined
      : Math.min(this.#answersBefore ?? answers, answers);
    this.#isDoubted = answers !== undefined && answers > this.#answersBefore!;
    // Where no link reaches anybody, nothing is known of it, and there is nowhere else to go.
    const isLinks = answers !== undefined && !this.#isDoubted && this.#last === "silent";
    // The first answer of a start is believed at once: there is nothing to come back from.
    const wait = this.#state === "down" ? BACK_AFTER_MS : 0;
    const back = this.#answeringSinceMs !== undefined && nowMs - this.#answeringSinceMs >= wait;
    const gone = isLinks && this.#state !== "down" ? "unknown" : "down";
    const next = missing ? gone : back ? "up" : this.#state;
    this.#state = next;
    if (next === "unknown" && missing) return { state: next, why: words.phrase("nobody-reached") };
    if (next !== "down") return { state: next };
    // It carries again, though it is not trusted yet: nobody must end what is carried.
    if (this.#answeringSinceMs !== undefined) return { state: "unknown", why: words.phrase("answers-again") };
    return { state: next, why: words.phrase(this.#last === "refused" ? "nothing-listens" : "not-reached") };
  }
}
