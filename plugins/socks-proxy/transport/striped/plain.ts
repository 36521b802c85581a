// The plain connection of a striped stream: to a device on the box, to a target on the peer.
import { Errno, type Native, PollEvents } from "../../../../core/native/ffi.ts";
import type { OnEvents, Reactor } from "../../relay/reactor.ts";
import { refuse } from "../../relay/refusal.ts";
import type { Registered } from "../../relay/relay.ts";
import { isLost } from "../../relay/vanished.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export class PlainSide {
  /** It said that it will send no more. */
  hasEnded = false;
  /** It took less than it was given, and tells when it takes more. */
  isBlocked = false;
  /** Nothing waits to be read, as far as is known. */
  isEmpty = false;
  readonly #fd: number;
  readonly #tag: number;
  #watched: number;
  #wantsMore = false;
  #isShut = false;

  constructor(
    private readonly native: Native,
    private readonly reactor: Reactor,
    { fd, tag, watched }: Registered,
    onEvents: OnEvents,
  ) {
    this.#fd = fd;
    this.#tag = tag;
    this.#watched = watched;
    reactor.handle(tag, onEvents);
  }

  /** Whether it is gone without a word. */
  get isLost(): boolean {
    return isLost(this.native.tcpInfo(this.#fd), this.hasEnded && this.#isShut);
  }

  /** Reads up to `most` bytes; 0 when there are none now or no more at all, negative when it broke. */
  read(into: Bytes, at: number, most: number): number {
    const length = this.native.read(this.#fd, into, at, most);
    this.isEmpty = length < most;
    if (length === -Errno.EAGAIN || length === -Errno.EINTR) return 0;
    if (length === 0) this.hasEnded = true;
    return length;
  }

  /** Writes what it takes; negative when it broke. */
  write(bytes: Bytes, at: number, length: number): number {
    if (this.isBlocked) return 0;
    const sent = this.native.write(this.#fd, bytes, at, length);
    if (sent < 0 && sent !== -Errno.EAGAIN && sent !== -Errno.EINTR) return sent;
    if (sent < length) {
      this.isBlocked = true;
      this.#follow();
    }
    return Math.max(0, sent);
  }

  /** @param wantsMore tell when there is something to read */
  watch(wantsMore: boolean): void {
    this.#wantsMore = wantsMore && !this.hasEnded;
    this.#follow();
  }

  /** It takes more again. */
  unblock(): void {
    this.isBlocked = false;
    this.#follow();
  }

  #follow(): void {
    const events = (this.#wantsMore ? PollEvents.in : 0) | (this.isBlocked ? PollEvents.out : 0);
    if (events === this.#watched) return;
    this.#watched = events;
    this.reactor.watch(this.#fd, this.#tag, events);
  }

  /** Passes the other end's end on. */
  shutdown(): void {
    this.#isShut = true;
    this.native.shutdown(this.#fd);
  }

  /** @param how both directions have ended; otherwise it hears a reset, by which its next one to that target is refused */
  close(how: "in order" | "reset" | "refuse"): void {
    this.reactor.forget(this.#tag);
    if (how === "refuse") refuse(this.native, this.#fd);
    else if (how === "in order") this.native.closeInOrder(this.#fd);
    else this.native.abort(this.#fd);
  }
}
