// Ethernet frames as the finder of modems sends and reads them: IPv4 with UDP, and ARP (RFC 894, 791, 768, 826). Pure.

type Bytes = Uint8Array<ArrayBuffer>;

export const BROADCAST_MAC = "ff:ff:ff:ff:ff:ff";
const ETHERNET_BYTES = 14, IPV4_BYTES = 20, UDP_BYTES = 8, ARP_BYTES = 28;
const TYPE_IPV4 = 0x0800, TYPE_ARP = 0x0806;
const UDP = 17;

/** A UDP datagram with where it goes and comes from on both layers. */
export interface Datagram {
  sourceMac: string;
  targetMac: string;
  source: string;
  target: string;
  sourcePort: number;
  targetPort: number;
  payload: Bytes;
}

/** An ARP packet for IPv4 over Ethernet. */
export interface Arp {
  operation: "request" | "reply";
  senderMac: string;
  senderAddress: string;
  targetMac: string;
  targetAddress: string;
}

/** Writes a datagram as a frame, checksums included. */
export function writeDatagram(datagram: Datagram): Bytes {
  const { payload } = datagram;
  const frame = new Uint8Array(ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES + payload.length);
  const view = new DataView(frame.buffer);
  writeEthernet(frame, datagram.sourceMac, datagram.targetMac, TYPE_IPV4);
  const ip = ETHERNET_BYTES, udp = ip + IPV4_BYTES;
  view.setUint8(ip, 0x45);
  view.setUint16(ip + 2, frame.length - ip);
  view.setUint8(ip + 8, 64);
  view.setUint8(ip + 9, UDP);
  frame.set(addressBytes(datagram.source), ip + 12);
  frame.set(addressBytes(datagram.target), ip + 16);
  view.setUint16(ip + 10, checksum(frame, ip, udp, 0));
  view.setUint16(udp, datagram.sourcePort);
  view.setUint16(udp + 2, datagram.targetPort);
  view.setUint16(udp + 4, UDP_BYTES + payload.length);
  frame.set(payload, udp + UDP_BYTES);
  // The pseudo header: both addresses, the protocol and the length.
  const sum = checksum(frame, ip + 12, frame.length, UDP + UDP_BYTES + payload.length);
  view.setUint16(udp + 6, sum === 0 ? 0xffff : sum);
  return frame;
}

/** Reads a frame as a datagram; undefined when it is none, is cut short or its IPv4 checksum is wrong. */
export function readDatagram(frame: Bytes): Datagram | undefined {
  if (frame.length < ETHERNET_BYTES + IPV4_BYTES + UDP_BYTES) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const ip = ETHERNET_BYTES;
  if (view.getUint16(12) !== TYPE_IPV4 || view.getUint8(ip) >> 4 !== 4) return undefined;
  const udp = ip + (view.getUint8(ip) & 15) * 4;
  const end = ip + view.getUint16(ip + 2);
  if (udp < ip + IPV4_BYTES || end > frame.length || udp + UDP_BYTES > end) return undefined;
  if (view.getUint8(ip + 9) !== UDP || (view.getUint16(ip + 6) & 0x3fff) !== 0) return undefined;
  if (checksum(frame, ip, udp, 0) !== 0) return undefined;
  // The UDP checksum of local servers is often left to hardware that never runs: it proves nothing here.
  const length = view.getUint16(udp + 4);
  if (length < UDP_BYTES || udp + length > end) return undefined;
  return {
    sourceMac: macText(frame, 6),
    targetMac: macText(frame, 0),
    source: addressText(frame, ip + 12),
    target: addressText(frame, ip + 16),
    sourcePort: view.getUint16(udp),
    targetPort: view.getUint16(udp + 2),
    payload: frame.slice(udp + UDP_BYTES, udp + length),
  };
}

/** Writes an ARP packet as a frame: a request to everybody, a reply to its target. */
export function writeArp(arp: Arp): Bytes {
  const frame = new Uint8Array(ETHERNET_BYTES + ARP_BYTES);
  const view = new DataView(frame.buffer);
  const request = arp.operation === "request";
  writeEthernet(frame, arp.senderMac, request ? BROADCAST_MAC : arp.targetMac, TYPE_ARP);
  view.setUint16(14, 1);
  view.setUint16(16, TYPE_IPV4);
  frame.set([6, 4], 18);
  view.setUint16(20, request ? 1 : 2);
  frame.set(macBytes(arp.senderMac), 22);
  frame.set(addressBytes(arp.senderAddress), 28);
  frame.set(macBytes(arp.targetMac), 32);
  frame.set(addressBytes(arp.targetAddress), 38);
  return frame;
}

/** Reads a frame as ARP for IPv4 over Ethernet; undefined when it is anything else. */
export function readArp(frame: Bytes): Arp | undefined {
  if (frame.length < ETHERNET_BYTES + ARP_BYTES) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const operation = view.getUint16(20);
  if (
    view.getUint16(12) !== TYPE_ARP || view.getUint16(14) !== 1 || view.getUint16(16) !== TYPE_IPV4 ||
    view.getUint16(18) !== 0x0604 || operation !== 1 && operation !== 2
  ) return undefined;
  return {
    operation: operation === 1 ? "request" : "reply",
    senderMac: macText(frame, 22),
    senderAddress: addressText(frame, 28),
    targetMac: macText(frame, 32),
    targetAddress: addressText(frame, 38),
  };
}

/** Six bytes of `aa:bb:cc:dd:ee:ff`. */
export function macBytes(mac: string): Bytes {
  return Uint8Array.from(mac.split(":"), (part) => parseInt(part, 16));
}

export function macText(bytes: Bytes, at: number): string {
  return Array.from(bytes.subarray(at, at + 6), (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** Four bytes of `192.168.1.1`. */
export function addressBytes(address: string): Bytes {
  return Uint8Array.from(address.split("."), Number);
}

export function addressText(bytes: Bytes, at: number): string {
  return bytes.subarray(at, at + 4).join(".");
}

function writeEthernet(frame: Bytes, source: string, target: string, type: number): void {
  frame.set(macBytes(target), 0);
  frame.set(macBytes(source), 6);
  frame.set([type >> 8, type & 255], 12);
}

/** The Internet checksum (RFC 1071) of `bytes[from..to]` and `start`. */
function checksum(bytes: Bytes, from: number, to: number, start: number): number {
  let sum = start;
  for (let at = from; at < to; at += 2) sum += bytes[at]! << 8 | (at + 1 < to ? bytes[at + 1]! : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
