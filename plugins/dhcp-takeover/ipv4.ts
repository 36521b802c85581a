// IPv4 addresses as numbers, networks and ranges of them. Pure.

/** Numbers from `first` to `last`, both included. */
export interface Range {
  first: number;
  last: number;
}

/** A network; `first` and `last` are its network and broadcast address. */
export interface Network extends Range {
  length: number;
}

const OCTET = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const DOTTED = new RegExp(`^${OCTET}(\\.${OCTET}){3}$`);

/** Whether a text is a dotted address without leading zeros. */
export function isIpv4(text: string): boolean {
  return DOTTED.test(text);
}

/** @throws RangeError for anything but a dotted address */
export function toNumber(text: string): number {
  if (!isIpv4(text)) throw new RangeError(`not an IPv4 address: ${JSON.stringify(text)}`);
  return text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** The dotted form. */
export function toText(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}

/** The network of a CIDR, whichever of its addresses it names; undefined for anything else. */
export function networkOf(cidr: string): Network | undefined {
  const [address = "", length = "", rest] = cidr.split("/");
  if (rest !== undefined || !isIpv4(address) || !/^(\d|[12]\d|3[0-2])$/.test(length)) return undefined;
  const size = 2 ** (32 - Number(length));
  const first = Math.floor(toNumber(address) / size) * size;
  return { first, last: first + size - 1, length: Number(length) };
}

/** The dotted mask of a network. */
export function maskOf({ length }: Network): string {
  return toText(2 ** 32 - 2 ** (32 - length));
}

/** Whether an address lies in a range. */
export function contains({ first, last }: Range, address: number): boolean {
  return first <= address && address <= last;
}

/** Whether two ranges share an address. */
export function overlaps(a: Range, b: Range): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** Whether all of a network is for private use (RFC 1918, RFC 6598). */
export function isPrivate(network: Range): boolean {
  return ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"].map(networkOf).some((block) =>
    contains(block!, network.first) && contains(block!, network.last)
  );
}

/** What is left of a range without some addresses, in order. */
export function without(range: Range, addresses: Iterable<number>): Range[] {
  const rest: Range[] = [];
  let { first } = range;
  for (const address of [...new Set(addresses)].filter((one) => contains(range, one)).sort((a, b) => a - b)) {
    if (address > first) rest.push({ first, last: address - 1 });
    first = address + 1;
  }
  return first <= range.last ? [...rest, { first, last: range.last }] : rest;
}
