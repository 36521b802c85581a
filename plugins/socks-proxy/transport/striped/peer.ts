// The peer's end of striped streams: takes their connections, and puts those of one stream together.
import { ADDRESS_BYTES, decodeAddress, type Native } from "../../../../core/native/ffi.ts";
import type { Target } from "../../wire/address.ts";
import type { Box, Boxes } from "../../peer/boxes.ts";
import type { Dials } from "../../peer/dial.ts";
import type { Reactor } from "../../relay/reactor.ts";
import { type Codec, type Counters, type Registered, scratch } from "../../relay/relay.ts";
import { ACK, firstBytes, HEAD_BYTES, RESET, writeHead } from "./frames.ts";
import type { HeldLink } from "./guard.ts";
import { HOLDS_BYTES, writeHolds } from "./holds_message.ts";
import { ASK, ASK_HELD, JOIN, readHello } from "./hello.ts";
import { BARE_MS, Host, Memory } from "./host.ts";
import type { CongestionWish } from "./line.ts";
import { UsedTokens } from "./used_tokens.ts";
import { Stripe } from "./stripe.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const SWEEP_MS = 5_000;
/** Once all is said, a box that lost its connections has so long to ask over another whether it was. */
const FAREWELL_MS = 30_000;
/** Connections of one stream while its target is dialled. */
const MOST_ARRIVALS = 4;

/** What is needed of the rest of the peer. */
export interface AssemblySettings {
  native: Native;
  reactor: Reactor;
  counters: Counters & { total: number; refused: number; striped: number };
  boxes: Boxes;
  dials: Dials;
  /** Streams without any connection are kept so long. */
  bareMs?: number;
  /** Congestion control that a person wants. */
  congestion?: () => CongestionWish;
}

/** A connection that has said its words. */
interface Arrival {
  sealed: Registered;
  codec: Codec;
  /** What came along with them. */
  came: Bytes;
}

/** A stream whose target is dialled, or that runs. */
interface Stream {
  join(arrival: Arrival, isOpening: boolean): void;
}

/** What one box has here. */
interface Household {
  host: Host;
  /** By token. */
  streams: Map<string, Stream>;
}

/** The streams of all boxes. */
export class Assembly {
  readonly #memory = new Memory();
  readonly #usedTokens = new UsedTokens();
  readonly #households = new Map<Box, Household>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(private readonly settings: AssemblySettings) {
    this.#timer = setInterval(() => this.#sweep(), Math.min(SWEEP_MS, settings.bareMs ?? SWEEP_MS));
  }

  /** Links of each box that are held back for what is sent to it, by the address that they come from. */
  get heldLinks(): (HeldLink & { box: string })[] {
    return [...this.#households].flatMap(([{ name }, { host }]) =>
      host.heldLinks.map((link) => ({ ...link, box: name }))
    );
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { host } of this.#households.values()) host.close();
  }

  /** Takes a connection to the reserved name. @param words what came with its request */
  take(box: Box, sealed: Registered, codec: Codec, words: Bytes): void {
    const hello = readHello(words);
    if (!hello) return this.#answer(sealed, codec, RESET);
    if (hello.kind === ASK) return this.#answer(sealed, codec, ACK);
    if (hello.kind === ASK_HELD) return this.#answerHeld(box, sealed, codec);
    const { token, end } = hello;
    const stream = this.#households.get(box)?.streams.get(token);
    const isOpening = hello.kind !== JOIN;
    // A stream that nobody opened, or that is over, is no reason to remember anything.
    if (!stream && (!isOpening || this.#usedTokens.has(token))) return this.#answer(sealed, codec, RESET);
    const arrival = { sealed, codec, came: words.slice(end) };
    if (stream) stream.join(arrival, isOpening);
    else if (hello.kind !== JOIN) this.#open(box, token, hello.target, arrival);
  }

  #open(box: Box, token: string, target: Target, first: Arrival): void {
    const { native, reactor, counters, boxes, dials } = this.settings;
    counters.total++;
    counters.striped++;
    const place = boxes.enter(box, performance.now());
    if (!place) {
      counters.refused++;
      return this.#answer(first.sealed, first.codec, RESET);
    }
    const { host, streams } = this.#household(box);
    // The box hears at once that it got through; a target may take long.
    this.#say(first.sealed, first.codec, ACK);
    const arrivals = [first];
    let isOver = false, isOpenedAgain = false;
    const stream: Stream = {
      join: (arrival, isOpening) => {
        isOpenedAgain ||= isOpening;
        if (arrivals.length >= MOST_ARRIVALS) return this.#drop(arrival);
        this.#say(arrival.sealed, arrival.codec, ACK);
        arrivals.push(arrival);
      },
    };
    streams.set(token, stream);
    const leave = (isWhole: boolean) => {
      streams.delete(token);
      place.leave();
      if (!isWhole || isOpenedAgain) this.#usedTokens.add(token, performance.now());
    };
    const refused = () => {
      if (isOver) return;
      isOver = true;
      leave(false);
      counters.refused++;
      for (const { sealed, codec } of arrivals) this.#answer(sealed, codec, RESET);
    };
    place.end = refused;
    dials.open(box, target, firstBytes(first.came), () => isOver, (plain) => {
      if (!plain) return refused();
      if (isOver) {
        reactor.forget(plain.tag);
        native.abort(plain.fd);
        return;
      }
      place.dialled();
      const stripe = new Stripe(host, plain, { onEnd: (broken) => leave(broken === undefined) });
      stripe.isAnswered = true;
      // Connections are read to their end: closed with words of the box unread, the kernel would reset them, and the box, which can
      // join no more, would never hear that all is over.
      place.end = () => {
        leave(false);
        stripe.abort();
      };
      for (const { sealed, codec, came } of arrivals.splice(0)) {
        stripe.attach(sealed, codec, undefined, came);
      }
      stream.join = (arrival, isOpening) => {
        isOpenedAgain ||= isOpening;
        const extra = boxes.join(box);
        if (!extra) return this.#drop(arrival);
        reactor.count(arrival.sealed.tag, extra);
        const { sealed, codec, came } = arrival;
        stripe.greet(stripe.attach(sealed, codec, undefined, came));
      };
    });
  }

  #household(box: Box): Household {
    let household = this.#households.get(box);
    if (!household) {
      const { native, reactor, counters, congestion } = this.settings;
      const host = new Host(native, reactor, counters, FAREWELL_MS, congestion, this.#memory);
      this.#households.set(box, household = { host, streams: new Map() });
    }
    return household;
  }

  /** Says whether the link that a connection came over is held back, and ends. */
  #answerHeld(box: Box, { fd, tag }: Registered, codec: Codec): void {
    const { native, reactor } = this.settings;
    const address = new Uint8Array(ADDRESS_BYTES), words = new Uint8Array(HOLDS_BYTES);
    native.remoteAddress(fd, address);
    const { host } = decodeAddress(address);
    const held = this.#households.get(box)?.host.heldLinks.find(({ link }) => link === host);
    const length = codec.seal(words, writeHolds(words, held, performance.now()), scratch.output);
    if (length > 0) native.write(fd, scratch.output, 0, length);
    reactor.forget(tag);
    native.closeInOrder(fd);
    codec.free();
  }

  /** Says one word, over a connection that is new: it has room. */
  #say({ fd }: Registered, codec: Codec, type: number): void {
    writeHead(scratch.input, 0, type, 0, 0, 0);
    const length = codec.seal(scratch.input, HEAD_BYTES, scratch.output);
    if (length > 0) this.settings.native.write(fd, scratch.output, 0, length);
  }

  /** Says one word and ends. */
  #answer(sealed: Registered, codec: Codec, type: number): void {
    const { native, reactor } = this.settings;
    this.#say(sealed, codec, type);
    reactor.forget(sealed.tag);
    native.closeInOrder(sealed.fd);
    codec.free();
  }

  /** There is no room for it; its stream goes on. */
  #drop({ sealed, codec }: Arrival): void {
    this.settings.reactor.forget(sealed.tag);
    this.settings.native.abort(sealed.fd);
    codec.free();
  }

  #sweep(): void {
    const nowMs = performance.now(), { bareMs = BARE_MS } = this.settings;
    for (const [box, { host }] of this.#households) {
      for (const stripe of [...host.streams]) {
        if (nowMs - (stripe.bareSinceMs ?? nowMs) > bareMs) stripe.abort();
      }
      if (!box.isGone || host.streams.size > 0) continue;
      host.close();
      this.#households.delete(box);
    }
  }
}
