// The box's end: which ways a question may take now, and what is told of how they answer.
import type { ResolverFact } from "@otb/plugin";
import type { Config } from "./config.ts";
import { DOUBTED_AFTER, race } from "./race.ts";
import { Rebinding } from "./rebinding.ts";
import { connector, parseUpstream, type Proxy } from "./upstream.ts";
import { Way } from "./way.ts";
import { failure, nameOf, type Query, Rcode } from "./wire.ts";

/** The name of the first way. */
export const PEER = "peer";

/** What decides on ways. */
export interface Situation {
  /** Where the proxy is; undefined while it is not there. */
  proxy(): Proxy | undefined;
  /** The peer is gone, and what devices send may leave past it. */
  direct(): boolean;
  /** This name led into the house; the name is hostile. */
  emptied?(name: string): void;
}

/** Counters, for people. */
export interface Account {
  asked: number;
  failed: number;
  /** Answers that led into the house, and were emptied. */
  rebinding: number;
  answeredBy: { [way: string]: number };
}

/** Answers queries by ways in order: the peer's resolver first. */
export class Forwarder {
  readonly account: Account = { asked: 0, failed: 0, rebinding: 0, answeredBy: {} };
  /** What no answer may lead to. */
  readonly rebinding: Rebinding;
  readonly #through: Way[];
  readonly #straight: Way[];
  readonly #stop = new AbortController();
  /** How the last question that anybody answered, or nobody, was answered. */
  #last: "peer" | "second" | "directly" | "nobody" | undefined;

  constructor(
    { port, secondWay, localDomains }: Pick<Config, "port" | "secondWay" | "localDomains">,
    private readonly situation: Situation,
  ) {
    this.rebinding = new Rebinding(localDomains);
    const second = secondWay.map((text) => ({ text, upstream: parseUpstream(text)! }));
    const proxy = () => situation.proxy();
    this.#through = [
      new Way(PEER, connector({ address: "127.0.0.1", port }, proxy)),
      ...second.map(({ text, upstream }) => new Way(text, connector(upstream, proxy))),
    ];
    this.#straight = second.map(({ text, upstream }) =>
      new Way(`${text} directly`, connector(upstream, proxy, true))
    );
  }

  get state(): ResolverFact["state"] {
    switch (this.#last) {
      case "nobody":
        return "down";
      case "directly":
        return "degraded";
      case "second":
        // One late answer is no reason to tell anybody.
        return this.#through[0]!.missed < DOUBTED_AFTER ? "up" : "degraded";
      case "peer":
        return "up";
      default:
        return "unknown";
    }
  }

  /** Why the peer's resolver does not answer. */
  get lastError(): string {
    return this.#through[0]!.lastError;
  }

  /** The answer; SERVFAIL when there is none. */
  async ask(query: Query): Promise<Uint8Array<ArrayBuffer>> {
    const { account, situation } = this;
    account.asked++;
    const straight = situation.direct();
    const { response, way } = await race(query, straight ? this.#straight : this.#through, this.#stop.signal);
    if (!response || !way) {
      account.failed++;
      // A poor answer is one: somebody is there.
      if (!response) this.#last = "nobody";
      return response ? this.#guarded(query, response) : failure(query, Rcode.serverFailure);
    }
    account.answeredBy[way.name] = (account.answeredBy[way.name] ?? 0) + 1;
    this.#last = straight ? "directly" : way.name === PEER ? "peer" : "second";
    return this.#guarded(query, response);
  }

  #guarded(query: Query, response: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const guarded = this.rebinding.guard(query, response);
    if (guarded !== response) {
      this.account.rebinding++;
      this.situation.emptied?.(nameOf(query));
    }
    return guarded;
  }

  close(): void {
    this.#stop.abort();
    for (const way of [...this.#through, ...this.#straight]) way.close();
  }
}
