// Ethernet frames as they cross the packet socket: ARP (RFC 826), UDP over IPv4 (RFC 791, 768), router solicitation and
// advertisement (RFC 4861). Whatever arrives is hostile: every length is checked, the malformed is undefined. Pure.
import {
  ANY,
  BROADCAST_MAC,
  type Bytes,
  ipv4Bytes,
  isStation,
  macBytes,
  readIpv4,
  readMac,
} from "./addresses.ts";

const ETHERNET = 14, IPV4 = 0x0800, ARP = 0x0806, IPV6 = 0x86dd;
/** Shortest frame without its check sequence (IEEE 802.3). */
const SHORTEST = 60;

/** What an ARP packet says. */
export interface Arp {
  operation: "request" | "reply";
  senderMac: string;
  sender: string;
  targetMac: string;
  target: string;
}

/** A UDP datagram with the stations that it goes between. */
export interface Datagram {
  fromMac: string;
  toMac: string;
  from: string;
  to: string;
  fromPort: number;
  toPort: number;
  payload: Bytes;
}

/** What a router advertisement says (RFC 4861 4.2, RFC 8106). */
export interface Advertisement {
  mac: string;
  /** Its link-local address. */
  router: string;
  /** 0: it is no default router. */
  lifetimeSeconds: number;
  managed: boolean;
  otherConfig: boolean;
  mtu?: number;
  prefixes: string[];
  dns: string[];
}

/** An ARP packet in its frame; `to` is the station, everybody when absent. */
export function arpFrame(
  { operation, senderMac, sender, targetMac, target }: Arp,
  to = BROADCAST_MAC,
): Bytes {
  const frame = new Uint8Array(SHORTEST);
  frame.set([...macBytes(to), ...macBytes(senderMac), 0x08, 0x06]);
  frame.set([0, 1, 8, 0, 6, 4, 0, operation === "request" ? 1 : 2], ETHERNET);
  frame.set([...macBytes(senderMac), ...ipv4Bytes(sender)], ETHERNET + 8);
  frame.set([...macBytes(targetMac), ...ipv4Bytes(target)], ETHERNET + 18);
  return frame;
}

/** Asks who has an address without saying that we had one: an ARP probe (RFC 5227 2.1.1). */
export function arpProbe(senderMac: string, target: string): Bytes {
  return arpFrame({ operation: "request", senderMac, sender: ANY, targetMac: "00:00:00:00:00:00", target });
}

/** The ARP packet of a frame for IPv4 over Ethernet. */
export function parseArp(frame: Bytes): Arp | undefined {
  if (frame.length < ETHERNET + 28 || etherType(frame) !== ARP) return undefined;
  const fixed = [0, 1, 8, 0, 6, 4, 0];
  if (fixed.some((byte, index) => frame[ETHERNET + index] !== byte)) return undefined;
  const operation = frame[ETHERNET + 7] === 1 ? "request" : frame[ETHERNET + 7] === 2 ? "reply" : undefined;
  const senderMac = readMac(frame, ETHERNET + 8);
  if (!operation || !isStation(senderMac)) return undefined;
  return {
    operation,
    senderMac,
    sender: readIpv4(frame, ETHERNET + 14),
    targetMac: readMac(frame, ETHERNET + 18),
    target: readIpv4(frame, ETHERNET + 24),
  };
}

/** A UDP datagram over IPv4 in its frame. */
export function udpFrame({ fromMac, toMac, from, to, fromPort, toPort, payload }: Datagram): Bytes {
  const length = 28 + payload.length;
  const frame = new Uint8Array(Math.max(SHORTEST, ETHERNET + length));
  const view = new DataView(frame.buffer);
  frame.set([...macBytes(toMac), ...macBytes(fromMac), 0x08, 0x00]);
  frame.set([0x45, 0, length >> 8, length & 255, 0, 0, 0, 0, 64, 17, 0, 0], ETHERNET);
  frame.set([...ipv4Bytes(from), ...ipv4Bytes(to)], ETHERNET + 12);
  view.setUint16(ETHERNET + 10, checksum(frame.subarray(ETHERNET, ETHERNET + 20)));
  view.setUint16(ETHERNET + 20, fromPort);
  view.setUint16(ETHERNET + 22, toPort);
  view.setUint16(ETHERNET + 24, 8 + payload.length);
  frame.set(payload, ETHERNET + 28);
  const pseudo = [
    ...ipv4Bytes(from),
    ...ipv4Bytes(to),
    0,
    17,
    (8 + payload.length) >> 8,
    (8 + payload.length) & 255,
  ];
  const sum = checksum(new Uint8Array([...pseudo, ...frame.subarray(ETHERNET + 20, ETHERNET + length)]));
  // 0 would say that there is none (RFC 768).
  view.setUint16(ETHERNET + 26, sum || 0xffff);
  return frame;
}

/**
 * The UDP datagram of a frame; fragments are refused. Its checksum is not looked at: a neighbour on a virtual wire leaves
 * it to hardware that never comes (packet(7), TP_STATUS_CSUMNOTREADY).
 */
export function parseUdp(frame: Bytes): Datagram | undefined {
  if (frame.length < ETHERNET + 28 || etherType(frame) !== IPV4) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const header = (frame[ETHERNET]! & 15) * 4;
  const length = view.getUint16(ETHERNET + 2);
  const udp = ETHERNET + header;
  if (frame[ETHERNET]! >> 4 !== 4 || header < 20 || length < header + 8 || ETHERNET + length > frame.length) {
    return undefined;
  }
  if (frame[ETHERNET + 9] !== 17 || (view.getUint16(ETHERNET + 6) & 0x3fff) !== 0) return undefined;
  if (checksum(frame.subarray(ETHERNET, udp)) !== 0) return undefined;
  const size = view.getUint16(udp + 4);
  const fromMac = readMac(frame, 6);
  if (size < 8 || size > length - header || !isStation(fromMac)) return undefined;
  return {
    fromMac,
    toMac: readMac(frame, 0),
    from: readIpv4(frame, ETHERNET + 12),
    to: readIpv4(frame, ETHERNET + 16),
    fromPort: view.getUint16(udp),
    toPort: view.getUint16(udp + 2),
    payload: frame.subarray(udp + 8, udp + size),
  };
}

/** Asks all routers to advertise at once, from no address at all (RFC 4861 4.1). */
export function routerSolicitation(fromMac: string): Bytes {
  const frame = new Uint8Array(ETHERNET + 48);
  frame.set([0x33, 0x33, 0, 0, 0, 2, ...macBytes(fromMac), 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 58, 255]);
  frame.set([0xff, 0x02], ETHERNET + 24);
  frame[ETHERNET + 39] = 2;
  frame[ETHERNET + 40] = 133;
  const pseudo = [...frame.subarray(ETHERNET + 8, ETHERNET + 40), 0, 0, 0, 8, 0, 0, 0, 58];
  const sum = checksum(new Uint8Array([...pseudo, ...frame.subarray(ETHERNET + 40)]));
  frame.set([sum >> 8, sum & 255], ETHERNET + 42);
  return frame;
}

/** How many prefixes and name servers of one advertisement are kept. */
const MOST = 8;

/** The router advertisement of a frame: from a link-local address, never forwarded (RFC 4861 6.1.2). */
export function parseAdvertisement(frame: Bytes): Advertisement | undefined {
  if (frame.length < ETHERNET + 56 || etherType(frame) !== IPV6) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const length = view.getUint16(ETHERNET + 4);
  const icmp = ETHERNET + 40;
  const mac = readMac(frame, 6);
  const linkLocal = frame[ETHERNET + 8] === 0xfe && (frame[ETHERNET + 9]! & 0xc0) === 0x80;
  if (
    frame[ETHERNET]! >> 4 !== 6 || frame[ETHERNET + 6] !== 58 || frame[ETHERNET + 7] !== 255 || length < 16 ||
    icmp + length > frame.length || frame[icmp] !== 134 || frame[icmp + 1] !== 0 || !linkLocal ||
    !isStation(mac)
  ) return undefined;
  const body = frame.subarray(icmp, icmp + length);
  const pseudo = [...frame.subarray(ETHERNET + 8, icmp), 0, 0, length >> 8, length & 255, 0, 0, 0, 58];
  if (checksum(new Uint8Array([...pseudo, ...body])) !== 0) return undefined;
  const advertisement: Advertisement = {
    mac,
    router: readIpv6(frame, ETHERNET + 8),
    lifetimeSeconds: view.getUint16(icmp + 6),
    managed: (frame[icmp + 5]! & 0x80) !== 0,
    otherConfig: (frame[icmp + 5]! & 0x40) !== 0,
    prefixes: [],
    dns: [],
  };
  for (let at = 16; at < length;) {
    const size = (body[at + 1] ?? 0) * 8;
    // An option of no length makes the whole packet void (RFC 4861 4.6).
    if (size === 0 || at + size > length) return undefined;
    const { prefixes, dns } = advertisement;
    if (body[at] === 3 && size === 32 && body[at + 2]! <= 128 && prefixes.length < MOST) {
      prefixes.push(`${readIpv6(body, at + 16)}/${body[at + 2]}`);
    }
    if (body[at] === 5 && size === 8) advertisement.mtu = view.getUint32(icmp + at + 4);
    for (
      let server = at + 8;
      body[at] === 25 && server + 16 <= at + size && dns.length < MOST;
      server += 16
    ) {
      dns.push(readIpv6(body, server));
    }
    at += size;
  }
  return advertisement;
}

function etherType(frame: Bytes): number {
  return frame[12]! << 8 | frame[13]!;
}

/** An IPv6 address in the text form of RFC 5952. */
function readIpv6(bytes: Bytes, at: number): string {
  const words = Array.from(
    { length: 8 },
    (_, i) => (bytes[at + 2 * i]! << 8 | bytes[at + 2 * i + 1]!).toString(16),
  );
  // The longest run of zero words, the first of equals, and none of a single word, becomes `::`.
  let [start, longest] = [-1, 1];
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (words[i + run] === "0") run++;
    if (run > longest) [start, longest] = [i, run];
  }
  if (start < 0) return words.join(":");
  return `${words.slice(0, start).join(":")}::${words.slice(start + longest).join(":")}`;
}

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes[at]! << 8 | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}
