// Which targets a peer lets its boxes reach: the Internet, not the peer itself nor anything private behind it. One answer
// for every plugin that lets traffic out, as rules of which the first that matches decides. Pure.
import ipaddr from "ipaddr.js";

/** IPv4 that is nobody's public service (the registries of RFC 6890, special-purpose and multicast). */
const RESERVED4 = [
  "0.0.0.0/8", // this network
  "10.0.0.0/8", // private
  "100.64.0.0/10", // shared by operators
  "127.0.0.0/8", // loopback
  "168.63.129.16/32", // public by number, but what a machine at Azure asks for its own secrets
  "169.254.0.0/16", // link-local, and what machines at others ask
  "172.16.0.0/12", // private
  "192.0.0.0/24", // protocol assignments
  "192.31.196.0/24", // AS112
  "192.52.193.0/24", // AMT relays
  "192.88.99.0/24", // 6to4 relays
  "192.168.0.0/16", // private
  "192.175.48.0/24", // AS112
  "198.18.0.0/15", // benchmarks
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved, broadcast
];
// The ranges for documentation are in these registries too and are left out: nobody routes them, and labs live in them.

/** IPv6 of the same kinds. */
const RESERVED6 = [
  "::/8", // unspecified, loopback, IPv4 in disguise, translation of one's own (64:ff9b:1::/48)
  "100::/8", // discard
  "200::/7", // never assigned
  "2001::/23", // protocol assignments: Teredo, benchmarks, AMT, ORCHID
  "2002::/16", // 6to4
  "2620:4f:8000::/48", // AS112
  "5f00::/16", // segment routing
  "fc00::/7", // private
  "fe80::/10", // link-local
  "fec0::/10", // site-local
  "ff00::/8", // multicast
];

/** What a network without IPv4 of its own reaches IPv4 by (RFC 6052): judged as the IPv4 address that lies in it. */
const NAT64 = "64:ff9b::", NAT64_RANGE = `${NAT64}/96`;

/** Ranges of both families, CIDR, each once and none within another. */
export interface TargetRule {
  verdict: "accept" | "refuse";
  ranges: string[];
}

/**
 * The rules for one peer; what no rule matches is accepted.
 *
 * @param allowed ranges that are accepted although they are reserved, and nothing beside them
 * @param own addresses by which the peer itself is reached, also those that somebody translates to it; accepted only where one of
 * them alone is allowed
 */
export function targetRules(allowed: string[], own: string[]): TargetRule[] {
  const named = allowed.map(network);
  const isSingle = (range: string) => range.endsWith(range.includes(":") ? "/128" : "/32");
  const itself = own.map((address) => network(`${address}/${address.includes(":") ? 128 : 32}`));
  const rules: TargetRule[] = [
    { verdict: "accept", ranges: outermost(named.filter(isSingle)) },
    { verdict: "refuse", ranges: outermost([...itself, ...itself.flatMap(translated)]) },
    { verdict: "accept", ranges: outermost(named.filter((range) => !isSingle(range))) },
    { verdict: "refuse", ranges: [...RESERVED4, ...RESERVED4_TRANSLATED] },
    { verdict: "accept", ranges: [NAT64_RANGE] },
    { verdict: "refuse", ranges: RESERVED6 },
  ];
  return rules.filter(({ ranges }) => ranges.length > 0);
}

/** Says of addresses whether the rules let them be reached; IPv4 mapped into IPv6 is the IPv4 address that it is. */
export function targetFilter(rules: TargetRule[]): (address: string) => boolean {
  const parsed = rules.map(({ verdict, ranges }) => ({
    isOpen: verdict === "accept",
    ranges: ranges.map((range) => ipaddr.parseCIDR(range)),
  }));
  return (text) => {
    const address = ipaddr.process(text);
    const rule = parsed.find(({ ranges }) =>
      ranges.some(([network, length]) =>
        network.kind() === address.kind() && address.match(network as ipaddr.IPv4, length)
      )
    );
    return rule?.isOpen ?? true;
  };
}

/** Whether a text is an address with its length, like `10.0.0.0/8`. */
export function isRange(text: string): boolean {
  return ipaddr.IPv4.isValidCIDR(text) && ipaddr.IPv4.isValidFourPartDecimal(text.split("/")[0]!) ||
    ipaddr.IPv6.isValidCIDR(text);
}

/** The range without the bits of a host. */
function network(range: string): string {
  const length = range.split("/")[1];
  const kind = range.includes(":") ? ipaddr.IPv6 : ipaddr.IPv4;
  return `${kind.networkAddressFromCIDR(range)}/${length}`;
}

/** The range as NAT64 has it; IPv6 has none. */
function translated(range: string): string[] {
  if (range.includes(":")) return [];
  const [address, length] = ipaddr.IPv4.parseCIDR(range);
  const bytes = [...ipaddr.IPv6.parse(NAT64).toByteArray().slice(0, 12), ...address.toByteArray()];
  return [`${new ipaddr.IPv6(bytes)}/${96 + length}`];
}

const RESERVED4_TRANSLATED = RESERVED4.flatMap(translated);

/** Without what lies in another of them: the kernel takes no set of ranges that overlap. */
function outermost(ranges: string[]): string[] {
  const unique = [...new Set(ranges)].sort().map((range) => ({ range, parsed: ipaddr.parseCIDR(range) }));
  return unique.filter(({ parsed: [address, length] }) =>
    !unique.some(({ parsed: [other, bits] }) =>
      bits < length && other.kind() === address.kind() && address.match(other as ipaddr.IPv4, bits)
    )
  ).map(({ range }) => range);
}
