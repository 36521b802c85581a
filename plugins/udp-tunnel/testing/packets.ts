// Packets for tests of what reads them: whole IPv4 and IPv6 headers with UDP, TCP or anything else behind.

export interface Packet {
  version?: 4 | 6;
  protocol?: number;
  source?: number;
  destination?: number;
  sourcePort?: number;
  destinationPort?: number;
  /** DSCP and ECN as one byte. */
  trafficClass?: number;
  /** IPv4's flags and fragment offset. */
  fragment?: number;
  payload?: number[];
  /** Whole length in bytes; at least what headers and payload need. */
  length?: number;
}

/** Writes the packet at `offset`. @returns its length */
export function write(bytes: Uint8Array, offset: number, packet: Packet): number {
  const { version = 4, protocol = 17, source = 1, destination = 2, trafficClass = 0, payload = [] } = packet;
  const header = version === 4 ? 20 : 40;
  const length = Math.max(packet.length ?? 0, header + 8 + payload.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
  bytes.fill(0, offset, offset + length);
  if (version === 4) {
    view.setUint16(0, 0x4500 | trafficClass);
    view.setUint16(2, length);
    view.setUint16(6, packet.fragment ?? 0);
    view.setUint16(8, 64 << 8 | protocol);
    view.setUint32(12, 0x0a000000 + source);
    view.setUint32(16, 0xc0000000 + destination);
    view.setUint16(10, ~onesSum(view, 20) & 0xffff);
  } else {
    view.setUint16(0, 0x6000 | trafficClass << 4);
    view.setUint16(4, length - 40);
    view.setUint16(6, protocol << 8 | 64);
    view.setUint32(8, 0xfd000000);
    view.setUint32(20, source);
    view.setUint32(24, 0x20010db8);
    view.setUint32(36, destination);
  }
  view.setUint16(header, packet.sourcePort ?? 40_000);
  view.setUint16(header + 2, packet.destinationPort ?? 443);
  bytes.set(payload, offset + header + 8);
  return length;
}

/** The sum of 16-bit words that IPv4's checksum is made of; 0xffff over a header with a right one. */
export function onesSum(view: DataView, length: number): number {
  let sum = 0;
  for (let at = 0; at < length; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}
