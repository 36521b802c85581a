// One question to the peer over one link: a connection, its words, and what comes back.
import { type Native, PollEvents } from "../../../../core/native/ffi.ts";
import { randomBytes } from "../../wire/random.ts";
import type { Reactor } from "../../relay/reactor.ts";
import type { Connector, Greeted } from "./connect.ts";
import type { Way } from "../transport.ts";
import { helloOf, TOKEN_BYTES } from "./hello.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const ANSWER_MS = 5_000;

/** What is needed of the rest of the proxy. */
export interface QuestionSettings {
  native: Native;
  reactor: Reactor;
}

export class Questions {
  readonly #open = new Set<() => void>();

  constructor(private readonly settings: QuestionSettings, private readonly connector: Connector) {}

  /** @param done gets the first words that come back, none where it ended without; nothing where the link or the peer is silent */
  ask(way: Way, kind: number, done: (answer?: Bytes) => void): void {
    const words = helloOf(kind, randomBytes(this.settings.native, TOKEN_BYTES));
    this.connector.connect(way, 0, words, (greeted) => greeted ? this.#listen(greeted, done) : done());
  }

  close(): void {
    for (const end of this.#open) end();
  }

  #listen(greeted: Greeted, done: (answer?: Bytes) => void): void {
    const { native, reactor } = this.settings;
    const { sealed, codec } = greeted;
    const end = (answer?: Bytes) => {
      clearTimeout(timer);
      this.#open.delete(giveUp);
      this.connector.drop(greeted);
      done(answer);
    };
    const giveUp = () => end();
    this.#open.add(giveUp);
    const timer = setTimeout(giveUp, ANSWER_MS);
    reactor.watch(sealed.fd, sealed.tag, PollEvents.in);
    reactor.handle(sealed.tag, () => {
      const input = new Uint8Array(4_096), output = new Uint8Array(8_192);
      const length = native.read(sealed.fd, input, 0, input.length);
      const opened = length > 0 ? codec.open(input, length, output) : -1;
      // An older one answers with no bytes, and then resets.
      if (opened !== 0) end(output.subarray(0, Math.max(0, opened)));
    });
  }
}
