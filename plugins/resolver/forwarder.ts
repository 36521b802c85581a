// The box's end: which ways a question may take now, and what is told of how they answer.
import type { ResolverFact } from "../../core/plugin.ts";
import { DOUBTED_AFTER, race } from "./race.ts";
import { connector, parseUpstream, type Proxy } from "./upstream.ts";
import { Way } from "./way.ts";
import { failure, type Query, Rcode } from "./wire.ts";

/** The name of the first way. */
export const PEER = "peer";

/** What decides on ways. */
export interface Situation {
  /** Where the proxy is; undefined while it is not there. */
  proxy(): Proxy | undefined;
  /** The peer is gone, and what devices send may leave past it. */
  direct(): boolean;
}

/** Counters and state, for people. */
export interface Account {
  state: ResolverFact["state"];
  asked: number;
  failed: number;
  answeredBy: { [way: string]: number };
}

/** Answers queries by ways in order: the peer's resolver first. */
export class Forwarder {
  readonly account: Account = { state: "unknown", asked: 0, failed: 0, answeredBy: {} };
  readonly #through: Way[];
  readonly #straight: Way[];
  readonly #stop = new AbortController();

  constructor(peerPort: number, secondWay: string[], private readonly situation: Situation) {
    const second = secondWay.map((text) => ({ text, upstream: parseUpstream(text)! }));
    const proxy = () => situation.proxy();
    this.#through = [
      new Way(PEER, connector({ address: "127.0.0.1", port: peerPort }, proxy)),
      ...second.map(({ text, upstream }) => new Way(text, connector(upstream, proxy))),
    ];
    this.#straight = second.map(({ text, upstream }) =>
      new Way(`${text} directly`, connector(upstream, proxy, true))
    );
  }

  /** Why the peer's resolver does not answer. */
  get lastError(): string {
    return this.#through[0]!.lastError;
  }

  /** The answer; SERVFAIL when there is none. */
  async ask(query: Query): Promise<Uint8Array<ArrayBuffer>> {
    const { account, situation } = this;
    account.asked++;
    const ways = situation.direct() ? this.#straight : this.#through;
    const { response, way } = await race(query, ways, this.#stop.signal);
    if (!response || !way) {
      account.failed++;
      // A poor answer is one: somebody is there.
      if (!response) account.state = "down";
      return response ?? failure(query, Rcode.serverFailure);
    }
    account.answeredBy[way.name] = (account.answeredBy[way.name] ?? 0) + 1;
    const healthy = way.name === PEER || ways === this.#through && ways[0]!.missed < DOUBTED_AFTER;
    account.state = healthy ? "up" : "degraded";
    return response;
  }

  close(): void {
    this.#stop.abort();
    for (const way of [...this.#through, ...this.#straight]) way.close();
  }
}
