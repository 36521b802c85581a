// One carried connection: a plain socket and a sealed one, bytes moved both ways with back-pressure, half-close and reset.
// Both sockets reset on close: an end is told only when the other side told it, and who dies resets what it carried.
import {
  type AeadSession,
  Errno,
  type Native,
  openCapacity,
  PollEvents,
  readBuffer,
} from "../../../core/native/ffi.ts";
import type { Reactor } from "./reactor.ts";
import { refuse } from "./refusal.ts";
import { isLost } from "./vanished.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** One read: at least a frame's worth; more while the other side takes everything, which saves calls at high rates. */
const MIN_READ = 65_535, MAX_READ = 8 * MIN_READ;
/** Shared by all relays: a buffer holds bytes only while one event is handled. */
export const scratch: { input: Bytes; output: Bytes } = {
  input: readBuffer(MAX_READ),
  output: new Uint8Array(openCapacity(MAX_READ)),
};

/** Bytes that sockets did not take, of all relays together: near the bound no relay reads more at once than a little. */
export const waiting = { bytes: 0, mostBytes: 192 * 1024 * 1024 };
const LITTLE_READ = 4_096;

/** Counters of all relays of one process. */
export interface Counters {
  open: number;
  bytesToSealed: number;
  bytesToPlain: number;
  resets: number;
}

/** How the two directions are transformed. */
export interface Codec {
  /** Bytes stay as and where they are: what the rest costs is the difference. */
  raw?: boolean;
  /** Plain bytes in `input[0..length]` to sealed ones in `output`; returns their length. */
  seal(input: Bytes, length: number, output: Bytes): number;
  /** Sealed bytes to plain ones; negative when forged. */
  open(input: Bytes, length: number, output: Bytes): number;
  /** Bytes that must still be said when the plain side refuses before it has said anything. */
  answer?(output: Bytes): number;
  /** Bytes that must still be said when the plain side ends. */
  finish?(output: Bytes): number;
  /** Whether the sealed side says its end, so that an end of its socket alone is a cut. */
  readonly saysEnd?: boolean;
  /** It has said it. */
  readonly hasEnded?: boolean;
  /** It has answered, and with nothing: a reset now says that the target refused or stayed silent. */
  readonly isRefusal?: boolean;
  free(): void;
}

/** Frames both ways, after the headers. */
export class FrameCodec implements Codec {
  constructor(protected sealer: AeadSession, protected opener: AeadSession | undefined) {}

  seal(input: Bytes, length: number, output: Bytes): number {
    return this.sealer.sealFrames(input, 0, length, output, 0);
  }

  open(input: Bytes, length: number, output: Bytes): number {
    return this.opener!.openFrames(input, 0, length, output, 0);
  }

  free(): void {
    this.sealer.free();
    this.opener?.free();
  }
}

/** A descriptor in the reactor, and what is watched of it. */
export interface Registered {
  fd: number;
  tag: number;
  watched: number;
}

/** One end of a relay: its socket, and what it could not take yet. */
class Side {
  readonly fd: number;
  readonly tag: number;
  watched: number;
  /** Bytes on their way to this socket that it did not take. */
  rest: Bytes | undefined;
  restAt = 0;
  /** How much is read from it at once. */
  readBytes = MIN_READ;
  /** It said that it will send no more. */
  ended = false;
  /** We said the same to it. */
  shut = false;

  constructor({ fd, tag, watched }: Registered) {
    this.fd = fd;
    this.tag = tag;
    this.watched = watched;
  }
}

/** How much is read from a side at once now. */
function readable(side: Side): number {
  return waiting.bytes < waiting.mostBytes ? side.readBytes : LITTLE_READ;
}

/** Moves bytes until both directions have ended or one is reset. */
export class Relay {
  readonly #plain: Side;
  readonly #sealed: Side;
  #done = false;

  /**
   * Starts to move bytes between two connected sockets in the reactor, which it owns from now on.
   * @param onEnd told once, with the side that broke it when it did not end in order
   */
  constructor(
    private readonly native: Native,
    private readonly reactor: Reactor,
    plain: Registered,
    sealed: Registered,
    private readonly codec: Codec,
    private readonly counters: Counters,
    private readonly onEnd: (broken: "plain" | "sealed" | undefined) => void = () => {},
  ) {
    this.#plain = new Side(plain);
    this.#sealed = new Side(sealed);
    reactor.handle(plain.tag, (events) => this.#onPlain(events));
    reactor.handle(sealed.tag, (events) => this.#onSealed(events));
    reactor.nudge(sealed.tag);
    for (const side of codec.raw ? [this.#plain, this.#sealed] : [this.#plain]) {
      reactor.lookAfter(side.tag, () => this.#look(side));
    }
    this.#watch(this.#plain);
    this.#watch(this.#sealed);
    counters.open++;
  }

  /** What came with the header: plain bytes on to the plain socket, and the end, if it did. */
  deliver(bytes: Bytes): void {
    if (bytes.length > 0) this.#send(this.#plain, this.#sealed, bytes, 0, bytes.length);
    this.#takeEnd();
  }

  /** The plain side ended, now or before this relay began. */
  plainEnded(): void {
    const { output } = scratch;
    const last = this.codec.finish?.(output) ?? 0;
    if (last > 0) this.#send(this.#sealed, this.#plain, output, 0, last, true);
    if (!this.#done) this.#ended(this.#plain, this.#sealed);
  }

  /** Ends both sides with a reset: what is carried may be no longer. */
  reset(): void {
    this.#reset(this.#sealed);
  }

  /** Ends both sides with a reset, as `broken` did. */
  #reset(broken: Side): void {
    if (this.#done) return;
    this.counters.resets++;
    this.#end(broken);
  }

  /** An end of the kernel's is not seen by who waits for the other side. */
  #look(side: Side): void {
    if (isLost(this.native.tcpInfo(side.fd), side.ended && side.shut)) this.#reset(side);
  }

  #onPlain(events: number): void {
    if (events & PollEvents.out && !this.#flush(this.#plain, this.#sealed)) return;
    if (!(events & ~PollEvents.out) || this.#done || this.#plain.ended || this.#sealed.rest) return;
    const { input, output } = scratch;
    const length = this.native.read(this.#plain.fd, input, 0, readable(this.#plain));
    if (length > 0) {
      this.counters.bytesToSealed += length;
      const sealed = this.codec.seal(input, length, output);
      if (sealed < 0) return this.#reset(this.#plain);
      this.#send(this.#sealed, this.#plain, this.codec.raw ? input : output, 0, sealed);
    } else if (length === 0) this.plainEnded();
    else if (length !== -Errno.EAGAIN && length !== -Errno.EINTR) this.#reset(this.#plain);
  }

  #onSealed(events: number): void {
    if (events & PollEvents.out && !this.#flush(this.#sealed, this.#plain)) return;
    if (!(events & ~PollEvents.out) || this.#done || this.#sealed.ended || this.#plain.rest) return;
    const length = this.native.read(this.#sealed.fd, scratch.input, 0, readable(this.#sealed));
    if (length > 0) this.#open(scratch.input, length);
    else if (length === 0 && !this.codec.saysEnd) this.#ended(this.#sealed, this.#plain);
    else if (length === 0) this.#reset(this.#sealed);
    else if (length !== -Errno.EAGAIN && length !== -Errno.EINTR) this.#reset(this.#sealed);
  }

  #open(input: Bytes, length: number): void {
    const opened = this.codec.open(input, length, scratch.output);
    if (opened < 0) return this.#reset(this.#sealed);
    this.counters.bytesToPlain += opened;
    if (opened > 0) this.#send(this.#plain, this.#sealed, this.codec.raw ? input : scratch.output, 0, opened);
    this.#takeEnd();
  }

  /** Ends the sealed side's direction once it has said so. */
  #takeEnd(): void {
    if (this.codec.hasEnded && !this.#done && !this.#sealed.ended) this.#ended(this.#sealed, this.#plain);
  }

  /** Writes to one side; what it does not take is kept, and the other side is not read until it did. */
  #send(to: Side, from: Side, bytes: Bytes, offset: number, length: number, isLast = false): void {
    if (this.#done) return;
    if (to.rest) {
      // Only the few bytes of a last word can come while others wait.
      const joined = new Uint8Array(to.rest.length - to.restAt + length);
      joined.set(to.rest.subarray(to.restAt));
      joined.set(bytes.subarray(offset, offset + length), to.rest.length - to.restAt);
      waiting.bytes += joined.length - to.rest.length;
      to.rest = joined;
      to.restAt = 0;
      return;
    }
    let sent = isLast
      ? this.native.writeMore(to.fd, bytes, offset, length)
      : this.native.write(to.fd, bytes, offset, length);
    if (sent < 0) {
      if (sent !== -Errno.EAGAIN && sent !== -Errno.EINTR) return this.#reset(to);
      sent = 0;
    }
    if (sent === length) {
      if (length >= from.readBytes && from.readBytes < MAX_READ) from.readBytes *= 2;
      return;
    }
    from.readBytes = MIN_READ;
    to.rest = bytes.slice(offset + sent, offset + length);
    waiting.bytes += to.rest.length;
    to.restAt = 0;
    this.#watch(to);
    this.#watch(from);
  }

  /** Writes what waits; false when this ended the relay. */
  #flush(to: Side, from: Side): boolean {
    if (!to.rest) return true;
    const sent = this.native.write(to.fd, to.rest, to.restAt, to.rest.length - to.restAt);
    if (sent < 0) {
      if (sent === -Errno.EAGAIN || sent === -Errno.EINTR) return true;
      this.#reset(to);
      return false;
    }
    to.restAt += sent;
    if (to.restAt < to.rest.length) return true;
    waiting.bytes -= to.rest.length;
    to.rest = undefined;
    this.#watch(to);
    this.#watch(from);
    if (from.ended) this.#shut(to, from);
    return !this.#done;
  }

  #ended(side: Side, other: Side): void {
    side.ended = true;
    if (!other.rest) this.#shut(other, side);
    if (!this.#done) this.#watch(side);
  }

  /** Passes the end of one direction on; the relay is over when both have ended. */
  #shut(to: Side, from: Side): void {
    if (to.shut || this.#done) return;
    to.shut = true;
    // Closing says the same as the second end would.
    if (from.shut && to.ended) this.#end(undefined);
    else this.native.shutdown(to.fd);
  }

  #watch(side: Side): void {
    const other = side === this.#plain ? this.#sealed : this.#plain;
    const events = (side.ended || other.rest ? 0 : PollEvents.in) | (side.rest ? PollEvents.out : 0);
    if (events === side.watched) return;
    side.watched = events;
    this.reactor.watch(side.fd, side.tag, events);
  }

  #end(broken: Side | undefined): void {
    this.#done = true;
    this.counters.open--;
    waiting.bytes -= (this.#plain.rest?.length ?? 0) + (this.#sealed.rest?.length ?? 0);
    this.reactor.forget(this.#plain.tag);
    this.reactor.forget(this.#sealed.tag);
    if (broken) {
      if (broken === this.#sealed && this.codec.isRefusal) refuse(this.native, this.#plain.fd);
      else this.native.abort(this.#plain.fd);
      this.native.abort(this.#sealed.fd);
    } else {
      this.native.closeInOrder(this.#plain.fd);
      this.native.closeInOrder(this.#sealed.fd);
    }
    this.codec.free();
    this.onEnd(broken && (broken === this.#plain ? "plain" : "sealed"));
  }
}
