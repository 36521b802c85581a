// Keeps names of the Internet from leading into the LAN (DNS rebinding): a web page whose name answers with an address of a
// device, a modem or the box itself could talk to it as if it were the page's own server. Pure; every message is hostile.
import ipaddr from "ipaddr.js";
import { endOfAnyName, failure, nameOf, type Query, Rcode } from "./wire.ts";

/** IPv4 addresses that no name of the Internet has (RFC 6890): this host, private, shared, loopback, link-local, group, reserved. */
export const LOCAL4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "224.0.0.0/3",
];
/** The same for IPv6: unspecified, loopback, mapped, local NAT64 (RFC 8215), unique and link- and site-local, groups. */
export const LOCAL6 = [
  "::/127",
  "::ffff:0:0/96",
  "64:ff9b:1::/48",
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
];

/** Of these, what is never beyond a link, not even in an operator's own network: this host, loopback, the segment, groups. */
export const OUTSIDE_HOME4 = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"];
export const OUTSIDE_HOME6 = LOCAL6.filter((cidr) => cidr !== "fc00::/7");

const A = 1, AAAA = 28, SVCB = 64, HTTPS = 65;
/** Parameters of a service that hold addresses (RFC 9460 section 14.3.2), and the bytes of one. */
const HINTS: { [key: number]: 4 | 16 } = { 4: 4, 6: 16 };
const HEADER_BYTES = 12, FIXED_BYTES = 10;

interface Cidr {
  bytes: Uint8Array;
  length: number;
}
/** What is local: the above, and this house's own addresses, public ones included. */
export class Rebinding {
  #own: Cidr[] = [];
  readonly #local4: Cidr[];
  readonly #local6: Cidr[];

  /** @param localDomains which may lead here, each with everything below it */
  constructor(private readonly localDomains: readonly string[], local4 = LOCAL4, local6 = LOCAL6) {
    this.#local4 = local4.map(parse);
    this.#local6 = local6.map(parse);
  }

  /** Addresses and networks of the box, its LAN and its modems, CIDR or bare. */
  set own(cidrs: string[]) {
    this.#own = cidrs.flatMap((cidr) => {
      try {
        return [parse(cidr)];
      } catch {
        return [];
      }
    });
  }

  /**
   * The response as it may be passed on: itself, or without records where one holds a local address, or a failure where it
   * cannot be read to its end.
   */
  guard(query: Query, response: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const name = nameOf(query);
    if (this.localDomains.some((domain) => name === domain || name.endsWith(`.${domain}`))) return response;
    const addresses = addressesIn(response, query.questionEnd);
    if (!addresses) return failure(query, Rcode.serverFailure);
    return addresses.some((address) => this.isLocal(address)) ? failure(query, Rcode.noError) : response;
  }

  /** The same of an address as text. */
  isLocalText(address: string): boolean {
    return this.isLocal(bytesOf(address));
  }

  /** Whether an address of 4 or 16 bytes leads into the house, straight or embedded in another. */
  isLocal(bytes: Uint8Array): boolean {
    const isIn = (cidr: Cidr) => contains(cidr, bytes);
    if (this.#own.some(isIn) || (bytes.length === 4 ? this.#local4 : this.#local6).some(isIn)) return true;
    return bytes.length === 16 && embedded(bytes).some((inner) => this.isLocal(inner));
  }
}

/** Whether a text is an IPv4 address as people write it, of one station. */
export function isUnicast4(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text) && !contains(parse("224.0.0.0/3"), bytesOf(text));
}

function bytesOf(address: string): Uint8Array {
  return Uint8Array.from(ipaddr.parse(address).toByteArray());
}

/** IPv4 addresses that an IPv6 address stands for: NAT64 (RFC 6052), 6to4 (RFC 3056), Teredo (RFC 4380), compatible (RFC 4291). */
function embedded(bytes: Uint8Array): Uint8Array[] {
  const begins = (...start: number[]) => start.every((byte, at) => bytes[at] === byte);
  const last = bytes.subarray(12);
  const found: Uint8Array[] = [];
  if (begins(0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0)) found.push(last);
  if (begins(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)) found.push(last);
  if (begins(0x20, 0x02)) found.push(bytes.subarray(2, 6));
  if (begins(0x20, 0x01, 0, 0)) found.push(last.map((byte) => byte ^ 0xff));
  return found;
}

/** Every address in the records of a message, 4 or 16 bytes each; undefined when it is not well formed to its end. */
export function addressesIn(message: Uint8Array, questionEnd: number): Uint8Array[] | undefined {
  if (message.length < questionEnd || questionEnd < HEADER_BYTES) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const count = view.getUint16(6) + view.getUint16(8) + view.getUint16(10);
  const found: Uint8Array[] = [];
  let at = questionEnd;
  for (let index = 0; index < count; index++) {
    const nameEnd = endOfAnyName(message, at);
    if (nameEnd === undefined || nameEnd + FIXED_BYTES > message.length) return undefined;
    const type = view.getUint16(nameEnd);
    const start = nameEnd + FIXED_BYTES, end = start + view.getUint16(nameEnd + 8);
    if (end > message.length) return undefined;
    if (type === A || type === AAAA) {
      if (end - start !== (type === A ? 4 : 16)) return undefined;
      found.push(message.subarray(start, end));
    } else if (type === SVCB || type === HTTPS) {
      const hints = hintsIn(message.subarray(0, end), start);
      if (!hints) return undefined;
      found.push(...hints);
    }
    at = end;
  }
  // Bytes behind the last record are read by nobody, and hide nothing.
  return found;
}

/** Addresses in a service's parameters (RFC 9460 section 2.2); the message ends where the record does. */
function hintsIn(message: Uint8Array, start: number): Uint8Array[] | undefined {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const nameEnd = start + 2 <= message.length ? endOfAnyName(message, start + 2) : undefined;
  if (nameEnd === undefined) return undefined;
  const found: Uint8Array[] = [];
  for (let at = nameEnd; at < message.length;) {
    if (at + 4 > message.length) return undefined;
    const size = HINTS[view.getUint16(at)], end = at + 4 + view.getUint16(at + 2);
    if (end > message.length) return undefined;
    if (size) {
      if ((end - at - 4) % size !== 0) return undefined;
      for (let one = at + 4; one < end; one += size) found.push(message.subarray(one, one + size));
    }
    at = end;
  }
  return found;
}

function parse(cidr: string): Cidr {
  const [address, length] = ipaddr.parseCIDR(
    cidr.includes("/") ? cidr : `${cidr}/${cidr.includes(":") ? 128 : 32}`,
  );
  return { bytes: Uint8Array.from(address.toByteArray()), length };
}

/** By bytes, as one answer may hold thousands of addresses. */
function contains({ bytes, length }: Cidr, address: Uint8Array): boolean {
  if (bytes.length !== address.length) return false;
  const whole = length >> 3, rest = length & 7;
  for (let at = 0; at < whole; at++) if (bytes[at] !== address[at]) return false;
  return rest === 0 || (bytes[whole]! ^ address[whole]!) >> (8 - rest) === 0;
}
