// Which flow a packet belongs to and how it wants to be treated: a bounded table of flows that learns each one's
// rate and shape. Whoever floods it with flows finds no place for them; flows that have proved themselves keep
// theirs. Pure.
//
// The class is part of the stream number that travels on the wire (see SCHEDULING.md), so that the far end need
// not classify.
import { FlowKey, ICMP, ICMPV6, TCP, UDP } from "./flow_key.ts";

/** How a packet wants to travel: soonest; soonest and surely; as much as possible. */
export const INTERACTIVE = 0, REAL_TIME = 1, BULK = 2;
export type Kind = typeof INTERACTIVE | typeof REAL_TIME | typeof BULK;

/** Streams are buckets of flows that share numbers for their order; the upper two bits say the class. */
export const STREAMS = 4096;

/** The class of a stream; bulk has two quarters of the numbers, the last one for flows that live on a far path. */
export function kindOf(stream: number): Kind {
  return Math.min(stream >> 10, BULK) as Kind;
}

/** Places in the table: twice the 16,384 flows that live at once, so that nearly all find one within `REACH`. */
const PLACES = 32_768;
/** Places that are looked at for one flow: 16 tags are one line of cache. */
const REACH = 16;
/** Flows that find no place share these behind the table. */
const CROWD = 64;
export const FLOWS = PLACES + CROWD;

/** A flow of fewer packets gives way to a new one; one of more only after this silence. */
const PROVEN_PACKETS = 16, PROVEN_IDLE_MS = 5_000;
/** Rates are averaged over windows of this length. */
const WINDOW_MS = 128;
/** Below this a flow is sparse; it stays so up to twice as much. */
const SPARSE_BITS_PER_SECOND = 64_000;
/**
 * A new flow is taken as sparse up to so many bytes in its first window: a handshake of QUIC or TLS, not a
 * download.
 */
const FIRST_BYTES = 20_000;
/** Voice and games are below this. */
export const SMALL_BITS_PER_SECOND = 256_000;
/** Wi-Fi calling (IPsec) is below this; a VPN's download is not. */
const CALLING_BITS_PER_SECOND = 1_000_000;
/** A video call is below this; what claims to be real-time and needs more is treated as bulk. */
const REAL_TIME_BITS_PER_SECOND = 4_000_000;
/** Mean size of voice's packets is below this, in bytes with headers. */
const SMALL_BYTES = 320;
/** Windows with nearly equal counts of packets that make a flow steady: one second. */
const STEADY_WINDOWS = 8;
/** Consecutive RTP sequence numbers that make a flow RTP. */
const RTP_RUN = 8;
const STUN = 1;

/** Learns flows; its fields describe the packet that was classified last. */
export class Classifier {
  /** Index of the flow, 0 to FLOWS - 1. */
  flow = 0;
  kind: Kind = BULK;
  /** 0 to 3071; Delivery.stream is what travels. */
  stream = 0;
  rateBitsPerSecond = 0;

  readonly key: FlowKey;
  readonly #tag = new Uint32Array(PLACES);
  readonly #check = new Uint32Array(PLACES);
  readonly #seenMs = new Uint32Array(FLOWS);
  readonly #windowMs = new Uint32Array(FLOWS);
  readonly #windowBytes = new Uint32Array(FLOWS);
  readonly #windowPackets = new Uint16Array(FLOWS);
  readonly #lastPackets = new Uint16Array(FLOWS);
  readonly #steady = new Uint8Array(FLOWS);
  readonly #rate = new Uint32Array(FLOWS);
  readonly #packets = new Uint16Array(FLOWS);
  readonly #kind = new Uint8Array(FLOWS);
  readonly #signs = new Uint8Array(FLOWS);
  readonly #rtpNext = new Uint16Array(FLOWS);
  readonly #rtpRun = new Uint8Array(FLOWS);

  /** @param seed random in production; the same seed gives the same answers */
  constructor(seed: number) {
    this.key = new FlowKey(seed);
  }

  /**
   * Classifies the IP packet at `bytes[offset..offset + length]`, seen at `nowUs` of a monotonic clock.
   * @returns false for what is no IP packet; then the fields are as before
   */
  classify(bytes: Uint8Array, offset: number, length: number, nowUs: number): boolean {
    const { key } = this;
    if (!key.read(bytes, offset, length)) return false;
    const nowMs = Math.floor(nowUs / 1000) >>> 0;
    const flow = this.#find(key.hash || 1, key.check, nowMs);
    this.#seenMs[flow] = nowMs;
    const packets = this.#packets[flow]!;
    if (packets < 0xffff) this.#packets[flow] = packets + 1;
    if (key.protocol === UDP) this.#look(bytes, flow);

    const bytesNow = this.#windowBytes[flow]! + length;
    const elapsedMs = nowMs - this.#windowMs[flow]! >>> 0;
    const rolls = elapsedMs >= WINDOW_MS;
    if (rolls) this.#roll(flow, elapsedMs, nowMs, length);
    else {
      this.#windowBytes[flow] = bytesNow;
      if (this.#windowPackets[flow]! < 0xffff) this.#windowPackets[flow]!++;
    }
    // A window's end and a flow's beginning decide; a sudden burst need not wait for them.
    if (rolls || packets < PROVEN_PACKETS || this.#kind[flow] !== BULK && bytesNow > FIRST_BYTES) {
      this.#kind[flow] = this.#judge(flow, rolls ? length : bytesNow);
    }
    this.flow = flow;
    this.kind = this.#kind[flow] as Kind;
    this.rateBitsPerSecond = this.#rate[flow]!;
    this.stream = this.kind << 10 | key.hash >>> 22;
    return true;
  }

  /** The flow's place, made where there is none. */
  #find(tag: number, check: number, nowMs: number): number {
    let victim = -1, victimIdleMs = -1;
    for (let step = 0; step < REACH; step++) {
      const place = tag + step & PLACES - 1;
      const found = this.#tag[place]!;
      if (found === tag && this.#check[place] === check) return place;
      if (found === 0) return this.#start(place, tag, check, nowMs, INTERACTIVE);
      const idleMs = nowMs - this.#seenMs[place]! >>> 0;
      const givesWay = this.#packets[place]! < PROVEN_PACKETS || idleMs > PROVEN_IDLE_MS;
      if (givesWay && idleMs > victimIdleMs) [victim, victimIdleMs] = [place, idleMs];
    }
    if (victim < 0) return PLACES + tag % CROWD;
    // Many new flows at once push each other out: none of them is sparse on its own word.
    return this.#start(victim, tag, check, nowMs, victimIdleMs > PROVEN_IDLE_MS ? INTERACTIVE : BULK);
  }

  #start(place: number, tag: number, check: number, nowMs: number, kind: Kind): number {
    this.#tag[place] = tag;
    this.#check[place] = check;
    this.#windowMs[place] = nowMs;
    this.#windowBytes[place] = this.#windowPackets[place] = this.#lastPackets[place] = 0;
    this.#steady[place] =
      this.#rate[place] =
      this.#packets[place] =
      this.#signs[place] =
        0;
    this.#rtpRun[place] = 0;
    this.#kind[place] = kind;
    return place;
  }

  /** STUN (RFC 8489 section 5) and RTP (RFC 3550 section 5.1) show themselves in their first bytes. */
  #look(bytes: Uint8Array, flow: number): void {
    const at = this.key.payload;
    if (this.key.payloadEnd - at < 12) return;
    const first = bytes[at]!;
    if (first >> 6 === 2) {
      const sequence = bytes[at + 2]! << 8 | bytes[at + 3]!;
      const run = this.#rtpRun[flow]!;
      if (sequence === this.#rtpNext[flow]) this.#rtpRun[flow] = Math.min(run + 1, 255);
      // One packet lost before us does not make it something else.
      else if (run < RTP_RUN || (sequence - this.#rtpNext[flow]! & 0xffff) > 16) this.#rtpRun[flow] = 0;
      this.#rtpNext[flow] = sequence + 1;
    } else if (
      first < 2 && bytes[at + 4] === 0x21 && bytes[at + 5] === 0x12 && bytes[at + 6] === 0xa4 &&
      bytes[at + 7] === 0x42
    ) this.#signs[flow]! |= STUN;
  }

  #roll(flow: number, elapsedMs: number, nowMs: number, length: number): void {
    const now = Math.min(0xffff_ffff, this.#windowBytes[flow]! * 8000 / elapsedMs);
    const before = this.#rate[flow]!;
    // Up at once, down slowly, so that the class does not flutter; a long silence is forgotten.
    this.#rate[flow] = now > before
      ? now
      : elapsedMs > 1000
      ? (now + before) / 2
      : before - (before - now) / 8;
    const packets = this.#windowPackets[flow]!, last = this.#lastPackets[flow]!;
    const isSteady = packets > 0 && Math.abs(packets - last) <= 2 + (last >> 2) && elapsedMs < 2 * WINDOW_MS;
    this.#steady[flow] = isSteady ? Math.min(this.#steady[flow]! + 1, 255) : 0;
    this.#lastPackets[flow] = packets;
    this.#windowPackets[flow] = 1;
    this.#windowBytes[flow] = length;
    this.#windowMs[flow] = nowMs;
  }

  #judge(flow: number, windowBytes: number): Kind {
    const { protocol, dscp, sourcePort, destinationPort } = this.key;
    const rate = Math.max(this.#rate[flow]!, windowBytes > FIRST_BYTES ? windowBytes * 8000 / WINDOW_MS : 0);
    if (rate <= REAL_TIME_BITS_PER_SECOND && isRealTimeMark(dscp)) return REAL_TIME;
    const isShort = protocol === ICMP || protocol === ICMPV6 ||
      protocol !== TCP && (isShortPort(sourcePort) || isShortPort(destinationPort));
    if (isShort && rate <= SMALL_BITS_PER_SECOND) return INTERACTIVE;
    if (protocol === UDP) {
      if (
        rate <= REAL_TIME_BITS_PER_SECOND && (this.#signs[flow]! & STUN || this.#rtpRun[flow]! >= RTP_RUN)
      ) {
        return REAL_TIME;
      }
      if (rate <= CALLING_BITS_PER_SECOND && (isIpsec(sourcePort) || isIpsec(destinationPort))) {
        return REAL_TIME;
      }
      const meanBytes = this.#windowPackets[flow]! > 0
        ? windowBytes / this.#windowPackets[flow]!
        : windowBytes;
      if (
        rate <= SMALL_BITS_PER_SECOND && meanBytes <= SMALL_BYTES && this.#steady[flow]! >= STEADY_WINDOWS
      ) {
        return REAL_TIME;
      }
    }
    const limit = this.#kind[flow] === BULK ? SPARSE_BITS_PER_SECOND : 2 * SPARSE_BITS_PER_SECOND;
    if (this.#packets[flow]! <= PROVEN_PACKETS) {
      return rate <= SMALL_BITS_PER_SECOND ? this.#kind[flow] as Kind : BULK;
    }
    return rate <= limit ? INTERACTIVE : BULK;
  }
}

/** RFC 4594: telephony (EF, VOICE-ADMIT), signalling, broadcast and interactive video, conferencing. */
function isRealTimeMark(dscp: number): boolean {
  return dscp === 46 || dscp === 44 || dscp === 40 || dscp === 32 || dscp === 34 || dscp === 36 ||
    dscp === 38;
}

/** IKE and IPsec through NAT (RFC 7296 section 2.23): Wi-Fi calling. */
function isIpsec(port: number): boolean {
  return port === 500 || port === 4500;
}

/** DNS, NTP, DNS over QUIC. */
function isShortPort(port: number): boolean {
  return port === 53 || port === 123 || port === 853;
}
