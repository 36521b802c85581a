// The streams to the peer: carries each connection of the LAN over the transport, with the SIP022 request in one write.
import { Errno, errnoName, PollEvents } from "../../../core/native/ffi.ts";
import type { FirstPathFact } from "@otb/plugin";
import { arena } from "../relay/arena.ts";
import { JOINED_SHARE } from "../relay/descriptors.ts";
import type { Reactor } from "../relay/reactor.ts";
import { type Counters, type Registered, Relay, scratch } from "../relay/relay.ts";
import { FIRST_PAYLOAD, greet, type GreetSettings } from "./request.ts";
import type { HeldLink } from "../transport/striped/guard.ts";
import { Striping } from "../transport/striped/box.ts";
import type { Way } from "../transport/transport.ts";
import { isReservedTarget, RESERVED_TARGET } from "../transport/striped/hello.ts";
import type { CongestionWish } from "../transport/striped/line.ts";
import { order, type Path, type Transport } from "../transport/transport.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A path that does not answer a connect within this time, one repeated SYN included, is left for the next one. */
const CONNECT_MS = 2_500;
/** The last one is given longer. */
const LAST_CONNECT_MS = 10_000;
/** While no link works there is nowhere else to go: it is tried again after a moment, for as long as most systems repeat a SYN. */
const AGAIN_MS = 1_000, CUT_OFF_MS = 130_000;
/** One connection in so many is asked whether it speaks MPTCP. */
export const PROTOCOL_SAMPLE = 8;
const NOTHING = new Uint8Array(0);

/** Counters of the box's end. */
export interface OutboundCounters extends Counters {
  total: number;
  refused: number;
  /** Connections that reached the peer. */
  reached: number;
  /** Connections in a row that never reached the peer. */
  unreachable: number;
  /** Connections in a row that the peer ended without an answer: another key, or a clock that is off. */
  unanswered: number;
  mptcp: number;
  tcp: number;
  striped: number;
  lastError: string;
}

export function outboundCounters(): OutboundCounters {
  return {
    open: 0,
    bytesToSealed: 0,
    bytesToPlain: 0,
    resets: 0,
    total: 0,
    refused: 0,
    reached: 0,
    unreachable: 0,
    unanswered: 0,
    mptcp: 0,
    tcp: 0,
    striped: 0,
    lastError: "",
  };
}

/** What every stream to the peer needs beside the connection that it carries. */
export interface OutboundSettings extends GreetSettings {
  reactor: Reactor;
  transport: Transport;
  choices(): FirstPathFact["choices"];
  /** The firewall mark for what is sent on behalf of who is at the other end of a descriptor; 0 for none. */
  markOf?(fd: number): number;
  counters: OutboundCounters;
  /** No link works, as far as is known, and so nothing is known of the peer. */
  isCutOff?(): boolean;
  /** Links that carry striped streams; absent: streams are not striped. */
  ways?(): Way[];
  /** Striped streams without any connection are kept so long. */
  bareMs?: number;
  /** Those that were not bulk for so long keep one. */
  quietMs?: number;
  /** Connections of devices that there is room for. */
  most?: number;
  /** Congestion control of striped streams that a person wants. */
  congestion?: () => CongestionWish;
}

/** Opens a stream to the peer for each connection of the LAN. */
export class Outbound {
  readonly #settings: OutboundSettings;
  readonly #connecting = new Set<Connecting>();
  readonly #sweep: ReturnType<typeof setInterval>;
  readonly #striping: Striping | undefined;

  constructor(settings: OutboundSettings) {
    this.#settings = settings;
    const { ways, most = Infinity } = settings;
    if (ways) {
      this.#striping = new Striping({
        ...settings,
        ways,
        mostJoined: () => Math.min(most * JOINED_SHARE, 2 * (most - settings.counters.open)),
        greet: (fd, payload) => {
          const codec = greet(settings, fd, RESERVED_TARGET, payload);
          return typeof codec === "number" ? undefined : codec;
        },
      });
    }
    this.#sweep = setInterval(() => {
      const now = performance.now();
      for (const connecting of this.#connecting) connecting.expire(now);
    }, 500);
  }

  /**
   * Carries a LAN connection to `target` (wire form); owns the descriptor from now on.
   * @param plain in the reactor, watched for `in`
   * @param first bytes the client has said already; copied
   * @param link over this link alone
   */
  open(plain: Registered, target: Bytes, first: Bytes = NOTHING, link?: string): void {
    const { native, reactor, counters, choices, markOf } = this.#settings;
    counters.total++;
    if (isReservedTarget(target)) {
      // Who speaks to the peer behind that name is this box, and no device.
      counters.refused++;
      reactor.forget(plain.tag);
      return native.abort(plain.fd);
    }
    const paths = link === undefined
      ? order(choices(), Math.random())
      : choices().filter((choice) => choice.link === link);
    const connecting = new Connecting(
      this.#settings,
      this.#connecting,
      plain,
      target,
      first.length > 0 ? arena.copy(first, 0, first.length) : NOTHING,
      paths,
      markOf?.(plain.fd) ?? 0,
      link !== undefined,
      this.#striping,
    );
    this.#connecting.add(connecting);
    connecting.next("no path to the peer");
  }

  /** How new streams use several links. */
  get transport(): "mptcp" | "striped" | "unknown-to-peer" {
    return this.#striping?.transport ?? "mptcp";
  }

  /** Links that are held back for what is sent, and by the peer for what comes. */
  get heldLinks(): { up: HeldLink[]; down: HeldLink[] } {
    return this.#striping?.heldLinks ?? { up: [], down: [] };
  }

  /** Connections that joined striped streams. */
  get joined(): number {
    return this.#striping?.joined ?? 0;
  }

  /** Links came or went. */
  waysChanged(): void {
    this.#striping?.waysChanged();
  }

  close(): void {
    clearInterval(this.#sweep);
    this.#striping?.close();
    for (const connecting of this.#connecting) connecting.giveUp("the proxy stops");
  }
}

/** A stream to the peer that is being connected, path after path. */
class Connecting {
  #fd = -1;
  #tag = -1;
  #deadlineMs = 0;
  #ended = false;
  #path: Path;
  #isStriped = false;
  readonly #beganMs = performance.now();

  constructor(
    private readonly settings: OutboundSettings,
    private readonly all: Set<Connecting>,
    private readonly plain: Registered,
    private readonly target: Bytes,
    private first: Bytes,
    private paths: Path[],
    private readonly mark: number,
    private readonly isAlone: boolean,
    private readonly striping: Striping | undefined,
  ) {
    settings.reactor.handle(plain.tag, () => this.#listen());
  }

  /** Tries the next path, or gives up with the reason of the last failure. */
  next(why: string): void {
    const { transport, reactor } = this.settings;
    while (this.paths.length > 0) {
      const path = this.paths.shift();
      this.#path = path;
      this.#isStriped = !this.isAlone && this.striping?.transport === "striped";
      try {
        this.#fd = transport.connect(path, this.mark, this.isAlone || this.#isStriped);
      } catch (error) {
        why = (error as Error).message;
        continue;
      }
      this.#deadlineMs = performance.now() + (this.paths.length > 0 ? CONNECT_MS : LAST_CONNECT_MS);
      this.#tag = reactor.add(this.#fd, PollEvents.out, (events) => this.#connected(events));
      return;
    }
    const { isCutOff, counters, choices } = this.settings;
    const nowMs = performance.now();
    if (this.isAlone || !isCutOff?.() || nowMs - this.#beganMs > CUT_OFF_MS) return this.giveUp(why);
    counters.unreachable++;
    counters.lastError = why;
    this.paths = order(choices(), Math.random());
    this.#deadlineMs = nowMs + AGAIN_MS;
  }

  expire(now: number): void {
    if (now > this.#deadlineMs) this.#failed("ETIMEDOUT");
  }

  giveUp(why: string): void {
    const { counters } = this.settings;
    counters.refused++;
    // One link alone says nothing about the peer.
    if (!this.isAlone) {
      counters.unreachable++;
      counters.lastError = why;
    }
    this.#abandon();
  }

  /** Takes what the client says meanwhile, as far as it goes along with the request. */
  #listen(): void {
    const { native, reactor } = this.settings;
    const room = FIRST_PAYLOAD - this.first.length;
    const length = native.read(this.plain.fd, scratch.input, 0, room);
    if (length === -Errno.EAGAIN || length === -Errno.EINTR) return;
    if (length < 0) return this.#abandon();
    if (length === 0) this.#ended = true;
    else {
      this.first = arena.join(this.first, scratch.input, length);
    }
    if (length < room && length > 0) return;
    this.plain.watched = 0;
    reactor.watch(this.plain.fd, this.plain.tag, 0);
  }

  #failed(why: string): void {
    this.#drop();
    this.next(why);
  }

  #abandon(): void {
    const { native, reactor } = this.settings;
    this.#drop();
    reactor.forget(this.plain.tag);
    native.abort(this.plain.fd);
    this.all.delete(this);
  }

  #drop(): void {
    if (this.#fd < 0) return;
    const { native, reactor } = this.settings;
    reactor.forget(this.#tag);
    native.abort(this.#fd);
    this.#fd = -1;
  }

  #connected(events: number): void {
    const { native, reactor, transport, counters } = this.settings;
    if (events & ~PollEvents.out) {
      const result = native.connectResult(this.#fd);
      if (result < 0) return this.#failed(errnoName(result));
    }
    counters.unreachable = 0;
    counters.reached++;
    const fd = this.#fd;
    if (this.#isStriped) counters.striped++;
    else if (counters.mptcp + counters.tcp === 0 || counters.total % PROTOCOL_SAMPLE === 0) {
      counters[transport.protocol(fd)]++;
    }
    if (this.plain.watched !== 0) this.#listen();
    if (this.#fd < 0) return;
    const { first, target } = this;
    const striping = this.#isStriped ? this.striping : undefined;
    const opening = striping?.opening(target, first);
    const codec = striping && opening
      ? greet(this.settings, fd, RESERVED_TARGET, striping.words(opening))
      : greet(this.settings, fd, target, first);
    if (typeof codec === "number") return this.#failed(errnoName(codec));
    counters.bytesToSealed += first.length;
    this.all.delete(this);
    const sealed = { fd, tag: this.#tag, watched: PollEvents.out };
    if (striping && opening) {
      const stripe = striping.open(
        this.plain,
        { sealed, codec, link: this.#path?.link },
        opening,
        this.mark,
        (broken) => codec.settle(broken),
      );
      if (this.#ended) stripe.plainEnded();
      return;
    }
    const relay = new Relay(
      native,
      reactor,
      this.plain,
      sealed,
      codec,
      counters,
      (broken) => codec.settle(broken),
    );
    if (this.#ended) relay.plainEnded();
  }
}
