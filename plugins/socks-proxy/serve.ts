// The peer's end: takes sealed connections, refuses what is forged, old or replayed without a sign, and dials the target.
import { lookup } from "node:dns/promises";
import {
  ADDRESS_BYTES,
  type AeadSession,
  Errno,
  type Native,
  PollEvents,
  SALT_BYTES,
  TAG_BYTES,
} from "../../core/native/ffi.ts";
import type { Target } from "./address.ts";
import type { Reactor } from "./reactor.ts";
import { type Codec, type Counters, FrameCodec, Relay, scratch } from "./relay.ts";
import type { Salts } from "./salts.ts";
import { openRequestBody, openRequestHead, REQUEST_HEAD, sealResponse } from "./sip022.ts";
import type { Targets } from "./targets.ts";
import { METHOD } from "./tunnel.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** From accept to a whole request, and to the end of a connection that is only drained: the same for every failure. */
const HANDSHAKE_MS = 15_000;
const DIAL_MS = 10_000;
/** Connections in handshake or drained at once; beyond, the oldest goes. */
const MAX_STRANGERS = 4_096;

/** Counters of the peer's end. */
export interface ServeCounters extends Counters {
  total: number;
  /** Targets that could not be dialled or may not be. */
  refused: number;
  /** By reason: forged, type, time, malformed, short, replay. */
  rejected: Record<string, number>;
  mptcp: number;
  tcp: number;
}

export function serveCounters(): ServeCounters {
  return {
    open: 0,
    bytesToSealed: 0,
    bytesToPlain: 0,
    resets: 0,
    total: 0,
    refused: 0,
    rejected: {},
    mptcp: 0,
    tcp: 0,
  };
}

/** Everything the peer's end needs. */
export interface ServeSettings {
  native: Native;
  reactor: Reactor;
  psk: Bytes;
  salts: Salts;
  targets: Targets;
  /** Seconds since the epoch. */
  now(): number;
  counters: ServeCounters;
}

/** Listens for boxes. */
export class Server {
  readonly #strangers = new Set<Stranger>();
  readonly #sweep: ReturnType<typeof setInterval>;
  readonly #fd: number;
  readonly #tag: number;
  /** False when this kernel speaks no MPTCP. */
  readonly mptcp: boolean;

  /** @throws OtbError `native-eaddrinuse` and others when it can't listen */
  constructor(private readonly settings: ServeSettings, host: string, port: number) {
    const { native, reactor } = settings;
    const { fd, mptcp } = native.listen({ host, port }, { mptcp: true, backlog: 4096 });
    this.#fd = fd;
    this.mptcp = mptcp;
    this.#tag = reactor.add(fd, PollEvents.in, () => this.#accept());
    this.#sweep = setInterval(() => {
      const now = performance.now();
      for (const stranger of this.#strangers) {
        // Insertion order is order of deadlines.
        if (stranger.deadlineMs > now) break;
        stranger.drop();
      }
    }, 500);
  }

  close(): void {
    const { native, reactor } = this.settings;
    clearInterval(this.#sweep);
    for (const stranger of this.#strangers) stranger.drop();
    reactor.forget(this.#tag);
    native.close(this.#fd);
  }

  #accept(): void {
    const { native } = this.settings;
    for (let count = 0; count < 64; count++) {
      const fd = native.accept(this.#fd, peerRecord, localRecord);
      if (fd < 0) return;
      native.setNoDelay(fd, true);
      native.setKeepalive(fd, { idleSeconds: 60, intervalSeconds: 15, count: 8 });
      if (this.#strangers.size >= MAX_STRANGERS) this.#strangers.values().next().value!.drop();
      this.#strangers.add(new Stranger(this.settings, this.#strangers, fd));
    }
  }
}

const peerRecord = new Uint8Array(ADDRESS_BYTES);
const localRecord = new Uint8Array(ADDRESS_BYTES);
const plain = new Uint8Array(65_536);

/** An accepted connection that has not shown a whole valid request yet; or never will, and is drained. */
class Stranger {
  readonly deadlineMs = performance.now() + HANDSHAKE_MS;
  #tag: number;
  #bytes: Bytes | undefined;
  #opener: AeadSession | undefined;
  #bodyLength = 0;
  #drained = false;

  constructor(
    private readonly settings: ServeSettings,
    private readonly all: Set<Stranger>,
    private readonly fd: number,
  ) {
    this.#tag = settings.reactor.add(fd, PollEvents.in, () => this.#onReadable());
  }

  /** Ends it with a reset, whatever it is. */
  drop(): void {
    const { native, reactor } = this.settings;
    reactor.forget(this.#tag);
    native.abort(this.fd);
    this.#opener?.free();
    this.all.delete(this);
  }

  #onReadable(): void {
    const { native } = this.settings;
    const { input } = scratch;
    const length = native.read(this.fd, input, 0, input.length);
    if (length === -Errno.EAGAIN || length === -Errno.EINTR) return;
    if (length < 0) return this.drop();
    if (this.#drained) {
      if (length === 0) this.drop();
      return;
    }
    if (length === 0) {
      this.settings.counters.rejected.short = (this.settings.counters.rejected.short ?? 0) + 1;
      return this.drop();
    }
    if (this.#opener) return this.#more(input, length);
    // SIP022 3.1.4: salt and fixed header come in one read, or not at all.
    if (length < REQUEST_HEAD) return this.#reject("short");
    const opener = native.aead(METHOD, this.settings.psk, input.slice(0, SALT_BYTES));
    this.#opener = opener;
    const body = openRequestHead(opener, input, this.settings.now(), plain);
    if (typeof body === "string") return this.#reject(body);
    if (!this.settings.salts.add(input.subarray(0, SALT_BYTES))) return this.#reject("replay");
    this.#bodyLength = body;
    this.#more(input, length);
  }

  /** Collects the rest of the header of a client that has shown it knows the key. */
  #more(input: Bytes, length: number): void {
    let bytes = input;
    let end = length;
    if (this.#bytes) {
      bytes = new Uint8Array(this.#bytes.length + length);
      bytes.set(this.#bytes);
      bytes.set(input.subarray(0, length), this.#bytes.length);
      end = bytes.length;
    }
    const bodyEnd = REQUEST_HEAD + this.#bodyLength + TAG_BYTES;
    if (end < bodyEnd) {
      this.#bytes = bytes.slice(0, end);
      return;
    }
    const opener = this.#opener!;
    const opened = openRequestBody(opener, bytes, REQUEST_HEAD, this.#bodyLength, plain);
    if (typeof opened === "string") return this.#reject(opened);
    // Frames that came along are opened now, so that everything from here on is plain payload.
    const first = this.#bodyLength - opened.payloadOffset;
    const { output } = scratch;
    output.set(plain.subarray(opened.payloadOffset, this.#bodyLength));
    const more = opener.openFrames(bytes, bodyEnd, end - bodyEnd, output, first);
    if (more < 0) return this.#reject("forged");
    const { native, reactor, counters } = this.settings;
    counters.total++;
    counters[native.isMptcp(this.fd) ? "mptcp" : "tcp"]++;
    this.#opener = undefined;
    this.all.delete(this);
    reactor.forget(this.#tag);
    reactor.watch(this.fd, this.#tag, 0);
    const requestSalt = bytes.slice(0, SALT_BYTES);
    dial(this.settings, this.fd, opener, requestSalt, opened.target, output.slice(0, first + more));
  }

  /** From here on every failure looks the same: nothing is said, everything is read, until the deadline. */
  #reject(reason: string): void {
    const { rejected } = this.settings.counters;
    rejected[reason] = (rejected[reason] ?? 0) + 1;
    this.#drained = true;
    this.#opener?.free();
    this.#opener = undefined;
  }
}

/** Connects to the target, if it may be, and begins to relay; names are looked up here, and every answer is checked. */
function dial(
  settings: ServeSettings,
  sealedFd: number,
  opener: AeadSession,
  requestSalt: Bytes,
  target: Target,
  first: Bytes,
): void {
  const { native, reactor, counters, psk } = settings;
  const salt = native.random(new Uint8Array(SALT_BYTES));
  const codec = new ServerCodec(settings, native.aead(METHOD, psk, salt), opener, salt, requestSalt);
  const connected = (fd: number) => {
    const relay = new Relay(native, reactor, fd, sealedFd, codec, counters);
    if (first.length === 0) return;
    counters.bytesToPlain += first.length;
    relay.deliver(first, 0, first.length);
  };
  const refused = () => {
    counters.refused++;
    // The box must be able to tell a target that refuses from a peer that does.
    native.write(sealedFd, scratch.output, 0, codec.finish(scratch.output));
    native.abort(sealedFd);
    codec.free();
  };
  const tryEach = (hosts: string[]) => {
    const host = hosts.find((host) => target.port !== 0 && settings.targets.allows(host));
    if (host === undefined) return refused();
    const rest = hosts.slice(hosts.indexOf(host) + 1);
    connect(settings, host, target.port, (fd) => fd >= 0 ? connected(fd) : tryEach(rest));
  };
  if (!target.named) return tryEach([target.host]);
  lookup(target.host, { all: true }).then((found) => tryEach(found.map(({ address }) => address)), refused);
}

/** Calls back with a connected descriptor or a negative errno; no promise, as those wait for Deno's own loop. */
function connect(
  { native, reactor }: ServeSettings,
  host: string,
  port: number,
  done: (fd: number) => void,
): void {
  let fd: number;
  try {
    fd = native.connect({ host, port }).fd;
  } catch {
    return done(-Errno.ENETUNREACH);
  }
  native.setNoDelay(fd, true);
  const finish = (result: number) => {
    clearTimeout(timer);
    reactor.forget(tag);
    if (result < 0) native.abort(fd);
    done(result < 0 ? result : fd);
  };
  const timer = setTimeout(() => finish(-Errno.ETIMEDOUT), DIAL_MS);
  const tag = reactor.add(fd, PollEvents.out, () => finish(native.connectResult(fd)));
}

/** Frames both ways, with the response header before the first that goes back. */
class ServerCodec extends FrameCodec implements Codec {
  #said = false;

  constructor(
    private readonly settings: ServeSettings,
    sealer: AeadSession,
    opener: AeadSession,
    private readonly salt: Bytes,
    private readonly requestSalt: Bytes,
  ) {
    super(sealer, opener);
  }

  override seal(input: Bytes, length: number, output: Bytes): number {
    if (this.#said) return super.seal(input, length, output);
    this.#said = true;
    return sealResponse(this.sealer, this.salt, this.requestSalt, input, length, this.settings.now(), output);
  }

  /** A target that ends without a word still gets its answer told, so that the box knows it was not refused. */
  finish(output: Bytes): number {
    return this.#said ? 0 : this.seal(output, 0, output);
  }
}
