// The peer's end: takes sealed connections, refuses what is forged, old or replayed without a sign, and dials the target.
import {
  ADDRESS_BYTES,
  type AeadSession,
  decodeAddress,
  Errno,
  type Native,
  PollEvents,
  SALT_BYTES,
  TAG_BYTES,
} from "../../../core/native/ffi.ts";
import { readTarget, type Target } from "../wire/address.ts";
import { arena } from "../relay/arena.ts";
import type { Box, Boxes } from "./boxes.ts";
import { Dials, type DialSettings } from "./dial.ts";
import type { Reactor } from "../relay/reactor.ts";
import { type Codec, type Counters, FrameCodec, type Registered, Relay, scratch } from "../relay/relay.ts";
import type { Salts } from "../wire/salts.ts";
import { LegacyCodec, openLegacy } from "../wire/sip004.ts";
import { METHOD, openRequestBody, REQUEST_HEAD, sealResponse } from "../wire/sip022.ts";
import type { Targets } from "./targets.ts";
import { randomBytes } from "../wire/random.ts";
import { KEEPALIVE_SECONDS } from "../transport/transport.ts";
import { isReserved } from "../transport/striped/hello.ts";
import type { CongestionWish } from "../transport/striped/line.ts";
import { Assembly } from "../transport/striped/peer.ts";
import { PROTOCOL_SAMPLE } from "../box/outbound.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** From accept to a whole request, and to the end of a connection that is only drained: the same for every failure. */
export const HANDSHAKE_MS = 15_000;
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
  striped: number;
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
    striped: 0,
  };
}

/** A target and its name are never longer. */
const MAX_LEGACY_HEAD = 259;

/** Everything the peer's end needs. */
export interface ServeSettings {
  native: Native;
  reactor: Reactor;
  boxes: Boxes;
  salts: Salts;
  targets: Targets;
  lookup?: DialSettings["lookup"];
  /** Seconds since the epoch. */
  now(): number;
  counters: ServeCounters;
  /** Connections that it has room for; more are reset at once. */
  most?: number;
  /** Striped streams without any connection are kept so long. */
  bareMs?: number;
  /** Congestion control of striped streams that a person wants. */
  congestion?: () => CongestionWish;
  /** Speaks SIP004 instead, for one box: its key is `legacyKey` of a password, and what it carries counts as that box's. */
  legacy?: { box: Box; key: Bytes };
}

/** The same with what the server adds for itself. */
interface Serving extends ServeSettings {
  dials: Dials;
  /** Striped streams; SIP004 has none. */
  assembly: Assembly | undefined;
}

/** Listens for boxes. */
export class Server {
  readonly #strangers = new Set<Stranger>();
  readonly #sweep: ReturnType<typeof setInterval>;
  readonly #fd: number;
  readonly #tag: number;
  private readonly settings: Serving;
  /** Where it listens. */
  readonly port: number;
  /** False when this kernel speaks no MPTCP. */
  readonly mptcp: boolean;

  /**
   * @param wantMptcp false for plain TCP: one path, for comparisons
   * @throws OtbError `native-eaddrinuse` and others when it can't listen
   */
  constructor(settings: ServeSettings, host: string, port: number, wantMptcp = true) {
    const { native, reactor } = settings;
    const dials = new Dials(settings);
    const assembly = settings.legacy ? undefined : new Assembly({ ...settings, dials });
    this.settings = { ...settings, dials, assembly };
    const { fd, mptcp } = native.listen({ host, port }, {
      mptcp: wantMptcp,
      resetOnClose: true,
      backlog: 4096,
    });
    this.#fd = fd;
    native.localAddress(fd, localRecord);
    this.port = decodeAddress(localRecord).port;
    this.mptcp = mptcp;
    // Inherited by what it accepts.
    native.setNoDelay(fd, true);
    native.setKeepalive(fd, KEEPALIVE_SECONDS);
    // Whatever the machine's default is; a route of mptcp-scheduler's says otherwise. A kernel may refuse it.
    native.setCongestion(fd, "cubic");
    this.#tag = reactor.add(fd, PollEvents.in, () => this.#accept());
    this.#sweep = setInterval(() => {
      const now = performance.now();
      for (const stranger of this.#strangers) {
        // Insertion order is order of deadlines.
        if (stranger.deadlineMs > now) break;
        stranger.drop();
      }
      dials.expire(now);
    }, 500);
  }

  /** Takes nothing new; what is carried goes on. */
  close(): void {
    const { native, reactor } = this.settings;
    clearInterval(this.#sweep);
    for (const stranger of this.#strangers) stranger.drop();
    reactor.forget(this.#tag);
    native.close(this.#fd);
  }

  /** Links of boxes that are held back for what is sent to them. */
  get heldLinks(): Assembly["heldLinks"] {
    return this.settings.assembly?.heldLinks ?? [];
  }

  /** Ends striped streams, which may wait for connections that can come no more. */
  end(): void {
    this.settings.assembly?.close();
  }

  #accept(): void {
    const { native } = this.settings;
    for (let count = 0; count < 64; count++) {
      const fd = native.accept(this.#fd, peerRecord, null);
      if (fd < 0) return this.settings.reactor.refused(this.#fd, this.#tag, fd);
      const { dials, counters, most = Infinity } = this.settings;
      if (this.#strangers.size + dials.size + counters.open >= most) {
        native.abort(fd);
        continue;
      }
      if (this.#strangers.size >= MAX_STRANGERS) this.#strangers.values().next().value!.drop();
      const stranger = new Stranger(this.settings, this.#strangers, fd);
      this.#strangers.add(stranger);
      // The request has often come by now.
      stranger.onReadable();
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
  /** Set once it has shown a key. */
  #box: Box | undefined;
  #headEnd = 0;
  #bodyLength = 0;
  /** Of SIP004, until its client has proven itself. */
  #salt: Bytes | undefined;
  #drained = false;

  constructor(
    private readonly settings: Serving,
    private readonly all: Set<Stranger>,
    private readonly fd: number,
  ) {
    this.#tag = settings.reactor.add(fd, PollEvents.in, () => this.onReadable());
  }

  /** Ends it with a reset, whatever it is. */
  drop(): void {
    const { native, reactor } = this.settings;
    reactor.forget(this.#tag);
    native.abort(this.fd);
    this.#opener?.free();
    this.all.delete(this);
  }

  /** Reads what has come, if anything has. */
  onReadable(): void {
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
    const { legacy } = this.settings;
    if (legacy) return this.#onLegacy(legacy, input, length);
    if (this.#opener) return this.#more(input, length);
    // SIP022 3.1.4: salt and fixed header come in one read, or not at all.
    if (length < REQUEST_HEAD) return this.#reject("short");
    const shown = this.settings.boxes.openRequest(input, length, this.settings.now(), plain);
    if (typeof shown === "string") return this.#reject(shown);
    this.#opener = shown.opener;
    if (!this.settings.salts.add(input.subarray(0, SALT_BYTES))) return this.#reject("replay");
    this.#box = shown.box;
    this.#headEnd = shown.headEnd;
    this.#bodyLength = shown.bodyLength;
    this.#more(input, length);
  }

  /** Collects the rest of the header of a client that has shown it knows the key. */
  #more(input: Bytes, length: number): void {
    let bytes = input;
    let end = length;
    if (this.#bytes) {
      bytes = arena.join(this.#bytes, input, length);
      end = bytes.length;
    }
    const bodyEnd = this.#headEnd + this.#bodyLength + TAG_BYTES;
    if (end < bodyEnd) {
      this.#bytes = arena.copy(bytes, 0, end);
      return;
    }
    const opener = this.#opener!;
    const opened = openRequestBody(opener, bytes, this.#headEnd, this.#bodyLength, plain);
    if (typeof opened === "string") return this.#reject(opened);
    // Frames that came along are opened now, so that everything from here on is plain payload.
    const first = this.#bodyLength - opened.payloadOffset;
    const { output } = scratch;
    output.set(plain.subarray(opened.payloadOffset, this.#bodyLength));
    const more = opener.openFrames(bytes, bodyEnd, end - bodyEnd, output, first);
    if (more < 0) return this.#reject("forged");
    const { native } = this.settings;
    const box = this.#box!;
    const salt = randomBytes(native, SALT_BYTES);
    const requestSalt = arena.copy(bytes, 0, SALT_BYTES);
    const sealer = native.aead(METHOD, box.key, salt);
    const codec = new ServerCodec(this.settings, sealer, opener, salt, requestSalt, opened.saysEnd);
    this.#serve(box, codec, opened.target, arena.copy(output, 0, first + more));
  }

  /** SIP004: the salt, then frames whose payload begins with the target. */
  #onLegacy({ box, key }: NonNullable<ServeSettings["legacy"]>, input: Bytes, length: number): void {
    let at = 0;
    if (!this.#opener) {
      if (length < SALT_BYTES) return this.#reject("short");
      this.#opener = openLegacy(this.settings.native, key, input);
      this.#salt = arena.copy(input, 0, SALT_BYTES);
      at = SALT_BYTES;
    }
    const { output } = scratch;
    const opened = this.#opener.openFrames(input, at, length - at, output, 0);
    if (opened < 0) return this.#reject("forged");
    this.#bytes = this.#bytes ? arena.join(this.#bytes, output, opened) : arena.copy(output, 0, opened);
    const read = readTarget(this.#bytes, 0, this.#bytes.length);
    if (!read || this.#bytes.length > MAX_LEGACY_HEAD && !read.target) return this.#reject("malformed");
    // Remembered once the first frame has proven that its sender knows the key: forgeries fill no memory.
    if (opened > 0 && this.#salt) {
      if (!this.settings.salts.add(this.#salt)) return this.#reject("replay");
      this.#salt = undefined;
      box.lastSeen = this.settings.now();
    }
    if (!read.target) return;
    const { native } = this.settings;
    const salt = randomBytes(native, SALT_BYTES);
    const codec = new LegacyCodec(native.aead("aes-256-gcm", key, salt), this.#opener, salt);
    this.#serve(box, codec, read.target, this.#bytes.subarray(read.length));
  }

  /** From here on it is a client: its target is dialled. */
  #serve(box: Box, codec: Codec, target: Target, first: Bytes): void {
    const { native, reactor, counters, assembly } = this.settings;
    const striped = isReserved(target) ? assembly : undefined;
    if (!striped) {
      counters.total++;
      if (counters.total % PROTOCOL_SAMPLE === 1) counters[native.isMptcp(this.fd) ? "mptcp" : "tcp"]++;
    }
    this.#opener = undefined;
    this.all.delete(this);
    const sealed: Registered = { fd: this.fd, tag: this.#tag, watched: PollEvents.in };
    // Nobody listens until the target is there; should the client say more, it is not looked at again before.
    reactor.handle(this.#tag, () => {
      sealed.watched = 0;
      reactor.watch(sealed.fd, sealed.tag, 0);
    });
    if (striped) striped.take(box, sealed, codec, first);
    else dial(this.settings, box, sealed, codec, target, first);
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

/** Connects to the target, if it may be, and begins to relay. */
function dial(
  settings: Serving,
  box: Box,
  sealed: Registered,
  codec: Codec,
  target: Target,
  first: Bytes,
): void {
  const { native, reactor, counters, boxes } = settings;
  let isOver = false;
  const place = boxes.enter(box, performance.now());
  const refused = () => {
    if (isOver) return;
    isOver = true;
    place?.leave();
    counters.refused++;
    // The box must be able to tell a target that refuses from a peer that does.
    native.write(sealed.fd, scratch.output, 0, codec.answer?.(scratch.output) ?? 0);
    reactor.forget(sealed.tag);
    native.abort(sealed.fd);
    codec.free();
  };
  if (!place) return refused();
  place.end = refused;
  const connected = (plain: Registered) => {
    if (isOver) {
      reactor.forget(plain.tag);
      native.abort(plain.fd);
      return;
    }
    place.dialled();
    const relay = new Relay(native, reactor, plain, sealed, codec, counters, () => place.leave());
    place.end = () => relay.reset();
    counters.bytesToPlain += first.length;
    relay.deliver(first);
  };
  settings.dials.open(box, target, first, () => isOver, (plain) => plain ? connected(plain) : refused());
}

/** Frames both ways, with the response header before the first that goes back. */
class ServerCodec extends FrameCodec implements Codec {
  /** Its own and the request's, until they are said. */
  #salts: [Bytes, Bytes] | undefined;

  constructor(
    private readonly settings: Serving,
    sealer: AeadSession,
    opener: AeadSession,
    salt: Bytes,
    requestSalt: Bytes,
    readonly saysEnd: boolean,
  ) {
    super(sealer, opener);
    this.#salts = [salt, requestSalt];
  }

  get hasEnded(): boolean {
    return this.saysEnd && this.opener!.metEmpty;
  }

  override seal(input: Bytes, length: number, output: Bytes): number {
    if (!this.#salts) return super.seal(input, length, output);
    const [salt, requestSalt] = this.#salts;
    this.#salts = undefined;
    const { saysEnd } = this;
    return sealResponse(this.sealer, salt, requestSalt, input, length, this.settings.now(), saysEnd, output);
  }

  answer(output: Bytes): number {
    return this.#salts ? this.seal(output, 0, output) : 0;
  }

  /** A target that ends without a word still gets its answer told, so that the box knows it was not refused. */
  finish(output: Bytes): number {
    const answered = this.answer(output);
    return this.saysEnd ? answered + this.sealer.sealEmpty(output, answered) : answered;
  }
}
