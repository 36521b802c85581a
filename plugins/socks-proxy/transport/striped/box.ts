// The box's end of striped streams: opens them, once the peer is known to take them, and follows the links.
import type { Codec, Counters, Registered } from "../../relay/relay.ts";
import { randomBytes } from "../../wire/random.ts";
import { PeerSupport } from "./peer_support.ts";
import { Connector, type ConnectSettings } from "./connect.ts";
import { PeerHolds } from "./peer_holds.ts";
import type { Way } from "../transport.ts";
import { DATA, HEAD_BYTES, writeHead } from "./frames.ts";
import type { HeldLink } from "./guard.ts";
import { helloOf, OPEN, TOKEN_BYTES } from "./hello.ts";
import { BARE_MS, Host } from "./host.ts";
import type { CongestionWish } from "./line.ts";
import { Joining, QUIET_MS, type Ways } from "./joining.ts";
import { Questions } from "./question.ts";
import { Stripe } from "./stripe.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Once all is said, the peer has so long to say its last. */
const FAREWELL_MS = 5_000;
/** How often streams are looked through for those that need one link only, as a share of how long they were quiet. */
const REST_SHARE = 0.25;

/** What is needed of the rest of the proxy. */
export interface StripingSettings extends ConnectSettings {
  counters: Counters;
  /** Links that carry, the best first; none: streams are not to be striped. */
  ways(): Way[];
  /** Streams without any connection are kept so long. */
  bareMs?: number;
  /** Those that were not bulk for so long keep one. */
  quietMs?: number;
  /** Congestion control that a person wants. */
  congestion?: () => CongestionWish;
  /** How often the peer is asked which links it holds back. */
  askHeldMs?: number;
}

/** A stream before its first connection stands. */
export interface Opening {
  token: Bytes;
  target: Bytes;
  /** What the device has said already. */
  first: Bytes;
}

export class Striping {
  readonly #host: Host;
  readonly #connector: Connector;
  readonly #questions: Questions;
  readonly #support: PeerSupport;
  readonly #peerHolds: PeerHolds;
  readonly #streams = new Map<Stripe, Joining>();
  readonly #resting: ReturnType<typeof setInterval>;
  #ways: Ways = { all: [], has: () => true };

  constructor(private readonly settings: StripingSettings) {
    const { native, reactor, counters } = settings;
    this.#host = new Host(native, reactor, counters, FAREWELL_MS, settings.congestion);
    this.#connector = new Connector(settings);
    this.#questions = new Questions(settings, this.#connector);
    this.#support = new PeerSupport(this.#questions, () => this.#ways.all);
    this.#peerHolds = new PeerHolds(
      this.#questions,
      () => this.#support.knows ? this.#ways.all : [],
      () => counters.bytesToPlain,
      settings.askHeldMs,
    );
    this.waysChanged();
    const { quietMs = QUIET_MS } = settings;
    this.#resting = setInterval(() => {
      const nowMs = performance.now();
      for (const joining of this.#streams.values()) joining.rest(nowMs, this.#ways, quietMs);
    }, REST_SHARE * quietMs);
  }

  /** How new streams use several links. */
  get transport(): "mptcp" | "striped" | "unknown-to-peer" {
    if (this.#ways.all.length === 0) return "mptcp";
    const { knows } = this.#support;
    return knows ? "striped" : knows === false ? "unknown-to-peer" : "mptcp";
  }

  /** Connections that joined streams. */
  get joined(): number {
    return this.#connector.open;
  }

  /** Links that are held back for what is sent, and by the peer for what comes. */
  get heldLinks(): { up: HeldLink[]; down: HeldLink[] } {
    return { up: this.#host.heldLinks, down: this.#peerHolds.links };
  }

  close(): void {
    clearInterval(this.#resting);
    this.#support.close();
    this.#peerHolds.close();
    this.#questions.close();
    this.#host.close();
    this.#connector.close();
  }

  /** Links came or went: whom none carries any more gets another. */
  waysChanged(): void {
    const all = this.settings.ways();
    const before = this.#ways.all;
    const names = new Set<string | undefined>(all.map(({ link }) => link));
    this.#ways = { all, has: (link) => link === undefined || names.has(link) };
    const moved = new Set<string | undefined>(
      before.filter((old) => all.some((way) => way.link === old.link && isElsewhere(way, old)))
        .map(({ link }) => link),
    );
    this.#connector.keep((link) => names.has(link) && !moved.has(link));
    // Weights change all the time, and there may be thousands of streams.
    if (moved.size === 0 && before.length === all.length && before.every(({ link }) => names.has(link))) {
      return;
    }
    for (const stripe of this.#streams.keys()) {
      // Nothing comes to an address that is gone.
      for (const carrier of [...stripe.carriers]) if (moved.has(carrier.link)) stripe.lose(carrier);
      for (const carrier of stripe.carriers) carrier.isOut ||= !this.#ways.has(carrier.link);
      if (!stripe.carriers.every(({ link }) => this.#ways.has(link))) this.#host.lively(stripe);
    }
    this.#support.look();
  }

  opening(target: Bytes, first: Bytes): Opening {
    return { token: randomBytes(this.settings.native, TOKEN_BYTES), target, first };
  }

  /** The first words of a new stream, with what the device has said already. */
  words({ token, target, first }: Opening): Bytes {
    const words = helloOf(OPEN, token, target);
    if (first.length === 0) return words;
    const all = new Uint8Array(words.length + HEAD_BYTES + first.length);
    all.set(words);
    writeHead(all, words.length, DATA, 0, first.length, 0);
    all.set(first, words.length + HEAD_BYTES);
    return all;
  }

  /**
   * A stream whose first connection has said its words.
   * @param onEnd told once, with the side that broke it when it did not end in order
   */
  open(
    plain: Registered,
    { sealed, codec, link }: { sealed: Registered; codec: Codec; link: string | undefined },
    { token, target, first }: Opening,
    mark: number,
    onEnd: (broken: "plain" | "sealed" | undefined) => void,
  ): Stripe {
    const nowMs = performance.now(), { bareMs = BARE_MS } = this.settings;
    const stripe: Stripe = new Stripe(this.#host, plain, {
      isDevice: true,
      onEnd: (broken) => {
        this.#streams.delete(stripe);
        if (broken === "far" && !stripe.isAnswered) this.#support.doubt();
        onEnd(broken === "far" ? "sealed" : broken);
      },
      onBeat: (now) => {
        if (now - (stripe.bareSinceMs ?? now) > bareMs) stripe.abort();
        else joining.look(now, this.#ways);
      },
    });
    const joining = new Joining(this.#connector, stripe, token, target, mark, nowMs);
    this.#streams.set(stripe, joining);
    const carrier = stripe.attach(sealed, codec, link);
    if (first.length > 0) stripe.said(first, carrier);
    return stripe;
  }
}

/** The link has another address than before, here or as the Internet sees it. */
function isElsewhere(way: Way, old: Way): boolean {
  return way.source !== old.source ||
    way.publicAddress !== undefined && old.publicAddress !== undefined &&
      way.publicAddress !== old.publicAddress;
}
