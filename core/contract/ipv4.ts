// IPv4 addresses as numbers, networks and ranges of them. Pure.

/** A dotted address without leading zeros, which some read as octal. */
export const IPV4: RegExp = /^(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/;
/** Networks of homes (RFC 1918), and what operators share among subscribers (RFC 6598). */
export const PRIVATE4: readonly string[] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
export const SHARED4 = "100.64.0.0/10";

/** Numbers from `first` to `last`, both included. */
export interface Ipv4Range {
  first: number;
  last: number;
}

/** A network; `first` and `last` are its network and broadcast address. */
export interface Ipv4Network extends Ipv4Range {
  length: number;
}

/** Whether a text is a dotted address without leading zeros. */
export function isIpv4(text: string): boolean {
  return IPV4.test(text);
}

/** @throws RangeError for anything but a dotted address */
export function ipv4Number(text: string): number {
  if (!isIpv4(text)) throw new RangeError(`not an IPv4 address: ${JSON.stringify(text)}`);
  return text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** The dotted form. */
export function ipv4Text(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}

/** The network of a CIDR, whichever of its addresses it names; undefined for anything else. */
export function ipv4Network(cidr: string): Ipv4Network | undefined {
  const [address = "", length = "", rest] = cidr.split("/");
  if (rest !== undefined || !isIpv4(address) || !/^(\d|[12]\d|3[0-2])$/.test(length)) return undefined;
  const size = 2 ** (32 - Number(length));
  const first = Math.floor(ipv4Number(address) / size) * size;
  return { first, last: first + size - 1, length: Number(length) };
}

/** The dotted mask of a network. */
export function ipv4Mask({ length }: Ipv4Network): string {
  return ipv4Text(2 ** 32 - 2 ** (32 - length));
}

/** Whether an address lies in a range. */
export function inRange({ first, last }: Ipv4Range, address: number): boolean {
  return first <= address && address <= last;
}

/** Whether two ranges share an address. */
export function rangesMeet(a: Ipv4Range, b: Ipv4Range): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** Whether all of a range lies in one of these networks. */
export function isWithin({ first, last }: Ipv4Range, networks: readonly string[]): boolean {
  return networks.some((cidr) => {
    const network = ipv4Network(cidr)!;
    return inRange(network, first) && inRange(network, last);
  });
}

/** What is left of a range without some addresses, in order. */
export function rangeWithout(range: Ipv4Range, addresses: Iterable<number>): Ipv4Range[] {
  const rest: Ipv4Range[] = [];
  let { first } = range;
  for (const address of [...new Set(addresses)].filter((one) => inRange(range, one)).sort((a, b) => a - b)) {
    if (address > first) rest.push({ first, last: address - 1 });
    first = address + 1;
  }
  return first <= range.last ? [...rest, { first, last: range.last }] : rest;
}
