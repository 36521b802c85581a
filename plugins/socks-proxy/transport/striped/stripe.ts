// One striped stream: a plain connection on one side, sealed connections over all links on the other. The same at both ends.
// It ends in order only when both ends have said so inside it; connections may come and go meanwhile as they like.
import { PollEvents } from "../../../../core/native/ffi.ts";
import type { Codec, Registered } from "../../relay/relay.ts";
import { Carrier } from "./carrier.ts";
import { Carriers } from "./carriers.ts";
import { RESET, type Sink } from "./frames.ts";
import type { Host, Hosted } from "./host.ts";
import { PlainSide } from "./plain.ts";
import { Receiver } from "./receiver.ts";
import { type Outcome, Sender } from "./sender.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Connections of one stream: where there would be more, the one that was silent the longest goes. */
const MOST_CARRIERS = 16;

/** A stream without any connection is looked at so often, by who can make one. */
const BARE_LOOK_MS = 200;

/** What one stream tells whoever made it. */
export interface StripeEvents {
  /** Over, with the side that broke it when it did not end in order. */
  onEnd(broken: "plain" | "far" | undefined): void;
  /** A regular look while something is going on. */
  onBeat?(nowMs: number): void;
  /** The plain side is a device, whose target is refused where the other end has reached none. */
  isDevice?: boolean;
}

export class Stripe implements Sink, Outcome, Hosted {
  readonly #plain: PlainSide;
  readonly #carriers = new Carriers(this);
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  /** When everything was said; the connections are only closed in order now. */
  #farewellMs: number | undefined;
  #broken: "plain" | "far" | undefined;
  #hasEnded = false;
  #nextLookMs = 0;
  /** Anything was heard of the other end's stream. */
  isAnswered = false;
  /** When there was last a connection. */
  bareSinceMs: number | undefined;

  /** @param plain in the reactor; the stream's from now on, as its connections are */
  constructor(private readonly host: Host, plain: Registered, private readonly events: StripeEvents) {
    host.counters.open++;
    host.streams.add(this);
    this.#plain = new PlainSide(host.native, host.reactor, plain, (events) => this.#onPlain(events));
    this.#sender = new Sender(host, this.#plain, this.#carriers, this);
    this.#receiver = new Receiver(host, this.#plain, this.#carriers, this);
    host.reactor.lookAfter(plain.tag, () => {
      if (!this.isOver && this.#plain.isLost) this.#break("plain", true);
    });
    host.lively(this);
  }

  /** Nothing of it is carried any more. */
  get isOver(): boolean {
    return this.#hasEnded || this.#farewellMs !== undefined;
  }

  get carriers(): readonly Carrier[] {
    return this.#carriers.all;
  }

  get #isBare(): boolean {
    return this.carriers.length === 0;
  }

  /** Bytes that went either way. */
  get moved(): number {
    return this.#sender.moved + this.#receiver.moved;
  }

  /** Something waits for longer than it should. */
  isOverdue(nowMs: number): boolean {
    return this.#sender.isOverdue(nowMs);
  }

  /** Takes one more connection. @param came plain bytes that came along with its greeting */
  attach(registered: Registered, codec: Codec, link: string | undefined, came?: Bytes): Carrier {
    const { native, reactor } = this.host;
    const { all } = this.#carriers;
    if (all.length >= MOST_CARRIERS) this.lose(all.reduce((a, b) => b.heardMs < a.heardMs ? b : a));
    const line = this.host.line(registered.fd, link);
    const carrier = new Carrier(native, reactor, registered, codec, link, line, performance.now());
    this.#carriers.add(carrier);
    this.bareSinceMs = undefined;
    reactor.handle(registered.tag, (events) => this.#onCarrier(carrier, events));
    carrier.watch(false);
    if (came && came.length > 0 && !carrier.take(came, this)) this.lose(carrier);
    this.host.lively(this);
    if (!this.isOver) this.#sender.pump();
    return carrier;
  }

  /** Says how far this end is, so that who made the connection knows that it is through; or that all is over. */
  greet(carrier: Carrier): void {
    if (carrier.isGone) return;
    if (this.#broken) this.#carriers.say(carrier, RESET, 0, 0, 0);
    else this.#receiver.greet(carrier);
    if (this.isOver && !carrier.isGone) carrier.shutdown();
  }

  /** These bytes were said over a connection already, with its greeting. */
  said(bytes: Bytes, carrier: Carrier): void {
    this.#sender.said(bytes, carrier, performance.now());
  }

  /** The plain side ended before this began. */
  plainEnded(): void {
    this.#plain.hasEnded = true;
    this.#sender.pump();
  }

  /** A regular look; false when there is nothing to look after. */
  beat(nowMs: number): boolean {
    if (this.#farewellMs !== undefined && nowMs - this.#farewellMs > this.host.farewellMs) this.#closeAll();
    if (this.isOver) return !this.#hasEnded;
    if (this.#isBare && nowMs < this.#nextLookMs) return this.events.onBeat !== undefined;
    this.#nextLookMs = nowMs + BARE_LOOK_MS;
    for (const carrier of this.#carriers.all) carrier.look(nowMs);
    this.#receiver.beat(nowMs);
    if (!this.isOver && this.#sender.isBusy) this.#sender.pump();
    if (!this.isOver) this.events.onBeat?.(nowMs);
    if (this.isOver) return !this.#hasEnded;
    // The last connection may have broken within this very look.
    if (this.#isBare) return this.events.onBeat !== undefined;
    return this.#sender.isBusy || this.#receiver.isBusy || !this.isAnswered;
  }

  /** Ends it with a reset at both sides. */
  abort(): void {
    this.#break("far", true);
  }

  /** The same, without waiting for the other end; the kernel still sends what was said. */
  stop(): void {
    this.abort();
    this.#closeAll(true);
  }

  /** Goes on without a connection. */
  lose(carrier: Carrier, inOrder = false): void {
    if (carrier.isGone) return;
    carrier.close(inOrder);
    this.#carriers.remove(carrier);
    const { all } = this.#carriers;
    if (this.#farewellMs !== undefined) {
      // Who lost its connections asks again over another, and is told.
      if (all.length === 0 && (inOrder || this.#broken)) this.#finish();
      return;
    }
    this.#sender.lost(carrier);
    if (all.length === 0) this.bareSinceMs = performance.now();
    this.host.lively(this);
    // Not at once: whoever found it broken may be in the middle of something.
    queueMicrotask(() => this.#sender.pump());
  }

  /** From a connection: a piece of the stream. */
  data(offset: number, bytes: Bytes, at: number, length: number): void {
    if (this.#heard()) this.#receiver.data(offset, bytes, at, length);
  }

  /** From a connection: what the other end has. */
  ack(offset: number, window: number, allCame: boolean): void {
    if (!this.#heard()) return;
    if (!this.#sender.acknowledged(offset, window, allCame)) this.#break("far", true);
    else this.#maybeDone();
  }

  /** From a connection: how long the stream is. */
  end(offset: number): void {
    if (this.#heard()) this.#receiver.end(offset);
  }

  /** From a connection: the other end broke. */
  reset(): void {
    if (!this.#heard()) return;
    // A target that was reached had been told what was said, or had said something.
    const isReached = this.#sender.confirmed > 0 || this.#receiver.moved > 0;
    this.#break("far", false, this.events.isDevice && !isReached ? "refuse" : "reset");
  }

  /** From within: one side did what ends it. */
  broke(side: "plain" | "far"): void {
    this.#break(side, true);
  }

  /** From within: something is under way. */
  lively(): void {
    this.host.lively(this);
  }

  #heard(): boolean {
    this.isAnswered = true;
    return !this.isOver;
  }

  #onPlain(events: number): void {
    if (this.isOver) return;
    if (events & PollEvents.out && this.#plain.isBlocked) {
      this.#plain.unblock();
      this.#receiver.drain();
      this.#maybeDone();
    }
    if (events & ~PollEvents.out && !this.isOver) {
      this.#plain.isEmpty = false;
      this.#sender.pump();
    }
  }

  #onCarrier(carrier: Carrier, events: number): void {
    if (this.#hasEnded || carrier.isGone) return;
    if (events & PollEvents.out && !carrier.flush()) return this.lose(carrier);
    if (events & ~PollEvents.out) {
      const outcome = carrier.read(this, performance.now());
      // What was read may have ended it all.
      if (this.#hasEnded || carrier.isGone) return;
      if (outcome !== "more") return this.lose(carrier, outcome === "end");
    }
    if (this.isOver) return carrier.watch(false);
    this.#receiver.confirm(false);
    this.#maybeDone();
    if (this.isOver) return;
    this.host.lively(this);
    this.#sender.pump();
  }

  /** Both directions are over, and both ends know: what is left is to close the connections in order. */
  #maybeDone(): void {
    if (this.isOver || !this.#sender.isDone || !this.#receiver.isDone) return;
    this.#plain.close("in order");
    this.#leave();
  }

  /** One side broke: the other gets a reset. @param tell the other end does not know yet */
  #break(side: "plain" | "far", tell: boolean, how: "reset" | "refuse" = "reset"): void {
    if (this.isOver) return;
    this.host.counters.resets++;
    this.#broken = side;
    this.#plain.close(how);
    if (!tell) return this.#closeAll();
    this.#leave();
  }

  #leave(): void {
    this.#farewellMs = performance.now();
    // The last word over every connection, whatever waits in it.
    for (const carrier of [...this.carriers]) {
      // How far it came says whether the target was reached at all.
      if (this.#broken) this.#receiver.greet(carrier);
      this.greet(carrier);
    }
    this.#sender.close();
    this.#receiver.close();
    if (this.carriers.length === 0 && this.#broken) this.#finish();
    this.host.lively(this);
  }

  #closeAll(inOrder = false): void {
    this.#sender.close();
    this.#receiver.close();
    for (const carrier of this.carriers) carrier.close(inOrder);
    this.#carriers.all = [];
    this.#finish();
  }

  #finish(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.host.counters.open--;
    this.host.streams.delete(this);
    this.events.onEnd(this.#broken);
  }
}
