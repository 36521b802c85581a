// Makes sealed connections over one link each, with their first words; for everything but the first of a stream.
import { type Native, PollEvents } from "../../../../core/native/ffi.ts";
import type { Counted, Reactor } from "../../reactor.ts";
import type { Codec, Registered } from "../../relay.ts";
import type { Path, Transport } from "../transport.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const CONNECT_MS = 5_000;
/** Connections under way at once: when a link goes, thousands of streams want another. */
const MOST_PENDING = 256;

/** A link that may carry now. */
export type Way = NonNullable<Path>;

/** A connection whose greeting is sent. */
export interface Greeted {
  sealed: Registered;
  codec: Codec;
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

  constructor(private readonly settings: ConnectSettings) {}

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
    const { native, reactor, transport, greet } = this.settings;
    let fd: number;
    try {
      fd = transport.connect(way, mark, true);
    } catch {
      return done();
    }
    const fail = () => {
      this.#pending.delete(fail);
      clearTimeout(timer);
      reactor.forget(tag);
      native.abort(fd);
      done();
    };
    const timer = setTimeout(fail, CONNECT_MS);
    this.#pending.add(fail);
    this.open++;
    const tag: number = reactor.add(fd, PollEvents.out, (events) => {
      if (events & ~PollEvents.out && native.connectResult(fd) < 0) return fail();
      const codec = greet(fd, words);
      if (!codec) return fail();
      this.#pending.delete(fail);
      clearTimeout(timer);
      done({ sealed: { fd, tag, watched: PollEvents.out }, codec });
    });
    reactor.count(tag, this);
  }

  /** Ends a connection that nobody wants any more. */
  drop({ sealed, codec }: Greeted): void {
    this.settings.reactor.forget(sealed.tag);
    this.settings.native.abort(sealed.fd);
    codec.free();
  }

  close(): void {
    for (const fail of this.#pending) fail();
  }
}
