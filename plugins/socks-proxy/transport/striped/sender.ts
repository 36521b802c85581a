// The way out of a striped stream: from the plain connection over whichever links bring it first.
//
// A link takes the next chunk when it has sent what it was given, so each carries what it can. A chunk that is overdue, or that
// everybody waits for, goes once more over whichever link would bring it first.
import { scratch } from "../../relay/relay.ts";
import type { Carrier } from "./carrier.ts";
import type { Carriers } from "./carriers.ts";
import { DATA, END, HEAD_BYTES, MAX_CHUNK_BYTES, writeHead } from "./frames.ts";
import type { Host } from "./host.ts";
import { type Chunk, type Expected, Outbox } from "./outbox.ts";
import type { PlainSide } from "./plain.ts";
import { FIRST_WINDOW_BYTES } from "./window.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** So many chunks in one go; then others have their turn. */
const BURST = 16;
/** Somebody who waits is served by another link if that saves so much. */
const WORTH_MS = 20, WORTH_SHARE = 0.7;
/**
 * What has come as far as its connection says waits for others before it, and is confirmed with them: to send it again would cost the
 * links what they carry. An operator who confirms what he then loses makes such words worthless: in the end they are not believed.
 */
const DOUBT_SHARE = 2, DOUBT_MS = 500;
/** What went with the greeting should be confirmed after this time. */
const GREETING_DUE_MS = 1_000;

/** What a direction tells its stream. */
export interface Outcome {
  /** It is over, as one side broke. */
  broke(side: "plain" | "far"): void;
  /** A connection no longer works. */
  lose(carrier: Carrier): void;
  /** Something is under way: look after it. */
  lively(): void;
}

export class Sender {
  readonly #outbox = new Outbox<Carrier>();
  /** The other end takes bytes up to here. */
  #limit = FIRST_WINDOW_BYTES;
  #allCame = false;
  #isOver = false;
  /** What it waits for since it last looked: a hungry one has bytes that no link takes, or that have no room. */
  #isHungry = false;
  #blockedBy: Carrier | undefined;
  #lookedMs = 0;

  constructor(
    private readonly host: Host,
    private readonly plain: PlainSide,
    private readonly carriers: Carriers,
    private readonly outcome: Outcome,
  ) {}

  /** Everything was said, and the other end has it all, the end included. */
  get isDone(): boolean {
    return this.#allCame;
  }

  /** Something is under way, or the end is. */
  get isBusy(): boolean {
    return !this.#outbox.isEmpty || this.plain.hasEnded && !this.#allCame;
  }

  /** Bytes that were said. */
  get moved(): number {
    return this.#outbox.next;
  }

  /** Bytes that the other end has. */
  get confirmed(): number {
    return this.#outbox.acked;
  }

  /** Something waits for longer than it should. */
  isOverdue(nowMs: number): boolean {
    return this.#outbox.find((chunk) => isLate(chunk, nowMs)) !== undefined;
  }

  /** These bytes were said over a connection already, with its greeting. */
  said(bytes: Bytes, carrier: Carrier, nowMs: number): void {
    const { blocks } = this.host, { length } = bytes;
    const block = blocks.take();
    block.set(bytes, HEAD_BYTES);
    const dueMs = nowMs + GREETING_DUE_MS;
    this.host.totals.sent += length;
    this.#outbox.add(blocks.keep(block, length), length, carrier, {
      arrivesMs: nowMs + carrier.gauge.rttMs,
      dueMs,
      doubtMs: dueMs,
    });
  }

  /** Sends what can be sent. */
  pump(): void {
    if (this.#isOver) return;
    const nowMs = performance.now();
    this.#account(nowMs);
    for (let count = 0; count < BURST; count++) {
      const late = this.#outbox.find((chunk) => isLate(chunk, nowMs));
      const other = late && this.carriers.best(late.way);
      if (late && other && !other.isSilent) {
        this.#sendAgain(other, late, nowMs);
        if (this.#isOver) return;
        continue;
      }
      const carrier = this.carriers.best();
      if (!carrier) return this.#wait("room");
      const again = this.#outbox.find((chunk) => this.#isWanted(chunk, carrier, nowMs));
      if (again) this.#sendAgain(carrier, again, nowMs);
      else if (this.plain.hasEnded) {
        this.#tellEnd();
        return this.#wait("nothing");
      } else {
        const room = Math.min(this.#limit - this.#outbox.next, this.host.blocks.room(this.#outbox.unacked));
        if (room <= 0) {
          this.#blockedBy = this.#outbox.find(() => true)?.way;
          return this.#wait("nothing");
        }
        if (this.carriers.wouldBlock(carrier, room)) return this.#wait("better room");
        const most = Math.min(room, carrier.gauge.chunkBytes(MAX_CHUNK_BYTES));
        const length = this.#readOn(carrier, most, nowMs);
        if (length < 0) return this.outcome.broke("plain");
        if (length === 0 && !this.plain.hasEnded) return this.#wait("bytes");
      }
      if (this.#isOver) return;
    }
    // More in a moment: both are level-triggered.
    this.#wait("room");
  }

  /** The other end has everything before `offset` and takes `window` bytes more. False: it cannot have. */
  acknowledged(offset: number, window: number, allCame: boolean): boolean {
    const { acked } = this.#outbox;
    if (!this.#outbox.ack(offset, this.#free)) return false;
    this.host.totals.confirmed += this.#outbox.acked - acked;
    if (allCame && !(this.plain.hasEnded && offset === this.#outbox.next)) return false;
    this.#limit = Math.max(this.#limit, offset + window);
    this.#allCame ||= allCame;
    return true;
  }

  /** Nothing more comes over a connection: what it had goes over others. */
  lost(carrier: Carrier): void {
    this.#outbox.lost(carrier);
  }

  /** Gives all memory back. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.host.totals.sent -= this.#outbox.unacked;
    this.#outbox.clear(this.#free);
  }

  /** Whether a chunk that is not late elsewhere should go over this connection as well. */
  #isWanted(chunk: Chunk<Carrier>, carrier: Carrier, nowMs: number): boolean {
    const { way, length, arrivesMs } = chunk;
    if (way === carrier || carrier.isSilent || hasCome(chunk) && !way.isHeld) return false;
    // Everybody waits for the oldest when nothing new may or can be sent.
    const isWaiting = this.plain.hasEnded || this.plain.isEmpty || this.#outbox.next >= this.#limit;
    if (!isWaiting) return false;
    if (way.isHeld) return true;
    const here = carrier.gauge.arrivalMs(length), there = arrivesMs - nowMs;
    return here + WORTH_MS < there * WORTH_SHARE;
  }

  readonly #free = (block: Bytes, length: number) => this.host.blocks.give(block, length);

  /** Sends the next up to `most` bytes of the plain connection; answers as its `read`. */
  #readOn(carrier: Carrier, most: number, nowMs: number): number {
    const { blocks, counters, totals } = this.host;
    const block = blocks.take();
    const length = this.plain.read(block, HEAD_BYTES, most);
    if (length <= 0) {
      blocks.spare(block);
      return length;
    }
    counters.bytesToSealed += length;
    totals.sent += length;
    carrier.line.account.given += length;
    const expected = this.#expected(carrier, length, nowMs);
    this.#send(carrier, this.#outbox.add(blocks.keep(block, length), length, carrier, expected));
    return length;
  }

  #sendAgain(carrier: Carrier, chunk: Chunk<Carrier>, nowMs: number): void {
    chunk.way.line.account.overtaken += chunk.length;
    this.#outbox.resent(chunk, carrier, this.#expected(carrier, chunk.length, nowMs));
    this.#send(carrier, chunk);
  }

  #expected({ gauge }: Carrier, length: number, nowMs: number): Expected {
    return {
      arrivesMs: nowMs + gauge.arrivalMs(length),
      dueMs: nowMs + gauge.dueMs(length),
      doubtMs: nowMs + DOUBT_SHARE * this.carriers.worstDueMs + DOUBT_MS,
    };
  }

  #send(carrier: Carrier, chunk: Chunk<Carrier>): void {
    writeHead(chunk.block, 0, DATA, 0, chunk.length, chunk.offset);
    if (carrier.send(chunk.block, HEAD_BYTES + chunk.length, scratch.output)) chunk.end = carrier.given;
    else this.outcome.lose(carrier);
    this.outcome.lively();
  }

  /** Says where the stream ends, over every connection once: any may be the one that lives. */
  #tellEnd(): void {
    if (this.#allCame) return;
    for (const carrier of [...this.carriers.all]) {
      if (carrier.isEndTold) continue;
      carrier.isEndTold = true;
      this.carriers.say(carrier, END, 0, 0, this.#outbox.next);
      this.outcome.lively();
    }
  }

  /** Tells the guard how the time since the last look was spent. */
  #account(nowMs: number): void {
    const spentMs = nowMs - this.#lookedMs;
    if (this.#isHungry) this.host.totals.hungryMs += spentMs;
    if (this.#blockedBy) this.#blockedBy.line.account.blockedMs += spentMs;
    this.#lookedMs = nowMs;
    this.#blockedBy = undefined;
  }

  /** Waits for room in a connection, or in one that is full now, for something to send, or for neither. */
  #wait(what: "room" | "better room" | "bytes" | "nothing"): void {
    if (this.#isOver) return;
    this.#isHungry = what === "room" || what === "better room" || this.#blockedBy !== undefined;
    this.carriers.watch(what === "better room" ? "of the full" : what === "room");
    this.plain.watch(what === "bytes");
  }
}

function hasCome({ way, end }: Chunk<Carrier>): boolean {
  return way.arrived >= end;
}

/** Whether word of a chunk should have come by now. */
function isLate(chunk: Chunk<Carrier>, nowMs: number): boolean {
  // Who is held back may have said that it has come, and have it wait for long.
  if (chunk.way.isHeld) return nowMs >= Math.min(chunk.arrivesMs, chunk.dueMs);
  return nowMs >= (hasCome(chunk) ? chunk.doubtMs : chunk.dueMs);
}
