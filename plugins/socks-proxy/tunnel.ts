// The box's end: takes one LAN connection to the peer over the transport, with the SIP022 request in one write.
import {
  type AeadMethod,
  type AeadSession,
  Errno,
  errnoName,
  type Native,
  PollEvents,
  SALT_BYTES,
  TAG_BYTES,
} from "../../core/native/ffi.ts";
import type { FirstPathFact } from "../../core/plugin.ts";
import type { Reactor } from "./reactor.ts";
import { type Codec, type Counters, FrameCodec, Relay, scratch } from "./relay.ts";
import { openResponseHead, REQUEST_OVERHEAD, RESPONSE_HEAD, sealRequest } from "./sip022.ts";
import { order, type Path, type Transport } from "./transport.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export const METHOD: AeadMethod = "2022-blake3-aes-256-gcm";
/** A path that does not answer a connect within this time, one repeated SYN included, is left for the next one. */
const CONNECT_MS = 2_500;
/** The last one is given longer. */
const LAST_CONNECT_MS = 10_000;
/** First payload taken along with the request. */
const FIRST_PAYLOAD = 32_768;
const NOTHING = new Uint8Array(0);

/** Counters of the box's end. */
export interface TunnelCounters extends Counters {
  total: number;
  refused: number;
  /** Connections in a row that never reached the peer. */
  unreachable: number;
  /** Connections in a row that the peer ended without an answer: another key, or a clock that is off. */
  unanswered: number;
  mptcp: number;
  tcp: number;
  lastError: string;
}

export function tunnelCounters(): TunnelCounters {
  return {
    open: 0,
    bytesToSealed: 0,
    bytesToPlain: 0,
    resets: 0,
    total: 0,
    refused: 0,
    unreachable: 0,
    unanswered: 0,
    mptcp: 0,
    tcp: 0,
    lastError: "",
  };
}

/** Everything a tunnel needs beside its connection. */
export interface TunnelSettings {
  native: Native;
  reactor: Reactor;
  transport: Transport;
  psk: Bytes;
  /** Seconds since the epoch. */
  now(): number;
  choices(): FirstPathFact["choices"];
  counters: TunnelCounters;
}

/** Opens tunnels for LAN connections. */
export class Tunnels {
  readonly #settings: TunnelSettings;
  readonly #connecting = new Set<Connecting>();
  readonly #sweep: ReturnType<typeof setInterval>;

  constructor(settings: TunnelSettings) {
    this.#settings = settings;
    this.#sweep = setInterval(() => {
      const now = performance.now();
      for (const connecting of this.#connecting) connecting.expire(now);
    }, 500);
  }

  /**
   * Carries a LAN connection to `target` (wire form); owns the descriptor from now on.
   * @param first bytes the client has said already
   */
  open(plainFd: number, target: Bytes, first: Bytes = NOTHING): void {
    const { counters, choices } = this.#settings;
    counters.total++;
    const paths = order(choices(), Math.random());
    this.#connecting.add(new Connecting(this.#settings, this.#connecting, plainFd, target, first, paths));
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const connecting of this.#connecting) connecting.giveUp("the proxy stops");
  }
}

/** A stream to the peer that is being connected, path after path. */
class Connecting {
  #fd = -1;
  #tag = -1;
  #deadlineMs = 0;

  constructor(
    private readonly settings: TunnelSettings,
    private readonly all: Set<Connecting>,
    private readonly plainFd: number,
    private readonly target: Bytes,
    private readonly first: Bytes,
    private readonly paths: Path[],
  ) {
    this.#next("no path to the peer");
  }

  expire(now: number): void {
    if (now > this.#deadlineMs) this.#failed("ETIMEDOUT");
  }

  giveUp(why: string): void {
    this.#drop();
    const { counters, native } = this.settings;
    counters.refused++;
    counters.unreachable++;
    counters.lastError = why;
    native.abort(this.plainFd);
    this.all.delete(this);
  }

  #next(why: string): void {
    const { transport, reactor } = this.settings;
    while (this.paths.length > 0) {
      const path = this.paths.shift();
      try {
        this.#fd = transport.connect(path);
      } catch (error) {
        why = (error as Error).message;
        continue;
      }
      this.#deadlineMs = performance.now() + (this.paths.length > 0 ? CONNECT_MS : LAST_CONNECT_MS);
      this.#tag = reactor.add(this.#fd, PollEvents.out, () => this.#connected());
      return;
    }
    // The constructor's caller adds this to the set after it returns.
    queueMicrotask(() => this.giveUp(why));
  }

  #failed(why: string): void {
    this.#drop();
    this.#next(why);
  }

  #drop(): void {
    if (this.#fd < 0) return;
    const { native, reactor } = this.settings;
    reactor.forget(this.#tag);
    native.abort(this.#fd);
    this.#fd = -1;
  }

  #connected(): void {
    const { native, reactor, transport, psk, now, counters } = this.settings;
    const result = native.connectResult(this.#fd);
    if (result < 0) return this.#failed(errnoName(result));
    counters.unreachable = 0;
    const fd = this.#fd;
    counters[transport.protocol(fd)]++;
    let payload = this.first;
    let length = payload.length;
    let ended = false;
    if (length === 0) {
      payload = scratch.input;
      const got = native.read(this.plainFd, payload, 0, FIRST_PAYLOAD);
      ended = got === 0;
      // Errors are met again by the relay.
      length = Math.max(got, 0);
    }
    const salt = native.random(new Uint8Array(SALT_BYTES));
    const sealer = native.aead(METHOD, psk, salt);
    const { output } = scratch;
    const size = sealRequest(
      sealer,
      salt,
      this.target,
      payload,
      length,
      now(),
      native.randomUint32(),
      request,
      output,
    );
    counters.bytesToSealed += length;
    // A fresh connection has room for this; what it does not take is an error like any other.
    const sent = native.write(fd, output, 0, size);
    if (sent !== size) return this.#failed(sent < 0 ? errnoName(sent) : errnoName(-Errno.ENOBUFS));
    this.all.delete(this);
    reactor.forget(this.#tag);
    const codec = new ClientCodec(this.settings, sealer, salt);
    const relay = new Relay(
      native,
      reactor,
      this.plainFd,
      fd,
      codec,
      counters,
      (broken) => codec.settle(broken),
    );
    if (ended) relay.plainEnded();
  }
}

/** Where a request is put together. */
const request = new Uint8Array(REQUEST_OVERHEAD + FIRST_PAYLOAD);

/** Frames to the peer, and the response header before the frames that come back. */
class ClientCodec extends FrameCodec implements Codec {
  /** Bytes of a response header that is not complete. */
  #head: Bytes | undefined = NOTHING;
  #answered = false;

  constructor(private readonly settings: TunnelSettings, sealer: AeadSession, private readonly salt: Bytes) {
    super(sealer, undefined);
  }

  override open(input: Bytes, length: number, output: Bytes): number {
    if (!this.#head) return super.open(input, length, output);
    const bytes = new Uint8Array(this.#head.length + length);
    bytes.set(this.#head);
    bytes.set(input.subarray(0, length), this.#head.length);
    this.#head = bytes;
    if (bytes.length < RESPONSE_HEAD) return 0;
    const { native, psk, now } = this.settings;
    if (!this.opener) {
      const opener = native.aead(METHOD, psk, bytes.slice(0, SALT_BYTES));
      const payload = openResponseHead(opener, this.salt, bytes, now());
      if (typeof payload === "string") {
        opener.free();
        return -Errno.EBADMSG;
      }
      this.opener = opener;
      this.#first = payload;
    }
    const end = RESPONSE_HEAD + this.#first + TAG_BYTES;
    if (bytes.length < end) return 0;
    const opened = this.opener.openOne(bytes, RESPONSE_HEAD, this.#first + TAG_BYTES, output, 0);
    if (opened < 0) return opened;
    this.#answered = true;
    this.settings.counters.unanswered = 0;
    this.#head = undefined;
    const rest = this.opener.openFrames(bytes, end, bytes.length - end, output, opened);
    return rest < 0 ? rest : opened + rest;
  }

  #first = 0;

  /** Notes how it went with the peer: one that resets without an answer did not like us. */
  settle(broken: "plain" | "sealed" | undefined): void {
    if (!this.#answered && broken === "sealed") this.settings.counters.unanswered++;
  }
}
