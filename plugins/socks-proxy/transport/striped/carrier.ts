// One sealed connection of a striped stream: a way over one link, which may break at any moment.
import type { Native } from "../../../../core/native/ffi.ts";
import { Errno, PollEvents } from "../../../../core/native/ffi.ts";
import type { Reactor } from "../../relay/reactor.ts";
import { type Codec, type Registered, scratch } from "../../relay/relay.ts";
import { FrameReader, type Sink } from "./frames.ts";
import { Gauge } from "./gauge.ts";
import type { Line } from "./line.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * A connection takes more while fewer bytes than this were never sent, as what waits here can't go elsewhere: what it carries while
 * nobody looks, within these bounds.
 */
const UNSENT_MS = 4, LEAST_UNSENT_BYTES = 16_384, MOST_UNSENT_BYTES = 2 ** 20;

/** Who was heard of within this time is alive. */
const ALIVE_MS = 500;

export class Carrier {
  readonly gauge = new Gauge();
  readonly #frames = new FrameReader();
  /** Sealed bytes that the kernel did not take. */
  #rest: Bytes | undefined;
  #restAt = 0;
  #watched: number;
  /** Nothing goes over it any more. */
  isGone = false;
  /** The end of the stream was said over it. */
  isEndTold = false;
  #wantsRoom = false;
  #isShutting = false;
  /** When anything last came. */
  heardMs: number;
  /** Told once, when anything first came. */
  onHeard: (() => void) | undefined;
  /** It has data in flight and hears nothing. */
  isSilent = false;
  /**
   * Its link stopped answering and nothing was heard over it since: the other end's kernel may wait for seconds before it sends
   * again what was lost, though the link is back.
   */
  isOut = false;
  /** Sealed bytes that it was given, and how far the other end's kernel has them: what is behind is under way. */
  given = 0;
  arrived = 0;
  #segments = 0;
  #lost = 0;
  #congestion = "";
  #unsentBytes = LEAST_UNSENT_BYTES;
  readonly fd: number;
  readonly tag: number;

  /** @param link its name; undefined where it does not matter */
  constructor(
    private readonly native: Native,
    private readonly reactor: Reactor,
    { fd, tag, watched }: Registered,
    readonly codec: Codec,
    readonly link: string | undefined,
    readonly line: Line,
    nowMs: number,
  ) {
    this.fd = fd;
    this.tag = tag;
    this.#watched = watched;
    this.heardMs = nowMs;
    native.setNotSentLowat(fd, this.#unsentBytes);
    this.#follow();
  }

  /** Everything together has more without it. */
  get isHeld(): boolean {
    return this.line.account.isHeld;
  }

  /** Nothing of ours waits for it, and little for the network. */
  get canTake(): boolean {
    return !this.isGone && !this.#rest && this.native.unsent(this.fd) < this.#unsentBytes;
  }

  /** Nothing of ours waits for it. */
  get isFlushed(): boolean {
    return !this.#rest;
  }

  /** Seals and sends `length` bytes of `input`. False: it is broken. @param output room for them sealed */
  send(input: Bytes, length: number, output: Bytes): boolean {
    const sealed = this.codec.seal(input, length, output);
    if (sealed < 0) return false;
    this.gauge.sent(sealed);
    this.given += sealed;
    if (this.#rest) {
      const joined = new Uint8Array(this.#rest.length - this.#restAt + sealed);
      joined.set(this.#rest.subarray(this.#restAt));
      joined.set(output.subarray(0, sealed), this.#rest.length - this.#restAt);
      this.#rest = joined;
      this.#restAt = 0;
      return true;
    }
    let sent = this.native.write(this.fd, output, 0, sealed);
    if (sent < 0) {
      if (sent !== -Errno.EAGAIN && sent !== -Errno.EINTR) return false;
      sent = 0;
    }
    if (sent < sealed) {
      this.#rest = output.slice(sent, sealed);
      this.#restAt = 0;
    }
    return true;
  }

  /** Sends what waits. False: it is broken. */
  flush(): boolean {
    if (!this.#rest) return true;
    const sent = this.native.write(this.fd, this.#rest, this.#restAt, this.#rest.length - this.#restAt);
    if (sent < 0) return sent === -Errno.EAGAIN || sent === -Errno.EINTR;
    this.#restAt += sent;
    if (this.#restAt < this.#rest.length) return true;
    this.#rest = undefined;
    if (this.#isShutting) this.native.shutdown(this.fd);
    return true;
  }

  /** Reads what has come into `sink`; "end" when the other end said its last, "broken" when nothing more comes over it. */
  read(sink: Sink, nowMs: number): "more" | "end" | "broken" {
    const { input, output } = scratch;
    const length = this.native.read(this.fd, input, 0, input.length);
    if (length === -Errno.EAGAIN || length === -Errno.EINTR) return "more";
    if (length < 0) return "broken";
    if (length === 0) return "end";
    this.heardMs = nowMs;
    this.isSilent = this.isOut = false;
    this.onHeard?.();
    this.onHeard = undefined;
    const opened = this.codec.open(input, length, output);
    if (opened < 0 || !this.#frames.take(output, 0, opened, sink)) return "broken";
    return "more";
  }

  /** Frames that came along with the request. */
  take(bytes: Bytes, sink: Sink): boolean {
    return this.#frames.take(bytes, 0, bytes.length, sink);
  }

  /** Reads the kernel's figures. */
  look(nowMs: number): void {
    const info = this.native.tcpInfo(this.fd);
    if (!info) return;
    this.gauge.read(info, nowMs);
    this.arrived = this.given - (this.#rest ? this.#rest.length - this.#restAt : 0) -
      Math.max(0, this.native.unconfirmed(this.fd));
    this.line.take({
      rttMs: info.rttUs / 1000,
      minRttMs: info.minRttUs / 1000,
      segments: info.dataSegmentsOut - this.#segments,
      lost: info.retransSegments - this.#lost,
    }, nowMs);
    this.#segments = info.dataSegmentsOut;
    this.#lost = info.retransSegments;
    this.#follow();
    const unsent = Math.min(
      MOST_UNSENT_BYTES,
      Math.max(LEAST_UNSENT_BYTES, this.gauge.rate * UNSENT_MS / 1000),
    );
    if (Math.abs(unsent - this.#unsentBytes) > this.#unsentBytes / 4) {
      this.#unsentBytes = Math.round(unsent);
      this.native.setNotSentLowat(this.fd, this.#unsentBytes);
    }
    const quietMs = Math.min(info.lastAckReceivedMs, nowMs - this.heardMs);
    this.isSilent = info.unacked > 0 && quietMs > Math.max(1_000, 4 * this.gauge.rttMs);
    const { account } = this.line;
    if (this.isSilent) account.silentMs = nowMs;
    else if (quietMs < ALIVE_MS) account.aliveMs = nowMs;
  }

  /** Has the kernel do as the line needs. */
  #follow(): void {
    if (this.line.congestion === this.#congestion) return;
    this.#congestion = this.line.congestion;
    this.native.setCongestion(this.fd, this.#congestion);
  }

  /** @param wantsRoom tell when it can take more */
  watch(wantsRoom = this.#wantsRoom): void {
    this.#wantsRoom = wantsRoom;
    const events = PollEvents.in | (wantsRoom || this.#rest ? PollEvents.out : 0);
    if (events === this.#watched) return;
    this.#watched = events;
    this.reactor.watch(this.fd, this.tag, events);
  }

  /** Says that no more comes from here, once everything is sent. */
  shutdown(): void {
    this.#isShutting = true;
    if (!this.#rest) this.native.shutdown(this.fd);
    this.watch(false);
  }

  /** @param inOrder everything was said; otherwise the other end gets a reset */
  close(inOrder: boolean): void {
    this.isGone = true;
    this.reactor.forget(this.tag);
    if (inOrder) this.native.closeInOrder(this.fd);
    else this.native.abort(this.fd);
    this.codec.free();
  }
}
