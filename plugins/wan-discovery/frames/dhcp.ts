// DHCP messages (RFC 2131, 2132) between bytes and what they say, from a client's side. Replies are hostile: every length
// is checked, what is malformed in one option is as if it were absent, what is malformed in the frame is undefined. Pure.
import { ipv4Number } from "@otb/plugin";
import { ANY, BROADCAST, type Bytes, ipv4Bytes, isHost, macBytes, readIpv4, readMac } from "./addresses.ts";

export const CLIENT_PORT = 68, SERVER_PORT = 67;

/** Message types of option 53. */
export const TYPES = [
  ...["none", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform"],
] as const;
export type MessageType = (typeof TYPES)[number];

const MAGIC = 0x63825363;
const FIXED = 240;
/** RFC 2131 2: a client must take 576 bytes of IP; no wire here carries more than a jumbo frame. */
const LONGEST = 9000;
/** What we ask servers to tell us, in option 55. */
const ASKED = [1, 3, 6, 12, 15, 26, 43, 51, 54, 58, 59, 60, 66, 67, 114, 121];

/** A message of a client. */
export interface ClientMessage {
  type: MessageType;
  xid: number;
  secs: number;
  /** The client's Ethernet address. */
  mac: string;
  /** The address that the client has already. */
  clientAddress?: string;
  /** Option 50. */
  requestedAddress?: string;
  /** Option 54: the server that is meant. */
  server?: string;
  hostName?: string;
  /** Asks for answers to everybody, as the client cannot receive to an address it has not. */
  broadcast: boolean;
}

/** A reply of a server. */
export interface Reply {
  type: "offer" | "ack" | "nak";
  xid: number;
  mac: string;
  /** The address given; absent in a NAK. */
  address?: string;
  /** Option 54. */
  server: string;
  /** From the netmask, option 1, as far as it is one; `mask` is what was told. */
  prefixLength?: number;
  mask?: string;
  /** Default router: from option 121 where there is one, else the first of option 3 (RFC 3442). */
  router?: string;
  dns: string[];
  hostName?: string;
  domain?: string;
  mtu?: number;
  /** 4294967295 is for ever. */
  leaseSeconds?: number;
  renewSeconds?: number;
  rebindSeconds?: number;
  /** Option 60, and option 43 as text where it is text: hints at the maker. */
  vendorClass?: string;
  vendorSpecific?: string;
  /** Options 66 and 67. */
  bootServer?: string;
  bootFile?: string;
  /** Option 114 (RFC 8910). */
  captivePortal?: string;
}

/** The bytes of a client's message. */
export function encode(message: ClientMessage): Bytes {
  const { type, xid, secs, mac, clientAddress, requestedAddress, server, hostName, broadcast } = message;
  const options = [53, 1, TYPES.indexOf(type), 61, 7, 1, ...macBytes(mac)];
  if (requestedAddress) options.push(50, 4, ...ipv4Bytes(requestedAddress));
  if (server) options.push(54, 4, ...ipv4Bytes(server));
  if (type !== "release" && type !== "decline") {
    options.push(57, 2, 1500 >> 8, 1500 & 255, 55, ASKED.length, ...ASKED);
    if (hostName) {
      const name = new TextEncoder().encode(hostName).subarray(0, 63);
      options.push(12, name.length, ...name);
    }
  }
  options.push(255);
  // BOOTP's minimum (RFC 1542 2.1): some servers drop what is shorter.
  const bytes = new Uint8Array(Math.max(300, FIXED + options.length));
  const view = new DataView(bytes.buffer);
  bytes.set([1, 1, 6, 0]);
  view.setUint32(4, xid);
  view.setUint16(8, Math.min(secs, 0xffff));
  view.setUint16(10, broadcast ? 0x8000 : 0);
  bytes.set(ipv4Bytes(clientAddress ?? ANY), 12);
  bytes.set(macBytes(mac), 28);
  view.setUint32(236, MAGIC);
  bytes.set(options, FIXED);
  return bytes;
}

/** What a server's reply says. */
export function decode(bytes: Bytes): Reply | undefined {
  if (bytes.length < FIXED || bytes.length > LONGEST) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes[0] !== 2 || bytes[1] !== 1 || bytes[2] !== 6 || view.getUint32(236) !== MAGIC) return undefined;
  const options = readOptions(bytes);
  if (!options) return undefined;
  const one = (code: number, length: number) => {
    const value = options.get(code);
    return value?.length === length ? new DataView(value.buffer, value.byteOffset, length) : undefined;
  };
  const address = (code: number) => addresses(options.get(code))[0];
  const text = (code: number) => printable(options.get(code));
  const type = TYPES[one(53, 1)?.getUint8(0) ?? 0];
  const server = address(54);
  if (type !== "offer" && type !== "ack" && type !== "nak" || !server) return undefined;
  const head = { type, xid: view.getUint32(4), mac: readMac(bytes, 28), server };
  if (type === "nak") return { ...head, dns: [] };
  const given = readIpv4(bytes, 16);
  // The answer to an INFORM gives none.
  if (!isHost(given) && given !== ANY) return undefined;
  const reply: Reply = {
    ...head,
    address: given === ANY ? undefined : given,
    prefixLength: prefixLength(one(1, 4)?.getUint32(0)),
    mask: options.get(1)?.length === 4 ? readIpv4(options.get(1)!, 0) : undefined,
    router: options.has(121) ? defaultRoute(options.get(121)!) : address(3),
    dns: addresses(options.get(6)).slice(0, 4),
    hostName: text(12),
    domain: text(15),
    mtu: one(26, 2)?.getUint16(0),
    leaseSeconds: one(51, 4)?.getUint32(0),
    renewSeconds: one(58, 4)?.getUint32(0),
    rebindSeconds: one(59, 4)?.getUint32(0),
    vendorClass: text(60),
    vendorSpecific: text(43),
    bootServer: text(66),
    bootFile: text(67),
    captivePortal: text(114),
  };
  return reply;
}

/** Options by code, those in several parts joined (RFC 3396), those in the fields `file` and `sname` too (option 52). */
function readOptions(bytes: Bytes): Map<number, Bytes> | undefined {
  const options = new Map<number, Bytes>();
  if (!addOptions(options, bytes.subarray(FIXED))) return undefined;
  const overload = options.get(52)?.[0] ?? 0;
  if (overload & 1 && !addOptions(options, bytes.subarray(108, 236))) return undefined;
  if (overload & 2 && !addOptions(options, bytes.subarray(44, 108))) return undefined;
  return options;
}

function addOptions(options: Map<number, Bytes>, field: Bytes): boolean {
  for (let at = 0; at < field.length && field[at] !== 255;) {
    const code = field[at]!;
    if (code === 0) {
      at++;
      continue;
    }
    const length = field[at + 1];
    if (length === undefined || at + 2 + length > field.length) return false;
    const value = field.subarray(at + 2, at + 2 + length);
    const former = options.get(code);
    options.set(code, former ? new Uint8Array([...former, ...value]) : value);
    at += 2 + length;
  }
  return true;
}

function addresses(value: Bytes | undefined): string[] {
  if (!value || value.length % 4 !== 0) return [];
  return Array.from({ length: value.length / 4 }, (_, index) => readIpv4(value, index * 4)).filter(isHost);
}

/** A netmask's prefix length; undefined when its ones are not contiguous or there are none. */
function prefixLength(mask: number | undefined): number | undefined {
  if (!mask) return undefined;
  const length = mask.toString(2).replace(/0+$/, "").length;
  return mask === ipv4Number(BROADCAST) - (2 ** (32 - length) - 1) ? length : undefined;
}

/** The router of 0.0.0.0/0 in classless static routes (RFC 3442); absent when there is none or a route is malformed. */
function defaultRoute(value: Bytes): string | undefined {
  let router: string | undefined;
  for (let at = 0; at < value.length;) {
    const length = value[at]!;
    const size = 1 + Math.ceil(length / 8) + 4;
    if (length > 32 || at + size > value.length) return undefined;
    if (length === 0) router ??= readIpv4(value, at + 1);
    at += size;
  }
  return router && isHost(router) ? router : undefined;
}

/** Plain text of a bounded length, or nothing: it will be shown to people. */
function printable(value: Bytes | undefined): string | undefined {
  if (!value) return undefined;
  const text = new TextDecoder("latin1").decode(value.subarray(0, 256)).replace(/\0+$/, "");
  return /^[\x20-\x7e]{1,255}$/.test(text) ? text : undefined;
}
