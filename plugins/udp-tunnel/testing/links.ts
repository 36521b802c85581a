// The world in virtual time for tests of the scheduling modules: links with rate, delay, queue, loss, jitter and
// cuts, and the one direction of a tunnel over them that is built of the real modules, as the plugin builds it.
// Deterministic by its seed.
import { Classifier } from "../schedule/classify.ts";
import { Delivery, type DeliveryOptions, DROPPED, type PathState } from "../schedule/delivery.ts";
import { DelayZero } from "../paths/owd.ts";
import { PathMeter, type PathReport } from "../paths/path_meter.ts";
import { RateProbe } from "../paths/rate_probe.ts";
import { DUPLICATE, Reorder, Room } from "../schedule/reorder.ts";
import { type Packet, write } from "./packets.ts";

const BEAT_US = 100_000;
/** What the tunnel adds to a packet on the link: IPv4, UDP, its own header and tag. */
export const OVERHEAD_BYTES = 80;
const PROBE_BYTES = 120, TRAIN_BYTES = 1200, TRAIN_PACKETS = 16;
const SLOTS = 16_384;
const JITTER_US = 10_000;
const STALL_EVERY_US = 500_000;
/** Timers of a real process are not finer. */
const TIMER_US = 1_000;

/** Events in virtual microseconds; those of one moment in the order they were made. */
export class Clock {
  nowUs = 0;
  #count = 0;
  readonly #heap: { atUs: number; count: number; run: () => void }[] = [];

  at(atUs: number, run: () => void): void {
    const event = { atUs: Math.max(atUs, this.nowUs), count: this.#count++, run };
    const heap = this.#heap;
    let place = heap.push(event) - 1;
    while (place > 0) {
      const parent = place - 1 >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = event;
  }

  /** Runs until the given time. */
  run(untilUs: number): void {
    const heap = this.#heap;
    while (heap.length > 0 && heap[0]!.atUs <= untilUs) {
      const event = heap[0]!;
      const last = heap.pop()!;
      if (heap.length > 0) {
        let place = 0;
        for (let child; (child = 2 * place + 1) < heap.length; place = child) {
          if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
          if (!isBefore(heap[child]!, last)) break;
          heap[place] = heap[child]!;
        }
        heap[place] = last;
      }
      this.nowUs = event.atUs;
      event.run();
    }
    this.nowUs = untilUs;
  }
}

function isBefore(a: { atUs: number; count: number }, b: { atUs: number; count: number }): boolean {
  return a.atUs < b.atUs || a.atUs === b.atUs && a.count < b.count;
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let mixed = Math.imul(seed ^ seed >>> 15, seed | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  };
}

/** One link, one direction; the way back is undisturbed. */
export interface LinkOptions {
  mbps: number;
  rttMs: number;
  /** What the modem's buffer holds in time at full rate; 100 ms where not said. */
  queueMs?: number;
  /** Share of packets lost at random. */
  loss?: number;
  /** Mean of how much later packets come, exponentially, for 10 ms each; order is kept, as radios do. */
  jitterMs?: number;
  cutAtS?: number;
  /** Changes of the rate: at a second, to so many Mbit/s. */
  changes?: [atS: number, mbps: number][];
  /** What is known beforehand of it. */
  capMbps?: number;
  tier?: 0 | 1 | 2;
}

export class Link {
  mbps: number;
  /** Longest time that a packet stood in its queue since the last look, and packets lost by a full queue. */
  queuedUs = 0;
  overflowed = 0;
  #freeUs = 0;
  #lastUs = 0;
  #lateUs = 0;
  #jitterSinceUs = -Infinity;

  constructor(
    readonly options: LinkOptions,
    private readonly clock: Clock,
    private readonly chance: () => number,
  ) {
    this.mbps = options.mbps;
    for (const [atS, mbps] of options.changes ?? []) clock.at(atS * 1e6, () => this.mbps = mbps);
  }

  get owdUs(): number {
    return this.options.rttMs * 500;
  }

  get isCut(): boolean {
    return this.clock.nowUs >= (this.options.cutAtS ?? Infinity) * 1e6;
  }

  send(bytes: number, arrive: () => void): void {
    const { queueMs = 100, loss = 0, jitterMs = 0 } = this.options;
    const { nowUs } = this.clock;
    const waitUs = Math.max(0, this.#freeUs - nowUs);
    if (this.isCut) return;
    if (waitUs > queueMs * 1000) {
      this.overflowed++;
      return;
    }
    this.queuedUs = Math.max(this.queuedUs, waitUs);
    this.#freeUs = nowUs + waitUs + bytes * 8 / this.mbps;
    if (this.chance() < loss) return;
    if (jitterMs > 0 && nowUs - this.#jitterSinceUs > JITTER_US) {
      this.#jitterSinceUs = nowUs;
      this.#lateUs = -Math.log(1 - this.chance()) * jitterMs * 1000;
    }
    this.#lastUs = Math.max(this.#lastUs, this.#freeUs + this.owdUs + this.#lateUs);
    this.clock.at(this.#lastUs, arrive);
  }
}

interface Parcel {
  flow: Flow;
  number: number;
  bytes: number;
  stream: number;
  order: number;
  age: number;
  isMarked: boolean;
  paths: number;
}

/** What a source sees of the tunnel. */
export interface Flow {
  packet: Packet;
  /** Called where a packet leaves the tunnel at the far end. */
  arrived(number: number, bytes: number, isMarked: boolean): void;
}

/** How the receiver's process runs: packets are seen at turns of its loop, which stands still twice a second. */
export interface Host {
  turnMs?: number;
  stallMs?: number;
}

/** One direction of a tunnel over links. */
export class Tunnel {
  readonly links: Link[];
  readonly delivery: Delivery;
  readonly probes: RateProbe[];
  readonly meters: PathMeter[];
  readonly reorder: Reorder;
  /** Sum of what the links had to carry, and of queued time over beats for means. */
  readonly chance: () => number;
  readonly #host: Host;
  readonly #classifier = new Classifier(1);
  readonly #zero = new DelayZero();
  readonly #states: PathState[];
  readonly #arena = new Uint8Array(2048);
  readonly #parcels: (Parcel | undefined)[] = new Array(SLOTS);
  readonly #free = Array.from({ length: SLOTS }, (_, slot) => slot);
  readonly #perPath: number[];
  readonly #heardUs: number[];
  readonly #sentUs: number[];
  #global = 0;
  #timerUs = Infinity;

  constructor(
    readonly clock: Clock,
    options: readonly LinkOptions[],
    { seed = 1, waitBulkUs, delivery, host = {} }: {
      seed?: number;
      waitBulkUs?: number;
      delivery?: DeliveryOptions;
      host?: Host;
    } = {},
  ) {
    this.#host = host;
    this.chance = random(seed);
    this.links = options.map((link) => new Link(link, clock, this.chance));
    this.delivery = new Delivery(delivery);
    this.probes = options.map(({ capMbps }) =>
      new RateProbe(capMbps ? { capBitsPerSecond: capMbps * 1e6 } : {})
    );
    this.meters = options.map(() => new PathMeter());
    this.reorder = new Reorder(SLOTS, new Room(SLOTS - 1024), waitBulkUs);
    this.#states = options.map(({ tier = 0 }, index) => ({
      tier,
      isUsable: true,
      isStarting: this.probes[index]!.isStarting,
      rateBitsPerSecond: this.probes[index]!.rateBitsPerSecond,
      // A path is known by its probes before it carries anything.
      owdUs: this.#zero.delayUs(0, this.links[index]!.owdUs),
      lossRatio: 0,
    }));
    this.#perPath = options.map(() => 0);
    this.#heardUs = options.map(() => 0);
    this.#sentUs = options.map(() => -1);
    this.delivery.update(this.#states, clock.nowUs);
    // What a handshake and its probes teach.
    for (const [path, { owdUs }] of this.links.entries()) {
      this.reorder.heard(path, this.#global, this.#zero.delayUs(0, owdUs));
      this.meters[path]!.delay.sample(this.#zero.delayUs(0, owdUs), 0);
    }
    for (const path of this.links.keys()) this.#train(path);
    clock.at(BEAT_US, () => this.#beat());
    clock.at(BEAT_US / 5, () => this.#watch());
  }

  /** Sends a packet of `bytes` as the source made it. @returns false when the tunnel refused it */
  send(flow: Flow, number: number, bytes: number): boolean {
    const { clock, delivery } = this;
    const classifier = this.#classifier;
    write(this.#arena, 0, { ...flow.packet, length: bytes });
    if (!classifier.classify(this.#arena, 0, bytes, clock.nowUs)) {
      throw new Error("Cannot read a packet of a test");
    }
    const { kind, rateBitsPerSecond, key } = classifier;
    const length = bytes + OVERHEAD_BYTES;
    const path = delivery.choose(
      length,
      kind,
      classifier.stream,
      classifier.flow,
      rateBitsPerSecond,
      key.ecn !== 0,
      clock.nowUs,
    );
    if (path === DROPPED) return false;
    const { stream, order, age, isMarked, duplicate, queued, duplicateQueued } = delivery;
    const parcel = { flow, number, bytes, stream, order, age, isMarked, paths: delivery.paths };
    this.#put(parcel, path, length, queued);
    if (duplicate !== DROPPED) this.#put(parcel, duplicate, length, duplicateQueued);
    return true;
  }

  #put(parcel: Parcel, path: number, length: number, queued: number): void {
    const sentUs = this.clock.nowUs;
    const global = this.#global++, perPath = this.#perPath[path]!++;
    if (this.#sentUs[path]! < 0) this.#sentUs[path] = sentUs;
    const receive = () => this.#receive(parcel, path, length, queued, global, perPath, sentUs);
    this.#over(path, length, receive);
  }

  /** Sends over the link to the receiver's process. */
  #over(path: number, length: number, receive: () => void): void {
    this.links[path]!.send(length, () => this.clock.at(this.#turnUs(this.clock.nowUs), receive));
  }

  /** When the receiver's process sees what happens then: at the next turn of its loop, later where it was busy. */
  #turnUs(atUs: number): number {
    const { turnMs = 0, stallMs = 0 } = this.#host;
    if (turnMs === 0) return atUs;
    const turnUs = Math.ceil(atUs / turnMs / 1000) * turnMs * 1000;
    const sinceStallUs = turnUs % STALL_EVERY_US;
    return sinceStallUs < stallMs * 1000 ? turnUs - sinceStallUs + stallMs * 1000 : turnUs;
  }

  #receive(
    parcel: Parcel,
    path: number,
    length: number,
    queued: number,
    global: number,
    perPath: number,
    sentUs: number,
  ): void {
    const { nowUs } = this.clock;
    const delayUs = this.#zero.delayUs(sentUs, nowUs);
    this.meters[path]!.packet(length, perPath, delayUs, queued, nowUs);
    const slot = this.#free.pop();
    if (slot === undefined) throw new Error("No slot is left");
    this.#parcels[slot] = parcel;
    const { stream, order, age, paths } = parcel;
    if (this.reorder.accept(slot, stream, order, age, global, path, paths, delayUs, nowUs) === DUPLICATE) {
      this.#free.push(slot);
    }
    this.#release();
  }

  #release(): void {
    const { reorder, clock } = this;
    reorder.release(clock.nowUs);
    for (let index = 0; index < reorder.readyCount; index++) {
      const slot = reorder.ready[index]!;
      const { flow, number, bytes, isMarked } = this.#parcels[slot]!;
      this.#free.push(slot);
      flow.arrived(number, bytes, isMarked);
    }
    reorder.readyCount = 0;
    if (reorder.nextUs === Infinity || reorder.nextUs >= this.#timerUs) return;
    this.#timerUs = Math.max(reorder.nextUs, clock.nowUs + TIMER_US);
    // Sockets are read before timers are looked at.
    clock.at(this.#turnUs(this.#timerUs) + 1, () => {
      this.#timerUs = Infinity;
      this.#release();
    });
  }

  /** The far end reports what it saw; the reports arrive half a round trip later. */
  #beat(): void {
    const { nowUs } = this.clock;
    for (const [path, link] of this.links.entries()) {
      const report = this.meters[path]!.report(nowUs);
      this.#probe(path);
      if (!link.isCut) this.clock.at(nowUs + link.owdUs, () => this.#take(path, report));
    }
    this.clock.at(nowUs + BEAT_US, () => this.#beat());
  }

  /** The sender's own reports of the other direction: they tell of a path before it carries data. */
  #probe(path: number): void {
    const sentUs = this.clock.nowUs, global = this.#global++;
    this.#over(path, PROBE_BYTES, () => {
      this.reorder.heard(path, global, this.#zero.delayUs(sentUs, this.clock.nowUs));
    });
  }

  /** A handful of full packets at once, as the plugin sends them over a new path. */
  #train(path: number): void {
    let firstUs = -1;
    for (let index = 0; index < TRAIN_PACKETS; index++) {
      this.#over(path, TRAIN_BYTES, () => {
        if (firstUs < 0) firstUs = this.clock.nowUs;
        if (index < TRAIN_PACKETS - 1) return;
        this.probes[path]!.train(index * TRAIN_BYTES * 8e6 / (this.clock.nowUs - firstUs));
        this.#states[path] = {
          ...this.#states[path]!,
          rateBitsPerSecond: this.probes[path]!.rateBitsPerSecond,
        };
        this.delivery.update(this.#states, this.clock.nowUs);
      });
    }
  }

  #take(path: number, report: PathReport | undefined): void {
    const link = this.links[path]!, probe = this.probes[path]!;
    if (link.isCut) return;
    this.#sentUs[path] = -1;
    this.#heardUs[path] = this.clock.nowUs;
    if (!report) return;
    probe.report(report, link.options.rttMs * 1000, this.clock.nowUs);
    this.#states[path] = {
      ...this.#states[path]!,
      rateBitsPerSecond: probe.rateBitsPerSecond,
      isStarting: probe.isStarting,
      owdUs: report.baseUs + probe.foreignUs,
      lossRatio: probe.lossRatio,
    };
    this.delivery.update(this.#states, this.clock.nowUs);
  }

  /** As the plugin does it: who got packets and says nothing 150 ms longer than a round trip takes is suspect. */
  #watch(): void {
    const { nowUs } = this.clock;
    for (const [path, { options }] of this.links.entries()) {
      const sentUs = this.#sentUs[path]!;
      const limitUs = 150_000 + 1_000 * options.rttMs;
      if (sentUs < 0 || nowUs - Math.max(sentUs, this.#heardUs[path]!) < limitUs) continue;
      if (!this.#states[path]!.isUsable) continue;
      this.#states[path] = { ...this.#states[path]!, isUsable: false };
      this.delivery.update(this.#states, nowUs);
    }
    this.clock.at(nowUs + BEAT_US / 5, () => this.#watch());
  }
}
