// What the tunnel needs to know of one IP packet: the flow it belongs to, its marks, and where its payload stands.
// Nothing is allocated and nothing is read outside the packet, whatever its length fields say. Pure.

export const ICMP = 1, TCP = 6, UDP = 17, ICMPV6 = 58;

/** Extension headers that are walked before giving up; no honest packet has more. */
const EXTENSIONS = 6;

/** The reading of one packet at a time; its fields hold until the next `read`. */
export class FlowKey {
  /**
   * Two hashes of the 5-tuple, 32 bits unsigned each; of addresses and protocol for fragments and what has no
   * ports.
   */
  hash = 0;
  check = 0;
  protocol = 0;
  /** RFC 2474, 0 to 63, and RFC 3168, 0 to 3. */
  dscp = 0;
  ecn = 0;
  /** 0 where there are none. */
  sourcePort = 0;
  destinationPort = 0;
  /** Payload of UDP or TCP's header in the arena; empty where there are no ports. */
  payload = 0;
  payloadEnd = 0;

  /** @param seed random in production, so that nobody outside knows which flows share a place */
  constructor(private readonly seed: number) {}

  /**
   * Reads the packet at `bytes[offset..offset + length]`.
   * @returns false for what is no whole IPv4 or IPv6 header
   */
  read(bytes: Uint8Array, offset: number, length: number): boolean {
    const end = offset + length;
    if (length < 20 || offset < 0 || end > bytes.length) return false;
    this.hash = this.seed >>> 0;
    this.check = ~this.seed >>> 0;
    this.sourcePort = this.destinationPort = 0;
    this.payload = this.payloadEnd = end;
    const version = bytes[offset]! >> 4;
    return version === 4
      ? this.#readIpv4(bytes, offset, end)
      : version === 6 && length >= 40
      ? this.#readIpv6(bytes, offset, end)
      : false;
  }

  /** RFC 791 section 3.1. */
  #readIpv4(bytes: Uint8Array, offset: number, end: number): boolean {
    const header = (bytes[offset]! & 15) * 4;
    if (header < 20 || offset + header > end) return false;
    this.#marks(bytes[offset + 1]!);
    this.protocol = bytes[offset + 9]!;
    this.#mix(word(bytes, offset + 12));
    this.#mix(word(bytes, offset + 16));
    const isFragment = ((bytes[offset + 6]! & 0x3f) | bytes[offset + 7]!) !== 0;
    this.#ports(bytes, offset + header, end, isFragment);
    return true;
  }

  /** RFC 8200 sections 3 and 4. */
  #readIpv6(bytes: Uint8Array, offset: number, end: number): boolean {
    this.#marks((bytes[offset]! << 4 | bytes[offset + 1]! >> 4) & 255);
    for (let at = offset + 8; at < offset + 40; at += 4) this.#mix(word(bytes, at));
    let next = bytes[offset + 6]!;
    let at = offset + 40;
    let isFragment = false;
    for (let count = 0; count < EXTENSIONS && at + 8 <= end; count++) {
      if (next === 44) isFragment = true;
      else if (next !== 0 && next !== 43 && next !== 60) break;
      const size = isFragment ? 8 : (bytes[at + 1]! + 1) * 8;
      next = bytes[at]!;
      at += size;
      if (isFragment) break;
    }
    this.protocol = next;
    this.#ports(bytes, at, end, isFragment);
    return true;
  }

  #marks(trafficClass: number): void {
    this.dscp = trafficClass >> 2;
    this.ecn = trafficClass & 3;
  }

  #ports(bytes: Uint8Array, at: number, end: number, isFragment: boolean): void {
    if ((this.protocol === UDP || this.protocol === TCP) && !isFragment && at + 8 <= end) {
      const ports = word(bytes, at);
      this.#mix(ports);
      this.sourcePort = ports >>> 16;
      this.destinationPort = ports & 0xffff;
      this.payload = this.protocol === UDP ? at + 8 : end;
    }
    this.#mix(this.protocol);
    this.hash = scatter(this.hash);
    this.check = scatter(this.check);
  }

  #mix(value: number): void {
    const hash = Math.imul(this.hash ^ value, 0x85ebca6b);
    this.hash = (hash ^ hash >>> 13) >>> 0;
    const check = Math.imul(this.check + value | 0, 0xc2b2ae35);
    this.check = (check ^ check >>> 16) >>> 0;
  }
}

/**
 * Sets "congestion experienced" in the packet at `offset` and mends IPv4's checksum (RFC 3168 section 5, RFC
 * 1624).
 * @returns false when its ends do not speak ECN; then it is unchanged
 */
export function markCongestion(bytes: Uint8Array, offset: number): boolean {
  if (bytes[offset]! >> 4 === 6) {
    const ecn = bytes[offset + 1]! >> 4 & 3;
    if (ecn !== 0) bytes[offset + 1]! |= 0x30;
    return ecn !== 0;
  }
  const ecn = bytes[offset + 1]! & 3;
  if (ecn === 0) return false;
  const before = bytes[offset]! << 8 | bytes[offset + 1]!;
  bytes[offset + 1]! |= 3;
  const after = bytes[offset]! << 8 | bytes[offset + 1]!;
  let sum = (~(bytes[offset + 10]! << 8 | bytes[offset + 11]!) & 0xffff) + (~before & 0xffff) + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
  bytes[offset + 10] = sum >> 8;
  bytes[offset + 11] = sum & 255;
  return true;
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!;
}

/** The closing of MurmurHash3: every bit of the input reaches every bit of the result. */
function scatter(hash: number): number {
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
}
