// One path of a session: where it leads, what is known of it, and what waits to be sent over it.
import { ADDRESS_BYTES } from "../../../core/native/ffi.ts";
import { TIER_NEVER } from "../session/control.ts";
import { Liveness } from "./liveness.ts";
import { PathDelay, RoundTrip } from "./owd.ts";
import { PathMeter, type PathReport } from "./path_meter.ts";
import { PathMtu, SeenSizes } from "./path_mtu.ts";
import { type ProbeOptions, RateProbe } from "./rate_probe.ts";
import { SeenTrain, TRAIN_PACKETS } from "./train.ts";
import { IPV4_UDP_BYTES, IPV6_UDP_BYTES } from "../wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Packets that wait for one `flush`. */
export const BATCH = 256;

/** How a path begins. */
export interface PathOptions extends ProbeOptions {
  /** Name for people: the link, or the far end's address. */
  name: string;
  fd: number;
  remote: Bytes;
  /** The own address that the far end uses. */
  local?: Bytes;
  tier: number;
  /** What the link's interface carries, IP bytes. */
  linkMtu?: number;
}

/** One path, as its sender and as its receiver. */
export class TunnelPath {
  name: string;
  fd: number;
  /** Both ends' addresses as words of two address records: of a path that has not moved packets bring just these. */
  readonly ends = new Uint32Array(2 * ADDRESS_BYTES / 4);
  /** Where to, and from which own address (family 0: as the kernel likes). The cloud follows them as the box's or its own change. */
  readonly remote = new Uint8Array(this.ends.buffer, 0, ADDRESS_BYTES);
  readonly local = new Uint8Array(this.ends.buffer, ADDRESS_BYTES);
  /** How the far end sees us over this path; empty while it did not say. */
  observed: Bytes | undefined;
  /** 0 to TIER_NEVER. */
  tier: number;
  probe: RateProbe;
  readonly liveness = new Liveness();
  readonly roundTrip = new RoundTrip();
  readonly mtu: PathMtu;
  /** The newest number of a packet that came, on this path. */
  newestCounter = -1;

  /** Own sender's figures of the far end's last report. */
  report: PathReport | undefined;
  owdUs = 0;
  isOwdKnown = false;

  /** As the receiver. */
  readonly meter = new PathMeter();
  /** Delay of what the ends tell each other: it waits in no queue of ours. */
  readonly told = new PathDelay();
  readonly sizes = new SeenSizes();
  readonly train = new SeenTrain();
  /** The newest `sent` that came, and when. */
  echoUs = 0;
  echoAtUs = -Infinity;

  /** What may come down at most, as told to the far end. */
  capKbps = 0;
  #cap = 0;
  /** How much longer than the least the far end's messages took of late, microseconds. */
  queueUs = 0;
  /** The same of ours, as the far end sees it; what it sends at, and what share of its packets was lost. */
  farQueueUs = 0;
  farRateBitsPerSecond = 0;
  isFarStarting = true;
  farLoss = 0;
  trainRound = 0;
  #trains = 0;
  sentTrainUs = -Infinity;
  sentControlUs = -Infinity;
  sentBytes = 0;
  receivedBytes = 0;
  #usageUs = 0;
  #usageSent = 0;
  #usageReceived = 0;

  /** Pairs of offset and length that wait for `flush`, and each one's TOS byte. */
  readonly items = new Uint32Array(2 * BATCH);
  readonly tos = new Uint8Array(BATCH);
  count = 0;
  /** When the newest of them that the far end will confirm was queued; 0: none of them. */
  owedUs = 0;

  constructor({ name, fd, remote, local, tier, linkMtu, ...probe }: PathOptions) {
    this.name = name;
    this.fd = fd;
    this.remote.set(remote);
    if (local) this.local.set(local);
    this.tier = tier;
    this.probe = new RateProbe(probe);
    this.#cap = probe.capBitsPerSecond ?? 0;
    this.mtu = new PathMtu(linkMtu);
  }

  /** What went over the path each way since the last call, bits per second. */
  usage(nowUs: number): { sentBitsPerSecond: number; receivedBitsPerSecond: number } {
    const seconds = (nowUs - this.#usageUs) / 1e6;
    const rate = (bytes: number) => seconds > 0 ? Math.round(bytes * 8 / seconds) : 0;
    const usage = {
      sentBitsPerSecond: rate(this.sentBytes - this.#usageSent),
      receivedBitsPerSecond: rate(this.receivedBytes - this.#usageReceived),
    };
    this.#usageUs = nowUs;
    this.#usageSent = this.sentBytes;
    this.#usageReceived = this.receivedBytes;
    return usage;
  }

  /** IP and UDP headers of a datagram on this path. */
  get ipUdpBytes(): number {
    return this.remote[0] === 10 ? IPV6_UDP_BYTES : IPV4_UDP_BYTES;
  }

  get isWished(): boolean {
    return this.tier < TIER_NEVER;
  }

  /** The far end is elsewhere now, as NAT gave it another port or the link another address, or it asks another address of ours. */
  moved(name: string, remote: Bytes, local: Bytes): void {
    this.name = name;
    this.remote.set(remote);
    this.local.set(local);
  }

  /** What it may carry at most changed, bits per second; 0: nobody knows. */
  cap(bitsPerSecond: number): void {
    if (bitsPerSecond === this.#cap) return;
    this.#cap = bitsPerSecond;
    const capBitsPerSecond = bitsPerSecond || undefined;
    this.probe = new RateProbe({ capBitsPerSecond, startBitsPerSecond: this.probe.rateBitsPerSecond });
  }

  /** The far end said how fast the last train came. */
  takeTrain(round: number, kbps: number): void {
    if (round !== this.trainRound || round === 0 || kbps === 0) return;
    this.trainRound = 0;
    this.probe.train(kbps * 1000);
  }

  /** Whether a train is due: once, and again while none of them came whole and nothing else taught the rate. */
  isTrainDue(nowUs: number): boolean {
    if (!this.probe.isStarting || nowUs - this.sentTrainUs < 2_000_000) return false;
    return this.sentTrainUs === -Infinity || this.trainRound !== 0;
  }

  /** Begins a train. @returns its round, and how many packets it has */
  beginTrain(nowUs: number): { round: number; packets: number } {
    this.sentTrainUs = nowUs;
    this.trainRound = this.#trains = this.#trains % 255 + 1;
    return { round: this.trainRound, packets: TRAIN_PACKETS };
  }
}
