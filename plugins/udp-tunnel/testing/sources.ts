// What sends through the tunnel in tests: constant rates, calls, and downloads with a window as QUIC has them,
// each of which counts what arrives as an application sees it.
import type { Clock, Flow, Tunnel } from "./links.ts";
import type { Packet } from "./packets.ts";

/** What an application has seen. */
export class Seen implements Flow {
  sent = 0;
  received = 0;
  bytes = 0;
  /** Packets that came after one with a higher number. */
  reordered = 0;
  /** The longest time without a packet, in microseconds, and when it ended. */
  longestGapUs = 0;
  gapAtUs = 0;
  readonly delaysUs: number[] = [];
  readonly sentAtUs = new Map<number, number>();
  #highest = -1;
  #lastUs = -1;

  constructor(protected readonly clock: Clock, readonly packet: Packet) {}

  arrived(number: number, bytes: number, _isMarked: boolean): void {
    const { nowUs } = this.clock;
    this.received++;
    this.bytes += bytes;
    if (number < this.#highest) this.reordered++;
    this.#highest = Math.max(this.#highest, number);
    if (this.#lastUs >= 0 && nowUs - this.#lastUs > this.longestGapUs) {
      this.longestGapUs = nowUs - this.#lastUs;
      this.gapAtUs = nowUs;
    }
    this.#lastUs = nowUs;
    const sentUs = this.sentAtUs.get(number);
    if (sentUs !== undefined) this.delaysUs.push(nowUs - sentUs);
    this.sentAtUs.delete(number);
  }

  /** Begins to count anew; what is under way counts where it arrives. */
  reset(): void {
    this.sent =
      this.received =
      this.bytes =
      this.reordered =
      this.longestGapUs =
        0;
    this.delaysUs.length = 0;
  }

  /** The delay that this share of packets did not exceed, in milliseconds. */
  delayMs(share: number): number {
    const sorted = this.delaysUs.toSorted((a, b) => a - b);
    return (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN) / 1000;
  }
}

/** A flow of even packets. */
export class Constant extends Seen {
  constructor(
    tunnel: Tunnel,
    packet: Packet,
    mbps: number,
    bytes: number,
    payload?: (number: number) => number[],
  ) {
    super(tunnel.clock, packet);
    const gapUs = bytes * 8 / mbps;
    const send = () => {
      if (payload) this.packet.payload = payload(this.sent);
      this.sentAtUs.set(this.#number, this.clock.nowUs);
      tunnel.send(this, this.#number++, bytes);
      this.sent++;
      this.clock.at(this.clock.nowUs + gapUs, send);
    };
    this.clock.at(0, send);
  }
  #number = 0;
}

/** G.711: 50 packets of 200 bytes a second, RTP. */
export function call(tunnel: Tunnel, source = 9): Constant {
  return new Constant(
    tunnel,
    { source, sourcePort: 30_000 + source, destinationPort: 31_000 },
    0.08,
    200,
    (number) => [0x80, 0, number >> 8 & 255, number & 255, 0, 0, 0, 0, 1, 2, 3, 4],
  );
}

const PACKET_BYTES = 1280;
/** RFC 9002 sections 6.1.1, 6.1.2 and 7.2. */
const PACKET_THRESHOLD = 3, TIME_THRESHOLD = 9 / 8, FIRST_WINDOW = 10;
/** RFC 9438 sections 4.1 and 4.6. */
const CUBIC_C = 0.4, CUBIC_BETA = 0.7;

/**
 * A download as QUIC makes it: paced Cubic (RFC 9438) over RFC 9002's recognition of losses, never out of data.
 */
export class Download extends Seen {
  window = FIRST_WINDOW;
  spurious = 0;
  losses = 0;
  #number = 0;
  #threshold = Infinity;
  #recoveryUs = -1;
  #wMax = 0;
  #epochUs = -1;
  #srttUs = 0;
  #varUs = 0;
  #largest = -1;
  #isSending = false;
  #ptoCount = 0;
  #lastAckUs = 0;
  readonly #flying = new Map<number, number>();

  constructor(private readonly tunnel: Tunnel, packet: Packet, private readonly ackDelayUs: number) {
    super(tunnel.clock, packet);
    this.clock.at(0, () => this.#pump());
    this.clock.at(0, () => this.#watch());
  }

  override arrived(number: number, bytes: number, isMarked: boolean): void {
    super.arrived(number, bytes, isMarked);
    this.clock.at(this.clock.nowUs + this.ackDelayUs, () => this.#acknowledged(number, isMarked));
  }

  /** Paced at 1.25 windows a round trip, in pairs. */
  #pump(): void {
    if (this.#isSending) return;
    let burst = 0;
    while (this.#flying.size < this.window && burst++ < 2) this.#emit();
    if (this.#flying.size >= this.window) return;
    this.#isSending = true;
    const gapUs = 2 * (this.#srttUs || 50_000) / (1.25 * this.window);
    this.clock.at(this.clock.nowUs + gapUs, () => {
      this.#isSending = false;
      this.#pump();
    });
  }

  #emit(): void {
    const number = this.#number++;
    this.#flying.set(number, this.clock.nowUs);
    this.sent++;
    this.tunnel.send(this, number, PACKET_BYTES);
  }

  #acknowledged(number: number, isMarked: boolean): void {
    const { nowUs } = this.clock;
    this.#lastAckUs = nowUs;
    this.#ptoCount = 0;
    const sentUs = this.#flying.get(number);
    if (sentUs === undefined) {
      this.spurious++;
      return;
    }
    this.#flying.delete(number);
    const rttUs = nowUs - sentUs;
    if (number > this.#largest) {
      this.#largest = number;
      this.#varUs = this.#srttUs
        ? this.#varUs + (Math.abs(this.#srttUs - rttUs) - this.#varUs) / 4
        : rttUs / 2;
      this.#srttUs = this.#srttUs ? this.#srttUs + (rttUs - this.#srttUs) / 8 : rttUs;
    }
    if (isMarked) this.#reduce(sentUs);
    const lateUs = nowUs - TIME_THRESHOLD * Math.max(this.#srttUs, rttUs);
    for (const [old, atUs] of this.#flying) {
      if (old > this.#largest) break;
      if (old > this.#largest - PACKET_THRESHOLD && atUs > lateUs) continue;
      this.#flying.delete(old);
      this.losses++;
      this.#reduce(atUs);
    }
    if (sentUs > this.#recoveryUs) this.#growWindow();
    this.#pump();
  }

  #growWindow(): void {
    if (this.window < this.#threshold) {
      this.window++;
      return;
    }
    const { nowUs } = this.clock;
    if (this.#epochUs < 0) this.#epochUs = nowUs;
    const seconds = (nowUs - this.#epochUs + this.#srttUs) / 1e6;
    const k = Math.cbrt(this.#wMax * (1 - CUBIC_BETA) / CUBIC_C);
    const cubic = CUBIC_C * (seconds - k) ** 3 + this.#wMax;
    const reno = this.#wMax * CUBIC_BETA +
      3 * (1 - CUBIC_BETA) / (1 + CUBIC_BETA) * (nowUs - this.#epochUs) / this.#srttUs;
    const target = Math.min(Math.max(cubic, reno, this.window), 1.5 * this.window);
    this.window += (target - this.window) / this.window;
  }

  #reduce(sentUs: number): void {
    if (sentUs <= this.#recoveryUs) return;
    this.#recoveryUs = this.clock.nowUs;
    // RFC 9438 section 4.7: who had less than last time makes room.
    this.#wMax = this.window < this.#wMax ? this.window * (1 + CUBIC_BETA) / 2 : this.window;
    this.window = Math.max(2, this.window * CUBIC_BETA);
    this.#threshold = this.window;
    this.#epochUs = -1;
  }

  /** RFC 9002 section 6.2: when nothing is heard, two more packets ask. */
  #watch(): void {
    const { nowUs } = this.clock;
    const ptoUs = (this.#srttUs ? this.#srttUs + 4 * this.#varUs + 25_000 : 1_000_000) * 2 ** this.#ptoCount;
    if (this.#flying.size > 0 && nowUs - this.#lastAckUs > ptoUs) {
      this.#ptoCount++;
      this.#lastAckUs = nowUs;
      this.#emit();
      this.#emit();
    }
    this.clock.at(nowUs + 10_000, () => this.#watch());
  }
}
