// The event loop of the data plane: datagrams to sessions, packets to the TUN device, and back, on the plugin's own thread; it shares
// the thread fairly with Deno's loop.
import { setImmediate } from "node:timers";
import {
  ADDRESS_BYTES,
  Errno,
  FIRST_PACKET,
  MAX_PACKETS,
  type Native,
  type Poll,
  PollEvents,
  RAW_TAG,
  RECORD_WORDS,
  type Tun,
  TunnelRecord as Word,
  WAKE_TAG,
} from "../../../core/native/ffi.ts";
import { HEADER_AT, PACKET_AT, STRIDE } from "./arena.ts";
import { ClockLeap } from "./clock_leap.ts";
import type { Session } from "../session/session.ts";
import { READ_SLOTS, Shared } from "./shared.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Deno's own loop runs at least this often while packets come. */
const YIELD_EVERY_MS = 5;
/** After work the thread waits so long by itself and looks so often again: cheaper than to be woken on another thread. */
const LINGER_MS = 1, LINGER_YIELDS = 16;
const IDLE_WAIT_MS = 1_000;
/** Reads of one descriptor before the next one has its turn. */
const ROUNDS = 8;
const EVENTS = 64;
/** Records of one call of the library's receiver. */
const RECORDS = 1_024;
const TUN_TAG = 0;

/** What an end does with what belongs to no running session, and where packets go. */
export interface Host {
  /** The session that an IP packet at `offset` of the sending arena leaves by. */
  route(bytes: Bytes, offset: number): Session | undefined;
  /** A data packet came over a path that the session does not know, or from elsewhere than before. */
  arrived(session: Session, path: number, fd: number, ends: Ends, counter: number): void;
  /** The first packet under new keys came. */
  proved(session: Session): void;
  /** A datagram that is no data packet: a handshake, or anything. */
  raw(fd: number, message: Bytes, ends: Ends): void;
  /** This machine may have been restored from a snapshot: what it seals next it may have sealed before. */
  leapt(): void;
}

/** Where a datagram came from, and which own address it came to: address records. */
export interface Ends {
  remote: Bytes;
  local: Bytes;
}

export class Pump {
  readonly shared: Shared;
  /** By tag. */
  readonly sessions: (Session | undefined)[] = [];
  #tun: Tun | undefined;
  #onLost = () => {};
  readonly #poll: Poll;
  readonly #events = new Uint32Array(2 * EVENTS);
  readonly #fds: (number | undefined)[] = [];
  readonly #readSlots: Bytes;
  readonly #sizes = new Uint32Array(READ_SLOTS);
  readonly #records = new Uint32Array(RECORDS * RECORD_WORDS);
  readonly #recordBytes = new Uint8Array(this.#records.buffer);
  readonly #spans = new Uint32Array(2 * MAX_PACKETS);
  readonly #clocks = new ClockLeap();
  #isStopped = false;
  #done: Promise<void> | undefined;

  constructor(private readonly native: Native, private readonly host: Host) {
    this.shared = new Shared(native);
    this.shared.flush = () => this.#flush();
    this.#readSlots = this.shared.out.bytes.subarray(0, READ_SLOTS * STRIDE);
    this.#poll = native.poll();
  }

  /** Microseconds that never go back. */
  now(): number {
    return performance.now() * 1_000;
  }

  /** Takes the device's packets from now on; `onLost` is called when there will be none any more. */
  open(tun: Tun, onLost: () => void): void {
    this.#tun = tun;
    this.#onLost = onLost;
    this.#poll.set(tun.fd, PollEvents.in, TUN_TAG);
    this.#poll.wake();
  }

  /** Forgets the device, which is about to be closed. */
  release(): void {
    if (this.#tun) this.#poll.remove(this.#tun.fd);
    this.#tun = undefined;
  }

  /** Reads this socket from now on. */
  add(fd: number): void {
    const free = this.#fds.indexOf(undefined);
    const place = free < 0 ? this.#fds.length : free;
    this.#fds[place] = fd;
    this.#poll.set(fd, PollEvents.in, TUN_TAG + 1 + place);
    this.#poll.wake();
  }

  /** Forgets a socket that is about to be closed. */
  remove(fd: number): void {
    const place = this.#fds.indexOf(fd);
    if (place < 0) return;
    this.#fds[place] = undefined;
    this.#poll.remove(fd);
  }

  /** The number of a new session. */
  freeTag(): number {
    const free = this.sessions.indexOf(undefined);
    return free < 0 ? this.sessions.length : free;
  }

  /** Wakes the loop, as something is to be sent. */
  wake(): void {
    this.#poll.wake();
  }

  run(): Promise<void> {
    return this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#poll.wake();
    await this.#done;
  }

  async #run(): Promise<void> {
    let yieldedMs = performance.now();
    let isBusy = false;
    while (!this.#isStopped) {
      const waitMs = Math.max(0, Math.min(IDLE_WAIT_MS, Math.ceil((this.#nextUs() - this.now()) / 1_000)));
      let count: number = isBusy
        ? this.#poll.wait(this.#events, Math.min(LINGER_MS, waitMs), LINGER_YIELDS)
        : this.#poll.wait(this.#events, 0);
      isBusy = count > 0;
      if (!isBusy && waitMs > 0) {
        count = await this.#poll.waitAsync(this.#events, waitMs);
        yieldedMs = performance.now();
      }
      this.#turn(count);
      if (performance.now() - yieldedMs > YIELD_EVERY_MS) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        yieldedMs = performance.now();
      }
    }
    this.#poll.close();
  }

  /** Sockets first: only then is it known what is late. */
  #turn(count: number): void {
    if (this.#clocks.haveLeapt(performance.now(), Date.now())) this.host.leapt();
    let hasPackets = false;
    for (let index = 0; index < count; index++) {
      const tag = this.#events[2 * index]!;
      if (tag === WAKE_TAG) continue;
      if (tag === TUN_TAG) hasPackets = true;
      else this.#readSocket(this.#fds[tag - TUN_TAG - 1]);
    }
    const nowUs = this.now();
    for (const session of this.sessions) {
      if (!session) continue;
      if (session.reorder.readyCount > 0 || session.reorder.nextUs <= nowUs) this.#deliver(session, nowUs);
    }
    if (hasPackets) this.#readTun();
    this.#tick(this.now());
  }

  #nextUs(): number {
    let nextUs = Infinity;
    const nowUs = this.now();
    for (const session of this.sessions) {
      if (session) nextUs = Math.min(nextUs, session.reorder.nextUs, session.beat.nextUs(nowUs));
    }
    return nextUs;
  }

  #tick(nowUs: number): void {
    for (const session of this.sessions) session?.beat.tick(nowUs);
    this.#flush();
  }

  #flush(): void {
    for (const session of this.sessions) session?.flush();
    this.shared.release();
  }

  #readTun(): void {
    const tun = this.#tun, { out } = this.shared;
    for (let round = 0; tun && round < ROUNDS; round++) {
      const count = tun.receive(this.#readSlots, STRIDE, PACKET_AT, this.#sizes);
      if (count === -Errno.EIO) continue;
      // It is reported ready for ever from now on.
      if (count === -Errno.EBADFD) return this.#onLost();
      if (count <= 0) return;
      const nowUs = this.now();
      for (let index = 0; index < count; index++) {
        const offset = index * STRIDE + PACKET_AT;
        const session = this.host.route(out.bytes, offset);
        if (session) session.transmit(offset, this.#sizes[index]!, nowUs);
      }
      this.#flush();
    }
  }

  #readSocket(fd: number | undefined): void {
    if (fd === undefined) return;
    const { shared } = this;
    const { slots, in: arena, receiver } = shared;
    for (let round = 0; round < ROUNDS; round++) {
      const count = receiver.receive(
        fd,
        arena.bytes,
        STRIDE,
        HEADER,
        slots.ready,
        slots.readyCount,
        this.#records,
      );
      if (count <= 0) return;
      slots.refill(count);
      const nowUs = this.now();
      for (let index = 0; index < count; index++) this.#take(fd, index * RECORD_WORDS, nowUs);
      for (const session of this.sessions) if (session) this.#deliver(session, nowUs);
    }
  }

  #take(fd: number, at: number, nowUs: number): void {
    const records = this.#records;
    const slot = records[at + Word.slot]!, length = records[at + Word.length]!, tag = records[at + Word.tag]!;
    const { shared, host } = this;
    if (tag === RAW_TAG) {
      const from = slot * STRIDE + HEADER;
      host.raw(fd, shared.in.bytes.slice(from, from + length), this.#ends(at));
      return shared.slots.free(slot);
    }
    const session = this.sessions[tag], index = records[at + Word.path]!;
    if (!session) return shared.slots.free(slot);
    // Exact up to 2^53, which takes centuries; 32 bits take hours.
    const counter = records[at + Word.counterHigh]! * 2 ** 32 + records[at + Word.counterLow]!;
    if ((records[at + Word.flags]! & FIRST_PACKET) !== 0) host.proved(session);
    const path = session.paths[index];
    if (!path || !isSame(path.ends, records, at + Word.remote)) {
      host.arrived(session, index, fd, this.#ends(at), counter);
    }
    if (path && counter > path.newestCounter) path.newestCounter = counter;
    session.receive(
      slot,
      length,
      index,
      counter,
      records[at + Word.wireBytes]!,
      records[at + Word.tos]!,
      nowUs - records[at + Word.ageMicros]!,
    );
  }

  #ends(at: number): Ends {
    const record = (word: number) =>
      this.#recordBytes.slice(4 * (at + word), 4 * (at + word) + ADDRESS_BYTES);
    return { remote: record(Word.remote), local: record(Word.local) };
  }

  /** Packets that are in order go to the device, as many at once as it takes. */
  #deliver(session: Session, nowUs: number): void {
    const { reorder } = session;
    reorder.release(nowUs);
    const { ready, readyCount } = reorder;
    if (readyCount === 0) return;
    const { shared } = this;
    for (let start = 0; start < readyCount; start += MAX_PACKETS) {
      const end = Math.min(readyCount, start + MAX_PACKETS);
      for (let index = start; index < end; index++) {
        const slot = ready[index]!;
        this.#spans[2 * (index - start)] = slot * STRIDE + PACKET_AT;
        this.#spans[2 * (index - start) + 1] = shared.lengths[slot]!;
      }
      this.#tun?.send(shared.in.bytes, this.#spans, end - start);
    }
    for (let index = 0; index < readyCount; index++) shared.slots.free(ready[index]!);
    reorder.readyCount = 0;
  }
}

/** Where the library puts what it opened: the sealed header first. */
const HEADER = HEADER_AT;

/** Whether a record has these ends: remote and local stand side by side there as well. */
function isSame(ends: Uint32Array, records: Uint32Array, at: number): boolean {
  for (let index = 0; index < ends.length; index++) if (ends[index] !== records[at + index]) return false;
  return true;
}
