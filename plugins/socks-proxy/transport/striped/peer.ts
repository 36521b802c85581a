// The peer's end of striped streams: takes their connections, and puts those of one stream together.
import type { Native } from "../../../../core/native/ffi.ts";
import type { Target } from "../../address.ts";
import type { Box, Boxes } from "../../boxes.ts";
import type { Dials } from "../../dial.ts";
import type { Reactor } from "../../reactor.ts";
import { type Codec, type Counters, type Registered, scratch } from "../../relay.ts";
import { ACK, HEAD_BYTES, RESET, writeHead } from "./frames.ts";
import { ASK, JOIN, readHello } from "./hello.ts";
import { BARE_MS, Host } from "./host.ts";
import { Stripe } from "./stripe.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const SWEEP_MS = 5_000;

/** What is needed of the rest of the peer. */
export interface AssemblySettings {
  native: Native;
  reactor: Reactor;
  counters: Counters & { total: number; refused: number; striped: number };
  boxes: Boxes;
  dials: Dials;
  /** Streams without any connection are kept so long. */
  bareMs?: number;
}

interface Arrival {
  sealed: Registered;
  codec: Codec;
  came: Bytes;
}

/** A stream whose target is dialled, or that runs. */
interface Stream {
  join(arrival: Arrival): void;
}

/** Streams by box and token. */
export class Assembly {
  readonly #host: Host;
  readonly #streams = new WeakMap<Box, Map<string, Stream>>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(private readonly settings: AssemblySettings) {
    const { native, reactor, counters } = settings;
    this.#host = new Host(native, reactor, counters);
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#host.close();
  }

  /** Takes a connection to the reserved name. @param words what came with its request */
  take(box: Box, sealed: Registered, codec: Codec, words: Bytes): void {
    const hello = readHello(words);
    if (!hello) return this.#refuse({ sealed, codec });
    if (hello.kind === ASK) return this.#answer({ sealed, codec }, ACK);
    const streams = this.#of(box);
    const arrival = { sealed, codec, came: words.slice(hello.end) };
    const there = streams.get(hello.token);
    if (there) return there.join(arrival);
    if (hello.kind === JOIN) return this.#refuse(arrival);
    this.#open(box, hello.token, hello.target, arrival);
  }

  #of(box: Box): Map<string, Stream> {
    let streams = this.#streams.get(box);
    if (!streams) this.#streams.set(box, streams = new Map());
    return streams;
  }

  #open(box: Box, token: string, target: Target, first: Arrival): void {
    const { native, reactor, counters, boxes, dials } = this.settings;
    const streams = this.#of(box);
    counters.total++;
    counters.striped++;
    const place = boxes.enter(box, performance.now());
    if (!place) {
      counters.refused++;
      return this.#refuse(first);
    }
    const arrivals = [first];
    let isOver = false;
    const stream: Stream = { join: (arrival) => void arrivals.push(arrival) };
    streams.set(token, stream);
    const refused = () => {
      if (isOver) return;
      isOver = true;
      streams.delete(token);
      place.leave();
      counters.refused++;
      for (const arrival of arrivals) this.#refuse(arrival);
    };
    place.end = refused;
    dials.open(box, target, () => isOver, (plain) => {
      if (!plain) return refused();
      if (isOver) {
        reactor.forget(plain.tag);
        native.abort(plain.fd);
        return;
      }
      place.dialled();
      const stripe: Stripe = new Stripe(this.#host, plain, {
        onEnd: () => {
          streams.delete(token);
          this.#host.streams.delete(stripe);
          place.leave();
        },
      });
      this.#host.streams.add(stripe);
      place.end = () => stripe.abort();
      stream.join = (arrival) => this.#attach(stripe, arrival);
      for (const arrival of arrivals) this.#attach(stripe, arrival);
    });
  }

  #attach(stripe: Stripe, { sealed, codec, came }: Arrival): void {
    const carrier = stripe.attach(sealed, codec, undefined, performance.now(), came);
    if (!carrier.isGone) stripe.greet(carrier);
  }

  #refuse(arrival: Pick<Arrival, "sealed" | "codec">): void {
    this.#answer(arrival, RESET);
  }

  /** Says one word and ends. */
  #answer({ sealed: { fd, tag }, codec }: Pick<Arrival, "sealed" | "codec">, type: number): void {
    const { native, reactor } = this.settings;
    writeHead(scratch.input, 0, type, 0, 0, 0);
    const length = codec.seal(scratch.input, HEAD_BYTES, scratch.output);
    if (length > 0) native.write(fd, scratch.output, 0, length);
    reactor.forget(tag);
    native.closeInOrder(fd);
    codec.free();
  }

  #sweep(): void {
    const nowMs = performance.now(), { bareMs = BARE_MS } = this.settings;
    for (const stripe of [...this.#host.streams]) {
      if (nowMs - (stripe.bareSinceMs ?? nowMs) > bareMs) stripe.abort();
    }
  }
}
