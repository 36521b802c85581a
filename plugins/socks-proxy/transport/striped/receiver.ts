// The way in of a striped stream: what comes over all links is put in order, handed to the plain connection, and confirmed.
import type { Carrier } from "./carrier.ts";
import type { Carriers } from "./carriers.ts";
import { ACK, ALL_CAME } from "./frames.ts";
import type { Host } from "./host.ts";
import { Inbox } from "./inbox.ts";
import type { PlainSide } from "./plain.ts";
import type { Outcome } from "./sender.ts";
import { Window } from "./window.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** So much is confirmed at once; less with the next beat. */
const ACK_EVERY_BYTES = 32_768;

export class Receiver {
  readonly #inbox = new Inbox();
  readonly #window = new Window();
  /** Progress that was told over one connection, and over every one. */
  #told = 0;
  #toldEverywhere = 0;
  /** Something came twice: the other end may have missed what was confirmed. */
  #isDoubted = false;
  /** All has come and was handed over, and the other end was told. */
  #isDone = false;
  #isOver = false;
  /** What it holds, as the sum of all has it. */
  #counted = 0;

  constructor(
    private readonly host: Host,
    private readonly plain: PlainSide,
    private readonly carriers: Carriers,
    private readonly outcome: Outcome,
  ) {}

  get isDone(): boolean {
    return this.#isDone;
  }

  /** Something waits, is not confirmed yet, or came a moment ago. */
  get isBusy(): boolean {
    return this.#inbox.held > 0 || this.#progress > this.#toldEverywhere || this.#isDoubted ||
      this.#window.isMoving(this.#inbox.next);
  }

  /** What has come is confirmed, and what was handed over makes room for more: grows with either. */
  get #progress(): number {
    return this.#inbox.come + this.#inbox.next;
  }

  /** Bytes that were handed over. */
  get moved(): number {
    return this.#inbox.next;
  }

  /** A piece has come. */
  data(offset: number, bytes: Bytes, at: number, length: number): void {
    const { doubled } = this.#inbox;
    const isFair = this.#inbox.take(offset, bytes, at, length, this.#window.limit, this.#deliver);
    this.#isDoubted ||= this.#inbox.doubled > doubled;
    const isRoom = this.#count();
    if (this.#isOver) return;
    if (!isFair || !isRoom) return this.outcome.broke("far");
    this.#afterDelivery();
  }

  /** The other end says how long the stream is. */
  end(offset: number): void {
    if (!this.#inbox.ended(offset)) return this.outcome.broke("far");
    // Said once more: it may not know that all has come.
    this.#isDoubted ||= this.#isDone;
    this.#afterDelivery();
  }

  /** The plain connection takes more again. */
  drain(): void {
    this.#inbox.drain(this.#deliver);
    this.#count();
    if (!this.#isOver) this.#afterDelivery();
  }

  /** A regular look. */
  beat(nowMs: number): void {
    this.#window.beat(this.#inbox.next, nowMs, this.carriers.worstRttMs);
    this.confirm(true);
  }

  /** Confirms what has come: over one connection when it is much, over every one with each beat. */
  confirm(isBeat: boolean): void {
    const progress = this.#progress;
    if (!isBeat) {
      if (progress - this.#told < 2 * ACK_EVERY_BYTES) return;
      const near = this.carriers.near();
      if (!near?.isFlushed) return;
      this.greet(near);
    } else if (progress > this.#toldEverywhere || this.#isDoubted) {
      this.#isDoubted = false;
      this.#toldEverywhere = progress;
      this.#everywhere();
    } else return;
    this.#told = progress;
    this.outcome.lively();
  }

  /** Says over a connection how far this end is. */
  greet(carrier: Carrier): void {
    const { next, come } = this.#inbox;
    const window = this.#window.tell(next, come, this.host.held);
    this.carriers.say(carrier, ACK, this.#isDone ? ALL_CAME : 0, window, come);
  }

  /** Gives all memory back. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.host.held.add(-this.#counted);
  }

  /** Where the kernel takes no more it is told later: words must not pile up. */
  #everywhere(): void {
    for (const carrier of [...this.carriers.all]) {
      if (carrier.isFlushed) this.greet(carrier);
      else this.#isDoubted = true;
    }
  }

  readonly #deliver = (bytes: Bytes, at: number, length: number): number => {
    if (this.#isOver) return 0;
    const sent = this.plain.write(bytes, at, length);
    if (sent < 0) {
      this.outcome.broke("plain");
      return 0;
    }
    this.host.counters.bytesToPlain += sent;
    return sent;
  };

  /** Keeps the sum of what all streams hold; false when that is too much. */
  #count(): boolean {
    const { memory } = this.#inbox;
    const grown = memory - this.#counted;
    if (this.#isOver || grown === 0) return true;
    this.#counted = memory;
    this.host.held.add(grown);
    return grown < 0 || this.host.held.hasRoom(memory);
  }

  #afterDelivery(): void {
    if (!this.#inbox.isDone || this.#isDone) return;
    this.#isDone = true;
    this.plain.shutdown();
    this.#everywhere();
    this.outcome.lively();
  }
}
