// What of a link's network is near: reached by that link in clear, past the peer. A modem, or who plays one, says what it likes
// of its network; it must not get a part of the Internet by that. Pure.

import { canonicalRange, isInside } from "./address.ts";
import { PRIVATE4, SHARED4 } from "./ipv4.ts";

/** An address as a link's interface has it, the length of its network as it was told, and the router that was told with it. */
export interface LinkNetwork {
  address?: string;
  /** Absent or senseless: nothing is known but the address. */
  prefixLength?: number;
  gateway?: string;
}

/** Networks of homes and operators, never of the Internet: RFC 1918, RFC 6598, RFC 3927, and for IPv6 RFC 4193. */
const PRIVATE = [...PRIVATE4, SHARED4, "169.254.0.0/16"];
/** No home is larger than 192.168.0.0/16; all of 10.0.0.0/8 would take other private networks, at the peer's say, along. */
const SHORTEST = 16, SHORTEST6 = 64;

/**
 * What devices reach by a link in clear, as CIDRs: its network if that is private and of bounded size, otherwise its gateway
 * alone if that is private, otherwise nothing. No public address is ever near, whatever a lease says.
 */
export function nearOf(told: LinkNetwork): string[] {
  return onLinkOf(told).filter((cidr) => isPrivate(cidr));
}

/** What a link reaches without a router, as CIDRs: its network as far as that may be near, and its gateway. */
export function onLinkOf({ address, prefixLength, gateway }: LinkNetwork): string[] {
  if (address === undefined || gateway === undefined && prefixLength === undefined) return [];
  const network = networkOf(address, prefixLength);
  if (gateway === undefined) return network ? [network] : [];
  const host = `${gateway}/${gateway.includes(":") ? 128 : 32}`;
  if (network === undefined) return [host];
  return !host.includes(":") && isInside(host, network) ? [network] : [network, host];
}

/** The length to take a told IPv4 network for: as told, or of the address alone where that cannot be a home's or an operator's. */
export function boundedLength(prefixLength: number | undefined): number {
  return isOddLength(prefixLength) ? 32 : prefixLength!;
}

/** Whether a told length is none that a home or an operator has: a person should know. */
export function isOddLength(prefixLength: number | undefined): boolean {
  return prefixLength === undefined || !(prefixLength >= SHORTEST && prefixLength <= 32);
}

/** A private network of bounded size, or nothing. */
function networkOf(address: string, prefixLength: number | undefined): string | undefined {
  if (address.includes(":")) {
    const isNear = prefixLength !== undefined && prefixLength >= SHORTEST6 && prefixLength < 128;
    return isNear && isPrivate(address) ? `${address}/${prefixLength}` : undefined;
  }
  if (isOddLength(prefixLength) || prefixLength === 32) return undefined;
  const cidr = canonicalRange(`${address}/${prefixLength}`);
  return cidr !== undefined && isPrivate(cidr) ? cidr : undefined;
}

function isPrivate(cidr: string): boolean {
  if (cidr.includes(":")) return /^f[cd][0-9a-f]{2}:/i.test(cidr);
  return PRIVATE.some((block) => isInside(cidr, block));
}
