// One striped stream: a plain connection on one side, sealed connections over all links on the other. The same at both ends.
//
// A link takes the next chunk when it has sent what it was given, so each carries what it can. A chunk that is overdue, or that
// everybody waits for, goes once more over whichever link would bring it first; the receiver puts all in order.
import { Errno, type Native, PollEvents } from "../../../../core/native/ffi.ts";
import type { Reactor } from "../../reactor.ts";
import { type Codec, type Counters, type Registered, scratch } from "../../relay.ts";
import type { Blocks } from "./blocks.ts";
import { Carrier } from "./carrier.ts";
import {
  ACK,
  ALL_CAME,
  DATA,
  END,
  HEAD_BYTES,
  MAX_CHUNK_BYTES,
  RESET,
  type Sink,
  WINDOW_UNIT,
  writeHead,
} from "./frames.ts";
import type { Line } from "./line.ts";
import { Inbox } from "./inbox.ts";
import { type Chunk, Outbox } from "./outbox.ts";
import { FIRST_WINDOW_BYTES, Window } from "./window.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** So much is confirmed at once; less with the next beat. */
const ACK_EVERY_BYTES = 32_768;
/** So many chunks in one go; then others have their turn. */
const BURST = 16;
/** Somebody who waits is served by another link if that saves so much. */
const WORTH_MS = 20, WORTH_SHARE = 0.7;
/** All streams together keep no more than this of what they sent; each may always keep a little. */
const MAX_KEPT_BYTES = 48 * 2 ** 20, ALWAYS_KEPT_BYTES = 256 * 1024;
/** Once all is said, the other end has so long to say its last, milliseconds. */
const FAREWELL_MS = 5_000;

/** What streams of one process use together. */
export interface StripeHost {
  native: Native;
  reactor: Reactor;
  counters: Counters;
  blocks: Blocks;
  /** Bytes that all streams hold for order. */
  held: { bytes: number };
  /** What is known of the link that a connection uses. */
  line(fd: number, link: string | undefined): Line;
  /** Has `beat` called soon and regularly, until it answers false. */
  lively(stripe: Stripe): void;
}

/** What one stream tells whoever made it. */
export interface StripeEvents {
  /** Over; with the side that broke it when it did not end in order. */
  onEnd(broken: "plain" | "far" | undefined): void;
  /** A regular look while something is going on. */
  onBeat?(nowMs: number): void;
}

/** Frames without bytes are put together here: they may be sent while the shared buffers are read. */
const small = { input: new Uint8Array(HEAD_BYTES), output: new Uint8Array(1_024) };

export class Stripe {
  readonly carriers: Carrier[] = [];
  readonly inbox = new Inbox();
  readonly outbox = new Outbox<Carrier>();
  readonly #window = new Window();
  readonly #sink: Sink;
  /** The other end takes bytes up to here. */
  #limit = FIRST_WINDOW_BYTES;
  #ackedNext = 0;
  #ackedAll = false;
  #plainWatched: number;
  #plainEnded = false;
  #plainBlocked = false;
  #plainShut = false;
  /** Nothing waits to be read of the plain side, as far as is known. */
  #plainEmpty = false;
  #endTold = 0;
  #allCame = false;
  /** When everything was said; the connections are only closed in order now. */
  #farewellMs: number | undefined;
  #ended = false;
  /** Anything was heard of the other end's stream. */
  isAnswered = false;
  /** When there was last a connection. */
  bareSinceMs: number | undefined;

  constructor(
    private readonly host: StripeHost,
    private readonly plain: Registered,
    private readonly events: StripeEvents,
  ) {
    this.#plainWatched = plain.watched;
    host.counters.open++;
    host.reactor.handle(plain.tag, (events) => this.#onPlain(events));
    this.#sink = {
      data: (offset, bytes, at, length) => this.#onData(offset, bytes, at, length),
      ack: (offset, window, allCame) => this.#onAck(offset, window, allCame),
      end: (offset) => this.#onFarEnd(offset),
      reset: () => {
        this.isAnswered = true;
        this.#break("far", false);
      },
    };
    host.lively(this);
  }

  get isOver(): boolean {
    return this.#isOff;
  }

  /** Nothing of it is carried any more. */
  get #isOff(): boolean {
    return this.#ended || this.#farewellMs !== undefined;
  }

  /** Bytes that went either way. */
  get moved(): number {
    return this.outbox.next + this.inbox.next;
  }

  /** Takes one more connection. @param came plain bytes that came along with its greeting */
  attach(
    registered: Registered,
    codec: Codec,
    link: string | undefined,
    nowMs: number,
    came?: Bytes,
  ): Carrier {
    const { native, reactor } = this.host;
    const line = this.host.line(registered.fd, link);
    const carrier = new Carrier(native, reactor, registered, codec, link, line, nowMs);
    this.carriers.push(carrier);
    this.bareSinceMs = undefined;
    reactor.handle(registered.tag, (events) => this.#onCarrier(carrier, events));
    carrier.watch(false);
    if (came && came.length > 0 && !carrier.take(came, this.#sink)) this.#lose(carrier);
    if (this.inbox.next > 0 || this.#ackedAll) this.greet(carrier);
    this.host.lively(this);
    this.pump();
    return carrier;
  }

  /** Says over a connection how far this end is, so that who made it knows that it is through. */
  greet(carrier: Carrier): void {
    const window = Math.floor(this.#window.bytes(this.host.held.bytes) / WINDOW_UNIT);
    writeHead(small.input, 0, ACK, this.#ackedAll ? ALL_CAME : 0, window, this.inbox.next);
    if (carrier.isGone) return;
    if (!carrier.send(small.input, HEAD_BYTES, small.output)) this.#lose(carrier);
    else carrier.watch(false);
  }

  /** Goes on without a connection. */
  lose(carrier: Carrier): void {
    this.#lose(carrier);
  }

  /** Something waits for longer than it should. */
  isOverdue(nowMs: number): boolean {
    return this.outbox.find(({ dueMs }) => dueMs <= nowMs) !== undefined;
  }

  /** These bytes were said over a connection already, with its greeting. */
  said(bytes: Bytes, carrier: Carrier, nowMs: number): void {
    const { blocks } = this.host;
    const kept = blocks.copy(bytes, 0, bytes.length);
    this.outbox.add(kept, carrier, nowMs + carrier.gauge.rttMs, nowMs + 1_000);
  }

  /** The plain side ended before this began. */
  plainEnded(): void {
    this.#plainEnded = true;
    this.pump();
  }

  /** Sends what can be sent. */
  pump(): void {
    if (this.#isOff) return;
    const { native, counters, blocks } = this.host;
    const nowMs = performance.now();
    for (let count = 0; count < BURST; count++) {
      const carrier = this.#best();
      if (!carrier) return this.#wait(true);
      const again = this.outbox.find((chunk) => this.#isWanted(chunk, carrier, nowMs));
      if (again) {
        this.#send(carrier, again.offset, again.bytes, nowMs, again);
        continue;
      }
      if (this.#plainEnded) {
        this.#tellEnd();
        return this.#wait(false);
      }
      const room = this.#limit - this.outbox.next;
      const isFull = this.outbox.unacked > ALWAYS_KEPT_BYTES && blocks.used > MAX_KEPT_BYTES;
      if (room <= 0 || isFull) return this.#wait(false, true);
      const most = Math.min(room, carrier.gauge.chunkBytes(MAX_CHUNK_BYTES));
      const length = native.read(this.plain.fd, scratch.input, HEAD_BYTES, most);
      if (length > 0) {
        counters.bytesToSealed += length;
        this.#plainEmpty = length < most;
        const kept = blocks.copy(scratch.input, HEAD_BYTES, length);
        this.#send(carrier, this.outbox.next, kept, nowMs);
      } else if (length === 0) {
        this.#plainEnded = true;
      } else if (length === -Errno.EAGAIN || length === -Errno.EINTR) {
        this.#plainEmpty = true;
        return this.#wait(false);
      } else return this.#break("plain", true);
      if (this.#isOff) return;
    }
    // More in a moment: both are level-triggered.
    this.#wait(true);
  }

  /** A regular look; false when there is nothing to look after. */
  beat(nowMs: number): boolean {
    if (this.#ended) return false;
    if (this.#farewellMs !== undefined) {
      if (nowMs - this.#farewellMs > FAREWELL_MS) this.#closeAll(false);
      return !this.#ended;
    }
    for (const carrier of this.carriers) carrier.look(nowMs);
    this.#window.beat(this.inbox.next, nowMs, this.#worstRttMs());
    this.#acknowledge(true);
    if (!this.outbox.isEmpty || this.#plainEnded && !this.#allCame) {
      this.pump();
    }
    this.events.onBeat?.(nowMs);
    if (this.#ended) return false;
    return !this.outbox.isEmpty || this.inbox.held > 0 || this.inbox.next > this.#ackedNext ||
      this.#window.isMoving(nowMs) || this.#plainEnded || this.inbox.end !== undefined ||
      !this.isAnswered || this.carriers.length === 0;
  }

  /** Ends it with a reset at both sides. */
  abort(): void {
    this.#break("far", true);
  }

  /** The link that would bring something first, of those that take anything now. */
  #best(): Carrier | undefined {
    let best: Carrier | undefined, bestMs = Infinity;
    for (const carrier of this.carriers) {
      const arrivalMs = carrier.gauge.arrivalMs(carrier.gauge.chunkBytes(MAX_CHUNK_BYTES)) +
        (carrier.isSilent ? 10_000 : 0);
      if (arrivalMs < bestMs && carrier.canTake) {
        best = carrier;
        bestMs = arrivalMs;
      }
    }
    return best;
  }

  /** Whether a chunk under way elsewhere should go over this link as well. */
  #isWanted({ way, bytes, arrivesMs, dueMs }: Chunk<Carrier>, carrier: Carrier, nowMs: number): boolean {
    if (way === carrier || carrier.isSilent) return false;
    if (dueMs <= nowMs) return true;
    // Everybody waits for the oldest when nothing new may or can be sent.
    const isWaiting = this.#plainEnded || this.#plainEmpty || this.outbox.next >= this.#limit;
    if (!isWaiting) return false;
    const here = carrier.gauge.arrivalMs(bytes.length), there = arrivesMs - nowMs;
    return here + WORTH_MS < there * WORTH_SHARE;
  }

  #send(carrier: Carrier, offset: number, bytes: Bytes, nowMs: number, again?: Chunk<Carrier>): void {
    const { input } = scratch;
    const { gauge } = carrier;
    const arrivesMs = nowMs + gauge.arrivalMs(bytes.length), dueMs = nowMs + gauge.dueMs(bytes.length);
    if (again) {
      input.set(bytes, HEAD_BYTES);
      this.outbox.resent(again, carrier, arrivesMs, dueMs);
    } else this.outbox.add(bytes, carrier, arrivesMs, dueMs);
    writeHead(input, 0, DATA, 0, bytes.length, offset);
    if (!carrier.send(input, HEAD_BYTES + bytes.length, scratch.output)) this.#lose(carrier);
    this.host.lively(this);
  }

  /** Says where the stream ends, over every link once. */
  #tellEnd(): void {
    if (this.#endTold >= this.carriers.length) return;
    this.#endTold = this.carriers.length;
    this.#tell(END, 0, 0, this.outbox.next, true);
    this.host.lively(this);
  }

  /** Confirms what has come; a little only with `all`. */
  #acknowledge(all: boolean): void {
    const { inbox, host } = this;
    const isDone = inbox.isDone;
    const fresh = inbox.next - this.#ackedNext;
    if (fresh === 0 && isDone === this.#ackedAll || !all && fresh < ACK_EVERY_BYTES) return;
    this.#ackedNext = inbox.next;
    this.#ackedAll = isDone;
    const window = this.#window.bytes(host.held.bytes);
    this.#tell(ACK, isDone ? ALL_CAME : 0, Math.floor(window / WINDOW_UNIT), inbox.next, all || isDone);
    this.host.lively(this);
  }

  /** Sends a frame without bytes over every link, or the one that is heard of and near. */
  #tell(type: number, flags: number, size: number, offset: number, everywhere: boolean): void {
    let near: Carrier | undefined;
    for (const carrier of this.carriers) {
      if (!carrier.isSilent && (!near || this.#isNearer(carrier, near))) near = carrier;
    }
    for (const carrier of [...this.carriers]) {
      if (!everywhere && carrier !== near && near) continue;
      writeHead(small.input, 0, type, flags, size, offset);
      if (!carrier.send(small.input, HEAD_BYTES, small.output)) this.#lose(carrier);
      else carrier.watch(false);
    }
  }

  #isNearer(one: Carrier, other: Carrier): boolean {
    // Who was heard of just now is alive; of two such the nearer.
    const aheadMs = one.heardMs - other.heardMs;
    return aheadMs > 100 || aheadMs > -100 && one.gauge.rttMs < other.gauge.rttMs;
  }

  #worstRttMs(): number {
    return this.carriers.reduce((worst, { gauge }) => Math.max(worst, gauge.rttMs), 0);
  }

  /** Waits for room in a link, or for something to send. */
  #wait(forRoom: boolean, forWindow = false): void {
    if (this.#ended) return;
    for (const carrier of this.carriers) carrier.watch(forRoom);
    this.#watchPlain(!forRoom && !forWindow && !this.#plainEnded);
  }

  #watchPlain(wantsMore: boolean): void {
    const events = (wantsMore ? PollEvents.in : 0) | (this.#plainBlocked ? PollEvents.out : 0);
    if (events === this.#plainWatched) return;
    this.#plainWatched = events;
    this.host.reactor.watch(this.plain.fd, this.plain.tag, events);
  }

  #onPlain(events: number): void {
    if (this.#isOff) return;
    if (events & PollEvents.out && this.#plainBlocked) {
      this.#plainBlocked = false;
      this.#count(() => this.inbox.drain(this.#deliver));
      if (this.#isOff) return;
      this.#watchPlain((this.#plainWatched & PollEvents.in) !== 0);
      this.#afterDelivery();
    }
    if (events & ~PollEvents.out) {
      this.#plainEmpty = false;
      // A device that is gone is noticed though nothing may be sent now.
      if (events & (PollEvents.error | PollEvents.hangUp) && this.outbox.next >= this.#limit) {
        return this.#break("plain", true);
      }
      this.pump();
    }
  }

  #onCarrier(carrier: Carrier, events: number): void {
    if (this.#ended || carrier.isGone) return;
    const nowMs = performance.now();
    if (events & PollEvents.out && !carrier.flush()) return this.#lose(carrier);
    if (events & ~PollEvents.out) {
      const outcome = carrier.read(this.#sink, nowMs);
      if (this.#ended) return;
      if (outcome !== "more") return this.#left(carrier, outcome);
      this.#acknowledge(false);
      this.host.lively(this);
    }
    if (this.#farewellMs === undefined) this.pump();
    else carrier.watch(false);
  }

  readonly #deliver = (bytes: Bytes, at: number, length: number): number => {
    if (this.#plainBlocked || this.#isOff) return 0;
    const sent = this.host.native.write(this.plain.fd, bytes, at, length);
    if (sent < 0 && sent !== -Errno.EAGAIN && sent !== -Errno.EINTR) {
      this.#break("plain", true);
      return 0;
    }
    if (sent < length) this.#plainBlocked = true;
    if (sent <= 0) return 0;
    this.host.counters.bytesToPlain += sent;
    return sent;
  };

  #onData(offset: number, bytes: Bytes, at: number, length: number): void {
    if (this.#isOff) return;
    this.isAnswered = true;
    this.#count(() => {
      if (!this.inbox.take(offset, bytes, at, length, this.#window.limit(this.inbox.next), this.#deliver)) {
        this.#break("far", true);
      }
    });
    if (this.#isOff) return;
    if (this.#plainBlocked) this.#watchPlain((this.#plainWatched & PollEvents.in) !== 0);
    this.#afterDelivery();
  }

  /** Keeps the sum of what all streams hold. */
  #count(body: () => void): void {
    const before = this.inbox.held;
    body();
    this.host.held.bytes += this.inbox.held - before;
  }

  #onAck(offset: number, window: number, allCame: boolean): void {
    if (this.#isOff) return;
    this.isAnswered = true;
    if (!this.outbox.ack(offset, (bytes) => this.host.blocks.give(bytes))) return this.#break("far", true);
    this.#limit = Math.max(this.#limit, offset + window);
    if (allCame && this.#plainEnded && offset === this.outbox.next) {
      this.#allCame = true;
      this.#maybeDone();
    }
  }

  #onFarEnd(offset: number): void {
    if (this.#isOff) return;
    this.isAnswered = true;
    if (!this.inbox.ended(offset)) return this.#break("far", true);
    this.#afterDelivery();
  }

  #afterDelivery(): void {
    if (!this.inbox.isDone) return;
    if (!this.#plainShut) {
      this.#plainShut = true;
      this.host.native.shutdown(this.plain.fd);
    }
    this.#acknowledge(true);
    this.#maybeDone();
  }

  /** Both directions are over, and both ends know: what is left is to close the connections in order. */
  #maybeDone(): void {
    if (!this.#allCame || !this.inbox.isDone || this.#farewellMs !== undefined || this.#ended) return;
    this.#leave();
    this.host.native.closeInOrder(this.plain.fd);
    if (this.carriers.length === 0) this.#finish(undefined);
  }

  #leave(): void {
    this.#farewellMs = performance.now();
    this.host.reactor.forget(this.plain.tag);
    for (const carrier of this.carriers) {
      carrier.flush();
      carrier.shutdown();
      carrier.watch(false);
    }
    this.host.lively(this);
  }

  /** The other end said its last over a connection, or it broke. */
  #left(carrier: Carrier, outcome: "end" | "broken"): void {
    // It closes in order only once it has everything and has said everything.
    if (outcome === "end" && this.inbox.isDone && this.#plainEnded) this.#allCame = true;
    this.#lose(carrier, outcome === "end");
    if (this.#allCame) this.#maybeDone();
  }

  #lose(carrier: Carrier, inOrder = false): void {
    if (carrier.isGone) return;
    carrier.close(inOrder);
    this.carriers.splice(this.carriers.indexOf(carrier), 1);
    if (this.#farewellMs !== undefined) {
      if (this.carriers.length === 0) this.#finish(this.#broken);
      return;
    }
    this.outbox.lost(carrier);
    this.#endTold = 0;
    if (this.carriers.length === 0) this.bareSinceMs = performance.now();
    this.host.lively(this);
    // Not at once: whoever found it broken may be in the middle of something.
    queueMicrotask(() => this.pump());
  }

  #broken: "plain" | "far" | undefined;

  /** One side broke: the other gets a reset. @param tell the other end does not know yet */
  #break(side: "plain" | "far", tell: boolean): void {
    if (this.#isOff) return;
    this.host.counters.resets++;
    this.#broken = side;
    this.host.native.abort(this.plain.fd);
    if (tell && this.carriers.length > 0) {
      this.#farewellMs = performance.now();
      this.#tell(RESET, 0, 0, 0, true);
      this.#leave();
    } else {
      this.host.reactor.forget(this.plain.tag);
      this.#closeAll(false);
    }
  }

  #closeAll(inOrder: boolean): void {
    for (const carrier of [...this.carriers]) carrier.close(inOrder);
    this.carriers.length = 0;
    this.#finish(this.#broken);
  }

  #finish(broken: "plain" | "far" | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const { host } = this;
    host.counters.open--;
    host.held.bytes -= this.inbox.held;
    this.outbox.clear((bytes) => host.blocks.give(bytes));
    this.events.onEnd(broken);
  }
}
