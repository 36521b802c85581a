// One map of the numbers by which several parts of one machine find each other in its kernel. A number has one owner, no part derives
// one from bits of another, and what is left for plugins of others is named.
//
//   packet mark      31    28 27 26 25  24 23       18 17 16 15          8 7          0
//                   +--------+-----+------+-----------+--+--+-------------+------------+
//                   | others |     | prio |           |rf|in| link (slot) |            |
//                   +--------+-----+------+-----------+--+--+-------------+------------+
//   connection mark  31                 20 19 18 17 16 15          8 7          0
//                   +---------------------+--+--+--+--+-------------+------------+
//                   | number of the rule  |tu|op|de|mo| link (slot) |   others   |
//                   +---------------------+--+--+--+--+-------------+------------+
//   rule priority    157 intercepted   500-599 others   901-908 link, by mark   940 near   950 tunnel   1001-1008 link, by source
//   routing table    254 main   500-599 others   1001-1008 link   1157 intercepted   1158 tunnel

/** Bits of a packet's firewall mark (SO_MARK, `meta mark`). */
export const MARK = {
  /** Which link it leaves by, by its slot, 0 for none; set by who pins, in prerouting before the priority mangle, on what devices send. */
  link: 0xff00,
  /** It is delivered to the proxy on this machine. */
  intercepted: 0x1_0000,
  /** A reset that says to the kernel that the target refused. */
  refused: 0x2_0000,
  /** How a device's connection to the peer is treated; set by the proxy on its own sockets. */
  priority: 0x300_0000,
  high: 0x100_0000,
  low: 0x200_0000,
  others: 0xf000_0000,
} as const;

/** Bits of a connection's mark (`ct mark`), of who pins. */
export const CONNECTION_MARK = {
  /** The link it leaves by, as in MARK.link. */
  link: 0xff00,
  /** It is not TCP and spoke where it is not to stay: it is forgotten within moments, and decided anew. */
  moves: 0x1_0000,
  /** It has been decided. */
  decided: 0x2_0000,
  /** It leaves by a link for want of anything bonded, and not because a rule says so. */
  open: 0x4_0000,
  /** It has gone into the tunnel: it goes on there until it ends, and nobody else can carry it any more. */
  tunnelled: 0x8_0000,
  /** The number of the rule that decided, 0 for none. */
  rule: 0xfff0_0000,
  others: 0xff,
} as const;

/** Where the number of a rule begins in a connection's mark. */
export const RULE_SHIFT = 20;

/** Routing tables. */
export const ROUTING_TABLE = {
  main: 254,
  others: { first: 500, last: 599 },
  /** The tables of links are this and their slot. */
  links: 1000,
  intercepted: 1157,
  tunnel: 1158,
} as const;

/** Priorities of routing rules, the lowest first. */
export const RULE_PRIORITY = {
  intercepted: 157,
  others: { first: 500, last: 599 },
  /** By mark and slot: what was set on purpose comes before the source address. */
  marks: 900,
  /** What is near, before the tunnel takes the rest. */
  near: 940,
  tunnel: 950,
  /** By source address and slot. */
  sources: 1000,
} as const;

/** Slots of links are numbered from 1. */
export const MOST_SLOTS = 8;

/** The mark that leads a packet out over one link. */
export function markOf(slot: number): number {
  return slot * 0x100;
}

/** Bits as iproute2 and nft take them: `0xff00`. */
export function hex(bits: number): string {
  return `0x${bits.toString(16)}`;
}

/** A value under a mask: `0x200/0xff00`. */
export function masked(value: number, mask: number): string {
  return `${hex(value)}/${hex(mask)}`;
}
