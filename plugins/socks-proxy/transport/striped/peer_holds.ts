// Follows which links the peer holds back for what it sends: the box asks about each link over that link.
import type { Way } from "../transport.ts";
import type { HeldLink } from "./guard.ts";
import { readHolds } from "./holds_message.ts";
import { ASK_HELD } from "./hello.ts";
import type { Questions } from "./question.ts";

/** So often it is asked while so much comes in between, or while any is held back; a peer that does not know the question, so seldom. */
const EVERY_MS = 10_000, MUCH_BYTES = 1_000_000, UNKNOWN_MS = 600_000;

export class PeerHolds {
  readonly #held = new Map<string, HeldLink>();
  readonly #timer: ReturnType<typeof setInterval>;
  #hadBytes = 0;
  #notBeforeMs = -Infinity;

  /**
   * @param ways links that carry; none while the peer is not known to take striped streams
   * @param received bytes so far
   */
  constructor(
    private readonly questions: Pick<Questions, "ask">,
    private readonly ways: () => readonly Way[],
    private readonly received: () => number,
    everyMs = EVERY_MS,
  ) {
    this.#timer = setInterval(() => this.#look(), everyMs);
  }

  get links(): HeldLink[] {
    return [...this.#held.values()];
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const ways = this.ways(), nowMs = performance.now();
    for (const link of this.#held.keys()) if (!ways.some((way) => way.link === link)) this.#held.delete(link);
    const fresh = this.received() - this.#hadBytes;
    this.#hadBytes += fresh;
    if (ways.length < 2 || nowMs < this.#notBeforeMs) return;
    if (fresh < MUCH_BYTES && this.#held.size === 0) return;
    for (const way of ways) {
      this.questions.ask(way, ASK_HELD, (answer) => answer && this.#heard(way.link, answer));
    }
  }

  #heard(link: string, answer: Uint8Array<ArrayBuffer>): void {
    const nowMs = performance.now(), proof = readHolds(answer, nowMs);
    if (proof) this.#held.set(link, { link, ...proof });
    else this.#held.delete(link);
    if (proof === false) this.#notBeforeMs = nowMs + UNKNOWN_MS;
  }
}
