// From links to what the kernel needs for using each of them: a table and a source rule per link, and the settings that
// MPTCP over several links wants. Pure.
import {
  type Lan,
  type Link,
  type LinkWayFact,
  MARK,
  markOf,
  masked,
  MOST_SLOTS,
  onLinkOf,
  type Resource,
  ROUTING_TABLE,
  RULE_PRIORITY,
} from "@otb/plugin";

const SLOTS = Array.from({ length: MOST_SLOTS }, (_, index) => index + 1);
/** Behind a link's own default route. */
const UNREACHABLE_METRIC = 10_000;
/** Behind every default route that somebody else made. */
const DEFAULT_METRIC = 4000;

/** A link that can carry traffic, with its stable slot (1 to 8) and what was chosen for it. */
export interface UsableLink {
  link: Link;
  slot: number;
  address: string;
  prefixLength: number;
  gateway: string;
  congestion: string;
  /** The largest IP packet that goes over it whole, where that is less than its interface takes. */
  mtu?: number;
}

/** Links with everything known that routing needs, in the order of their slots; one of tier `never` is for who is pinned to it. */
export function routedLinks(
  links: Link[],
  slots: ReadonlyMap<string, number>,
  congestion: (link: string) => string,
  mtu: (link: string) => number | undefined = () => undefined,
): UsableLink[] {
  return links.flatMap((link) => {
    const { state, address, prefixLength, gateway } = link.observed;
    const slot = slots.get(link.name);
    if (
      state !== "up" || !address || prefixLength === undefined || !gateway ||
      slot === undefined
    ) return [];
    return [{
      link,
      slot,
      address,
      prefixLength,
      gateway,
      congestion: congestion(link.name),
      mtu: mtu(link.name),
    }];
  }).sort((a, b) => a.slot - b.slot);
}

/** Whether connections to the peer may use it. */
export function isUsed({ link }: UsableLink): boolean {
  return link.tier !== "never";
}

/** A table with a default route per link, a rule by source address, and a way out of last resort in the main table. */
export function routes(links: UsableLink[]): Resource[] {
  const ranked = links.filter(isUsed).sort((a, b) =>
    TIER_RANK[a.link.tier] - TIER_RANK[b.link.tier] || a.slot - b.slot
  );
  return links.flatMap(({ link, slot, address, prefixLength, gateway, congestion, mtu }): Resource[] => {
    const family = address.includes(":") ? 6 : 4;
    const table = ROUTING_TABLE.links + slot;
    const size = mtu === undefined ? {} : { mtu };
    const way = { kind: "route", family, interface: link.interface, source: address } as const;
    return [
      ...onLinkOf({ address, prefixLength, gateway }).map((to): Resource => ({ ...way, table, to })),
      // TCP announces what fits, so that neither end sends more from its first segment on.
      { ...way, table, to: "default", via: gateway, congestion, ...size },
      { kind: "rule", family, priority: RULE_PRIORITY.sources + slot, from: address, table },
      ...ranked.flatMap((other, index): Resource[] =>
        other.slot === slot
          ? [{
            ...way,
            table: ROUTING_TABLE.main,
            to: "default",
            via: gateway,
            metric: DEFAULT_METRIC + index,
            ...size,
          }]
          : []
      ),
    ];
  });
}

/**
 * Rules by mark for leaving over one link alone. They stand while a link has its slot: what is pinned to a link that is gone
 * is turned away, and does not leave by another one.
 */
export function linkWays(slots: number[]): Resource[] {
  return slots.flatMap((slot) =>
    ([4, 6] as const).flatMap((family): Resource[] => {
      const table = ROUTING_TABLE.links + slot;
      const mark = masked(markOf(slot), MARK.link);
      return [
        { kind: "rule", family, priority: RULE_PRIORITY.marks + slot, mark, table },
        { kind: "route", family, table, to: "default", type: "unreachable", metric: UNREACHABLE_METRIC },
      ];
    })
  );
}

/** What others need for sending something over this link alone. */
export function wayOut({ link, slot, address }: UsableLink): LinkWayFact {
  return {
    link: link.name,
    interface: link.interface,
    source: address,
    table: ROUTING_TABLE.links + slot,
    mark: markOf(slot),
  };
}

/** Where modems and devices share a segment, a router does not send devices past itself. */
export function redirects(lan: Lan | undefined): Resource[] {
  if (!lan) return [];
  const sysctl = (name: string, value: string): Resource => ({
    kind: "sysctl",
    name: `net/ipv4/${name}`,
    value,
  });
  return [
    sysctl("conf/all/send_redirects", "0"),
    sysctl(`conf/${lan.interface}/send_redirects`, "0"),
  ];
}

const TIER_RANK = { primary: 0, secondary: 1, backup: 2, never: 3 };

/**
 * What a socket may receive at first. A subflow that joins an old connection keeps a window of this size: the connection's own
 * buffer has grown long before, and the kernel passes that on only when it grows again (mptcp_rcv_space_adjust in Linux 6.18).
 * With the kernel's 128 KiB a download that lost each of its links once went on at a third of its rate.
 */
const DEFAULT_RECEIVE_BYTES = 4 * 1024 * 1024;

/** Kernel settings of the namespace; buffers in bytes. */
export function settings(maxBufferMb: number): Resource[] {
  const bytes = maxBufferMb * 1024 * 1024;
  const sysctl = (name: string, value: string, optional = false): Resource => ({
    kind: "sysctl",
    name: `net/${name}`,
    value,
    optional,
  });
  return [
    sysctl("ipv4/tcp_rmem", `4096\t${DEFAULT_RECEIVE_BYTES}\t${bytes}`),
    sysctl("ipv4/tcp_wmem", `4096\t65536\t${bytes}`),
    // A pause in a stream is no reason to find the rate of every path anew.
    sysctl("ipv4/tcp_slow_start_after_idle", "0"),
    // Answers may come by another link than the main table would choose: loose instead of strict (RFC 3704).
    sysctl("ipv4/conf/all/rp_filter", "2"),
    sysctl("ipv4/tcp_mtu_probing", "1"),
    sysctl("mptcp/enabled", "1", true),
    // One retransmission timeout without an acknowledgement moves the data to the other subflows.
    sysctl("mptcp/stale_loss_cnt", "1", true),
    // A suspected black hole must not switch MPTCP off for an hour.
    sysctl("mptcp/blackhole_timeout", "60", true),
    { kind: "mptcpLimits", subflows: 8, addAddrAccepted: 8 },
  ];
}

/** Gives every link a slot that it keeps while it exists; at most MOST_SLOTS, to the first names first. Pure. */
export function assignSlots(names: string[], former: ReadonlyMap<string, number>): Map<string, number> {
  const slots = new Map(
    names.flatMap((name) => former.has(name) ? [[name, former.get(name)!] as const] : []),
  );
  const taken = new Set(slots.values());
  for (const name of names) {
    if (slots.has(name)) continue;
    const free = SLOTS.find((slot) => !taken.has(slot));
    if (free === undefined) break;
    slots.set(name, free);
    taken.add(free);
  }
  return slots;
}
