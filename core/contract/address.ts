// Addresses and ranges of both families as texts: one way to read them, and one to write them. Pure.
import ipaddr from "ipaddr.js";
import { isIpv4 } from "./ipv4.ts";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Whether a text is an IPv6 address, without zone. */
export function isIpv6(text: string): boolean {
  return parsed(text)?.kind() === "ipv6";
}

/** An address as the kernel prints it (RFC 5952), or undefined; without `family` both are taken. */
export function canonicalAddress(text: string, family?: 4 | 6): string | undefined {
  const address = parsed(text);
  return !address || family && address.kind() !== `ipv${family}` ? undefined : textOf(address);
}

/** The same, where IPv4 that is mapped into IPv6 is the IPv4 address that it is. */
export function unmappedAddress(text: string): string | undefined {
  const address = parsed(text);
  if (!address) return undefined;
  const isMapped = address.kind() === "ipv6" && (address as ipaddr.IPv6).isIPv4MappedAddress();
  return isMapped ? (address as ipaddr.IPv6).toIPv4Address().toString() : textOf(address);
}

/** `192.168.11.2/24` as `192.168.11.0/24`; an address alone is a range of one; undefined when it is no range. */
export function canonicalRange(text: string): string | undefined {
  const range = parsedRange(text);
  if (!range) return undefined;
  const [address, length] = range;
  const kind = address.kind() === "ipv4" ? ipaddr.IPv4 : ipaddr.IPv6;
  return `${textOf(kind.networkAddressFromCIDR(`${address}/${length}`))}/${length}`;
}

/** Whether an address, or all of a range, lies in a range; what is neither lies nowhere. */
export function isInside(inner: string, outer: string): boolean {
  const [one, other] = [parsedRange(inner), parsedRange(outer)];
  return one !== undefined && other !== undefined && one[1] >= other[1] && matches(one[0], other);
}

/** Whether two ranges have an address in common. */
export function overlaps(a: string, b: string): boolean {
  return isInside(a, b) || isInside(b, a);
}

/** ipaddr.js also takes octal, short and zoned forms, which mean something else elsewhere. */
function parsed(text: string): Address | undefined {
  if (typeof text !== "string") return undefined;
  if (isIpv4(text)) return ipaddr.IPv4.parse(text);
  return /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text) && ipaddr.IPv6.isValid(text)
    ? ipaddr.IPv6.parse(text)
    : undefined;
}

function parsedRange(text: string): [Address, number] | undefined {
  const [host = "", length, rest] = text.split("/");
  const address = parsed(host);
  if (!address || rest !== undefined) return undefined;
  const most = address.kind() === "ipv4" ? 32 : 128;
  if (length === undefined) return [address, most];
  return /^\d{1,3}$/.test(length) && Number(length) <= most ? [address, Number(length)] : undefined;
}

function matches(address: Address, [network, length]: [Address, number]): boolean {
  return address.kind() === network.kind() && address.match(network as ipaddr.IPv4, length);
}

function textOf(address: Address): string {
  return address.kind() === "ipv6" ? (address as ipaddr.IPv6).toRFC5952String() : address.toString();
}
