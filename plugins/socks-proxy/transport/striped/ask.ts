// Whether the peer knows striped streams: it is asked, as an older one or a plain Shadowsocks server would only refuse the name.
import { type Native, PollEvents } from "../../../../core/native/ffi.ts";
import { randomBytes } from "../../random.ts";
import type { Reactor } from "../../reactor.ts";
import type { Connector, Greeted } from "./connect.ts";
import type { Way } from "../transport.ts";
import { isAnswer } from "./frames.ts";
import { ASK, helloOf, TOKEN_BYTES } from "./hello.ts";

const LOOK_MS = 500, ANSWER_MS = 5_000;
/** It is asked again after these times, each twice the one before: when it said no, and when it said nothing. */
const NO_FIRST_MS = 5_000, NO_LAST_MS = 300_000, SILENT_FIRST_MS = 1_000, SILENT_LAST_MS = 15_000;

export class Asking {
  /** Undefined while it has not answered. */
  knows: boolean | undefined;
  #isAsking = false;
  #nextMs = -Infinity;
  #waitMs = 0;
  readonly #timer: ReturnType<typeof setInterval>;
  #end: (() => void) | undefined;

  /** @param ways links over which it can be asked, the best first; none: nobody wants to know */
  constructor(
    private readonly settings: { native: Native; reactor: Reactor },
    private readonly connector: Connector,
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
    const words = helloOf(ASK, randomBytes(this.settings.native, TOKEN_BYTES));
    this.connector.connect(way, 0, words, (greeted) => {
      if (greeted) this.#listen(greeted);
      else this.#heard(undefined);
    });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#end?.();
  }

  #listen(greeted: Greeted): void {
    const { native, reactor } = this.settings;
    const { sealed, codec } = greeted;
    const end = (knows: boolean | undefined) => {
      clearTimeout(timer);
      this.#end = undefined;
      this.connector.drop(greeted);
      this.#heard(knows);
    };
    this.#end = () => end(undefined);
    const timer = setTimeout(this.#end, ANSWER_MS);
    reactor.watch(sealed.fd, sealed.tag, PollEvents.in);
    reactor.handle(sealed.tag, () => {
      const input = new Uint8Array(4_096), output = new Uint8Array(8_192);
      const length = native.read(sealed.fd, input, 0, input.length);
      const opened = length > 0 ? codec.open(input, length, output) : -1;
      // An older one answers with no bytes, and then resets.
      if (opened !== 0) end(opened > 0 && isAnswer(output.subarray(0, opened)));
    });
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
