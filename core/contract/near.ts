// What of a link's network is near: reached by that link in clear, past the peer. A modem, or who plays one, says what it likes
// of its network; it must not get a part of the Internet by that. Pure.

/** An address as a link's interface has it, the length of its network as it was told, and the router that was told with it. */
export interface LinkNetwork {
  address?: string;
  /** Absent or senseless: nothing is known but the address. */
  prefixLength?: number;
  gateway?: string;
}

/** Networks of homes and operators, never of the Internet: RFC 1918, RFC 6598, RFC 3927, and for IPv6 RFC 4193. */
const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"].map(
  spanOf,
);
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
  return isInside(host, network) ? [network] : [network, host];
}

/** The length to take a told IPv4 network for: as told, or of the address alone where that cannot be a home's or an operator's. */
export function boundedLength(prefixLength: number | undefined): number {
  return isOddLength(prefixLength) ? 32 : prefixLength!;
}

/** Whether a told length is none that a home or an operator has: a person should know. */
export function isOddLength(prefixLength: number | undefined): boolean {
  return prefixLength === undefined || !(prefixLength >= SHORTEST && prefixLength <= 32);
}

/** Whether two CIDRs of IPv4 have an address in common. */
export function overlaps(a: string, b: string): boolean {
  const [one, other] = [spanOf(a), spanOf(b)];
  return one.first <= other.last && other.first <= one.last;
}

/** A private network of bounded size, or nothing. */
function networkOf(address: string, prefixLength: number | undefined): string | undefined {
  if (address.includes(":")) {
    const isNear = prefixLength !== undefined && prefixLength >= SHORTEST6 && prefixLength < 128;
    return isNear && isPrivate(address) ? `${address}/${prefixLength}` : undefined;
  }
  if (isOddLength(prefixLength) || prefixLength === 32) return undefined;
  const cidr = `${textOf(spanOf(`${address}/${prefixLength}`).first)}/${prefixLength}`;
  return isPrivate(cidr) ? cidr : undefined;
}

function isPrivate(cidr: string): boolean {
  if (cidr.includes(":")) return /^f[cd][0-9a-f]{2}:/i.test(cidr);
  const { first, last } = spanOf(cidr);
  return PRIVATE.some((block) => block.first <= first && last <= block.last);
}

/** IPv6 gateways are mostly link-local, and stand beside their network. */
function isInside(host: string, network: string): boolean {
  return !host.includes(":") && !network.includes(":") && overlaps(host, network);
}

/** First and last number of an IPv4 network. */
function spanOf(cidr: string): { first: number; last: number } {
  const [address = "", length = "32"] = cidr.split("/");
  const size = 2 ** (32 - Number(length));
  const value = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const first = Math.floor(value / size) * size;
  return { first, last: first + size - 1 };
}

function textOf(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}
