// Makes sealed connections over one link each, with their first words, or takes those that wait; for everything but the first of a stream.
import { type Native, PollEvents } from "../../../../core/native/ffi.ts";
import type { Counted, Reactor } from "../../relay/reactor.ts";
import type { Codec, Registered } from "../../relay/relay.ts";
import type { Transport, Way } from "../transport.ts";
import { WarmPool } from "./warm_pool.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const CONNECT_MS = 5_000;
/** Connections under way at once: when a link goes, thousands of streams want another. */
const MOST_PENDING = 256;

/** A connection whose greeting is sent. */
export interface Greeted {
  sealed: Registered;
  codec: Codec;
  /** It had waited: where it breaks without an answer, that says little of the link. */
  hasWaited: boolean;
}

/** What is needed of the rest of the proxy. */
export interface ConnectSettings {
  native: Native;
  reactor: Reactor;
  transport: Transport;
  /** Starts a sealed connection on a connected socket with `words` as its first to the reserved name. */
  greet(fd: number, words: Bytes): Codec | undefined;
  /** Connections that this may have open now. */
  mostJoined(): number;
}

export class Connector implements Counted {
  /** Connections that were made here and are not closed. */
  open = 0;
  /** How to give up each. */
  readonly #pending = new Set<() => void>();
  readonly #pool: WarmPool;

  constructor(private readonly settings: ConnectSettings) {
    this.#pool = new WarmPool(settings, (way, done) => this.#dial(way, 0, done));
  }

  /** Who waits gets room later. */
  get isFull(): boolean {
    return this.#pending.size >= MOST_PENDING || this.open >= this.settings.mostJoined();
  }

  /** One was closed. */
  left(): void {
    this.open--;
  }

  /** @param done gets the connection, its caller's from then on, or nothing when the link did not connect in time */
  connect(way: Way, mark: number, words: Bytes, done: (greeted?: Greeted) => void): void {
    const greet = (hasWaited: boolean) => (sealed?: Registered) => {
      const codec = sealed && this.settings.greet(sealed.fd, words);
      if (sealed && !codec) this.#abort(sealed);
      done(sealed && codec && { sealed, codec, hasWaited });
    };
    // Those that wait have no mark.
    if (mark !== 0 || !this.#pool.take(way.link, greet(true))) this.#dial(way, mark, greet(false));
  }

  /** Streams are likely to want connections over these links soon. */
  want(ways: readonly Way[]): void {
    for (const way of ways) if (!this.isFull) this.#pool.want(way);
  }

  /** One that waits connected, for who counts it elsewhere. */
  takeReady(link: string): Registered | undefined {
    const sealed = this.#pool.takeReady(link);
    if (!sealed) return undefined;
    this.settings.reactor.count(sealed.tag, undefined);
    this.open--;
    return sealed;
  }

  /** Only these links carry, and as before. */
  keep(isKept: (link: string) => boolean): void {
    this.#pool.keep(isKept);
  }

  /** Connects; returns how to give that up. */
  #dial(way: Way, mark: number, done: (sealed?: Registered) => void): () => void {
    const { native, reactor, transport } = this.settings;
    let fd: number;
    try {
      fd = transport.connect(way, mark, true);
    } catch {
      done();
      return () => {};
    }
    const settled = () => {
      this.#pending.delete(fail);
      clearTimeout(timer);
    };
    const fail = () => {
      settled();
      this.#abort({ fd, tag });
      done();
    };
    const timer = setTimeout(fail, CONNECT_MS);
    this.#pending.add(fail);
    this.open++;
    const tag: number = reactor.add(fd, PollEvents.out, (events) => {
      if (events & ~PollEvents.out && native.connectResult(fd) < 0) return fail();
      settled();
      done({ fd, tag, watched: PollEvents.out });
    });
    reactor.count(tag, this);
    return fail;
  }

  #abort({ fd, tag }: { fd: number; tag: number }): void {
    this.settings.reactor.forget(tag);
    this.settings.native.abort(fd);
  }

  /** Ends a connection that nobody wants any more. */
  drop({ sealed, codec }: Pick<Greeted, "sealed" | "codec">): void {
    this.#abort(sealed);
    codec.free();
  }

  close(): void {
    this.#pool.close();
    for (const fail of this.#pending) fail();
  }
}
