// Finds out whether the peer knows striped streams. It is asked, as an older peer or a plain Shadowsocks server would only
// refuse the name.
import type { Way } from "../transport.ts";
import { isAnswer } from "./frames.ts";
import { ASK } from "./hello.ts";
import type { Questions } from "./question.ts";

const LOOK_MS = 500;
/** It is asked again after these times, each twice the one before: when it said no, and when it said nothing. */
const NO_FIRST_MS = 5_000, NO_LAST_MS = 300_000, SILENT_FIRST_MS = 1_000, SILENT_LAST_MS = 15_000;

export class PeerSupport {
  /** Undefined while it has not answered. */
  knows: boolean | undefined;
  #isAsking = false;
  #nextMs = -Infinity;
  #waitMs = 0;
  readonly #timer: ReturnType<typeof setInterval>;

  /** @param ways links over which it can be asked, the best first; none: nobody wants to know */
  constructor(
    private readonly questions: Questions,
    private readonly ways: () => readonly Way[],
  ) {
    this.#timer = setInterval(() => this.look(), LOOK_MS);
  }

  /** It may have changed: a stream ended without an answer. */
  doubt(): void {
    this.knows = undefined;
    this.#nextMs = -Infinity;
    this.look();
  }

  look(): void {
    if (this.knows || this.#isAsking || performance.now() < this.#nextMs) return;
    const [way] = this.ways();
    if (!way) return;
    this.#isAsking = true;
    this.questions.ask(way, ASK, (answer) => this.#heard(answer && isAnswer(answer)));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #heard(knows: boolean | undefined): void {
    this.#isAsking = false;
    if (knows !== undefined || this.knows === undefined) this.knows = knows;
    const [first, last] = knows === false ? [NO_FIRST_MS, NO_LAST_MS] : [SILENT_FIRST_MS, SILENT_LAST_MS];
    this.#waitMs = Math.min(last, Math.max(first, 2 * this.#waitMs));
    if (knows) this.#waitMs = 0;
    this.#nextMs = performance.now() + this.#waitMs;
  }
}
