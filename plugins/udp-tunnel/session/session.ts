// One box and one peer: packets into paths, and paths into packets in order. The same at both ends.
//
// Nothing is allocated per packet; what is decided is decided by the pure modules that SCHEDULING.md tells of.
import { Beat } from "./beat.ts";
import { HEADER_AT, PACKET_AT, STRIDE } from "../ends/arena.ts";
import { BULK, kindOf, REAL_TIME } from "../schedule/classify.ts";
import { Delivery, DROPPED, MAX_PATHS } from "../schedule/delivery.ts";
import { Epochs } from "./epochs.ts";
import { markCongestion } from "../schedule/flow_key.ts";
import { Fragments } from "./fragments.ts";
import { DelayZero } from "../paths/owd.ts";
import { BATCH, type TunnelPath } from "../paths/path.ts";
import { DUPLICATE, Reorder } from "../schedule/reorder.ts";
import type { Shared } from "../ends/shared.ts";
import {
  CLEAR_BYTES,
  CONTROL,
  FIRST_HALF,
  PACKET,
  PADDING,
  SEALED_BYTES,
  SealedHeader,
  SECOND_HALF,
  TAG_BYTES,
  TOS,
} from "../wire.ts";

const CONGESTED = 3;
/** IP packets are at least that long. */
const LEAST_PACKET = 20;
/** So long after the last packet the session counts as in use. */
const IN_USE_US = 2_000_000;

/** Since the session began. */
export interface SessionCounts {
  sent: number;
  received: number;
  /** No path had room. */
  refused: number;
  /** What came was no packet of this box, or broken. */
  bad: number;
}

export class Session {
  /** By the number of the path. */
  readonly paths: (TunnelPath | undefined)[] = new Array(MAX_PATHS).fill(undefined);
  readonly delivery = new Delivery();
  readonly reorder: Reorder;
  readonly epochs: Epochs;
  readonly beat: Beat;
  readonly counts: SessionCounts = { sent: 0, received: 0, refused: 0, bad: 0 };
  /** When a packet last went through, either way. */
  usedUs = -Infinity;
  /** When a packet of a call last went through, either way. */
  calledUs = -Infinity;
  /** When anything last came. */
  heardUs: number;
  #global = 0;
  readonly #zero = new DelayZero();
  readonly #fragments: Fragments;
  readonly #header = new SealedHeader();
  readonly #free = (slot: number) => this.shared.slots.free(slot);

  /**
   * @param tag its number in this process
   * @param mayCome whether an IP packet (offset in the receiving arena) may come from the far end
   * @param isCloud the cloud follows the box's addresses and wishes
   */
  constructor(
    readonly shared: Shared,
    readonly tag: number,
    nowUs: number,
    readonly isCloud: boolean,
    private readonly mayCome: (offset: number) => boolean,
  ) {
    this.reorder = new Reorder(shared.in.slots, shared.room);
    this.#fragments = new Fragments(shared.room);
    this.epochs = new Epochs(shared.receiver, tag);
    this.beat = new Beat(this);
    this.heardUs = nowUs;
  }

  isInUse(nowUs: number): boolean {
    return nowUs - this.usedUs < IN_USE_US;
  }

  /** Takes the IP packet at `offset` of the sending arena; it leaves with `flush`. */
  transmit(offset: number, length: number, nowUs: number): void {
    const { delivery, shared: { classifier, out } } = this;
    if (!classifier.classify(out.bytes, offset, length, nowUs)) return;
    const { kind, key: { ecn } } = classifier;
    this.usedUs = nowUs;
    const index = delivery.choose(
      length + CLEAR_BYTES + SEALED_BYTES + TAG_BYTES + 28,
      kind,
      classifier.stream,
      classifier.flow,
      classifier.rateBitsPerSecond,
      ecn !== 0,
      nowUs,
    );
    if (index === DROPPED) {
      this.counts.refused++;
      return;
    }
    this.counts.sent++;
    if (kind === REAL_TIME) this.calledUs = nowUs;
    if (delivery.isMarked) markCongestion(out.bytes, offset);
    const tos = TOS[kind]! | (delivery.isMarked ? CONGESTED : ecn);
    this.#send(index, delivery.queued, offset, length, tos, nowUs);
    if (delivery.duplicate !== DROPPED) {
      const copy = this.shared.spare();
      out.bytes.copyWithin(copy, offset, offset + length);
      this.#send(delivery.duplicate, delivery.duplicateQueued, copy, length, tos, nowUs);
    }
  }

  /** Sends all that waits. To be called before the sending arena is used again. */
  flush(): void {
    for (let index = 0; index < MAX_PATHS; index++) {
      const path = this.paths[index];
      if (path && path.count > 0) this.#flushPath(path, index);
    }
  }

  /** Queues what the ends tell each other: `length` bytes at `offset`, a spare slot's. */
  tell(index: number, offset: number, length: number, content: number, tos: number, nowUs: number): void {
    const header = this.#header;
    header.stream =
      header.age =
      header.order =
      header.paths =
      header.queued =
        0;
    header.content = content;
    this.#queue(index, offset, length, tos, nowUs);
  }

  /** Takes one opened datagram; its slot belongs to the session until it is released. */
  receive(
    slot: number,
    length: number,
    index: number,
    counter: number,
    wireBytes: number,
    tos: number,
    atUs: number,
  ): void {
    const { shared, reorder } = this;
    const header = this.#header;
    const path = this.paths[index];
    if (length < SEALED_BYTES || !path) return shared.slots.free(slot);
    const at = slot * STRIDE + HEADER_AT;
    header.read(shared.in.words, at);
    this.heardUs = atUs;
    const bytes = wireBytes + path.ipUdpBytes;
    path.receivedBytes += bytes;
    const delayUs = this.#zero.delayUs(header.sentUs, atUs);
    if (atUs >= path.echoAtUs) {
      path.echoAtUs = atUs;
      path.echoUs = header.sentUs;
    }
    const { content } = header;
    if (content === CONTROL || content === PADDING) {
      reorder.heard(index, header.global, delayUs);
      path.told.sample(delayUs, atUs);
      path.meter.other(counter);
      if (content === CONTROL) this.beat.take(index, at + SEALED_BYTES, length - SEALED_BYTES, atUs);
      else this.beat.takePadding(path, at + SEALED_BYTES, length - SEALED_BYTES, bytes, atUs);
      return shared.slots.free(slot);
    }
    const kind = kindOf(header.stream);
    path.meter.packet(bytes, counter, delayUs, header.queued, atUs, kind === BULK);
    if (kind === REAL_TIME) this.calledUs = atUs;
    this.usedUs = atUs;
    this.beat.came();
    if (content === PACKET) return this.#accept(slot, length - SEALED_BYTES, index, tos, delayUs, atUs);
    if (content !== FIRST_HALF && content !== SECOND_HALF) {
      this.counts.bad++;
      return shared.slots.free(slot);
    }
    const other = this.#fragments.take(
      header.stream,
      header.order,
      { slot, length: length - SEALED_BYTES, content, atUs },
      this.#free,
    );
    if (!other) return;
    const [first, second] = content === FIRST_HALF
      ? [{ slot, length: length - SEALED_BYTES }, other]
      : [other, { slot, length: length - SEALED_BYTES }];
    const whole = first.length + second.length;
    if (whole > STRIDE - PACKET_AT) {
      this.counts.bad++;
      shared.slots.free(first.slot);
      return shared.slots.free(second.slot);
    }
    const from = second.slot * STRIDE + PACKET_AT;
    shared.in.bytes.copyWithin(first.slot * STRIDE + PACKET_AT + first.length, from, from + second.length);
    shared.slots.free(second.slot);
    this.#accept(first.slot, whole, index, tos, delayUs, atUs);
  }

  close(): void {
    this.#fragments.clear(this.#free);
    this.reorder.drain(this.#free);
    this.epochs.close();
  }

  #accept(slot: number, length: number, index: number, tos: number, delayUs: number, atUs: number): void {
    const { shared, reorder } = this;
    const header = this.#header;
    const offset = slot * STRIDE + PACKET_AT;
    // RFC 6040 section 4.2: a mark on the way is a mark inside, or a loss for who does not know marks.
    const isLost = (tos & CONGESTED) === CONGESTED && !markCongestion(shared.in.bytes, offset);
    if (length < LEAST_PACKET || isLost || !this.mayCome(offset)) {
      this.counts.bad++;
      return shared.slots.free(slot);
    }
    this.counts.received++;
    shared.lengths[slot] = length;
    const { stream, order, age, global, paths } = header;
    if (reorder.accept(slot, stream, order, age, global, index, paths, delayUs, atUs) === DUPLICATE) {
      shared.slots.free(slot);
    }
  }

  /** Queues an IP packet, in two fragments where the path is too narrow. */
  #send(index: number, queued: number, offset: number, length: number, tos: number, nowUs: number): void {
    const { delivery } = this;
    const header = this.#header;
    header.stream = delivery.stream;
    header.age = delivery.age;
    header.order = delivery.order;
    header.paths = delivery.paths;
    header.queued = queued;
    const path = this.paths[index]!;
    path.owedUs = nowUs;
    const room = path.mtu.mtu - path.ipUdpBytes - CLEAR_BYTES - SEALED_BYTES - TAG_BYTES;
    if (length <= room) {
      header.content = PACKET;
      return this.#queue(index, offset, length, tos, nowUs);
    }
    const { bytes } = this.shared.out;
    const first = length >> 1, copy = this.shared.spare();
    bytes.copyWithin(copy, offset + first, offset + length);
    header.content = FIRST_HALF;
    this.#queue(index, offset, first, tos, nowUs);
    header.content = SECOND_HALF;
    this.#queue(index, copy, length - first, tos, nowUs);
  }

  #queue(index: number, offset: number, length: number, tos: number, nowUs: number): void {
    const path = this.paths[index];
    if (!path) return;
    if (path.count === BATCH) this.#flushPath(path, index);
    const header = this.#header;
    header.global = this.#global = this.#global + 1 >>> 0;
    header.sentUs = nowUs >>> 0;
    header.write(this.shared.out.words, offset - SEALED_BYTES);
    path.items[2 * path.count] = offset - SEALED_BYTES;
    path.items[2 * path.count + 1] = length + SEALED_BYTES;
    path.tos[path.count++] = tos;
    path.sentBytes += length + SEALED_BYTES + CLEAR_BYTES + TAG_BYTES + path.ipUdpBytes;
  }

  /** Runs of one TOS byte go together; what is chosen for a path keeps its order there. */
  #flushPath(path: TunnelPath, index: number): void {
    const { keys } = this.epochs;
    const { bytes } = this.shared.out;
    let { count } = path;
    while (count > 0) {
      const tos = path.tos[path.count - count]!;
      let run = 1;
      while (run < count && path.tos[path.count - count + run] === tos) run++;
      const sent = keys ? keys.send(path.fd, path.remote, index, tos, bytes, path.items, run, path.local) : 0;
      if (sent > 0 && path.owedUs > 0) path.liveness.sent(path.owedUs);
      if (sent < run) this.beat.refused(path, sent);
      if (run < count) path.items.copyWithin(0, 2 * run, 2 * count);
      count -= run;
    }
    path.count = 0;
    path.owedUs = 0;
  }
}
