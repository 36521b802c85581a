// What the tunnel wants of the kernel, at both ends. Pure.
import { MARK, masked, type Resource, ROUTING_TABLE, RULE_PRIORITY, type TargetRule } from "@otb/plugin";

/** The TUN device. */
export const DEVICE = "otb0";
/** What is pinned to no link. */
const UNPINNED = masked(0, MARK.link);

/** Flows that the peer tracks for one box at once, so that none fills the table of the others. */
const MOST_FLOWS = 16_384;

const sysctl = (name: string, value: string, optional = false): Resource => ({
  kind: "sysctl",
  name: `net/${name}`,
  value,
  optional,
});

/** What the box's kernel shall have. */
export interface BoxWish {
  lan: string | undefined;
  /** The box's address inside. */
  address: string;
  /** The LAN's IPv6 prefix, CIDR. */
  prefix?: string;
  mtu: number;
  /** Packets shall go in. */
  isUp: boolean;
}

/** The box's claims: its device, and the way into it while the tunnel is up. */
export function boxClaims({ lan, address, prefix, mtu, isUp }: BoxWish): Resource[] {
  const families = prefix ? [4, 6] as const : [4] as const;
  return [
    { kind: "interfaceState", interface: DEVICE, up: true },
    { kind: "address", interface: DEVICE, cidr: `${address}/32` },
    sysctl(`ipv4/conf/${DEVICE}/rp_filter`, "0"),
    ...prefix
      ? [
        sysctl("ipv6/conf/all/forwarding", "1"),
        sysctl(`ipv6/conf/${DEVICE}/mtu`, String(Math.max(1280, mtu))),
      ]
      : [],
    // Devices hide behind one address, so that the peer need not know whose LAN has which.
    {
      kind: "nftTable",
      family: "inet",
      name: "otb_udp_tunnel",
      body: `
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "${DEVICE}" ip saddr != ${address} masquerade
  }
`,
    },
    ...families.map((family): Resource => ({
      kind: "route",
      family,
      table: ROUTING_TABLE.tunnel,
      to: "default",
      interface: DEVICE,
      mtu: family === 4 ? mtu : undefined,
    })),
    ...isUp && lan
      ? families.map((family): Resource => ({
        kind: "rule",
        family,
        priority: RULE_PRIORITY.tunnel,
        inputInterface: lan,
        mark: UNPINNED,
        table: ROUTING_TABLE.tunnel,
      }))
      : [],
  ];
}

/** What the peer's kernel shall have. */
export interface CloudWish {
  /** The boxes' network inside, CIDR, and the peer's own address there. */
  pool: string;
  gateway: string;
  /** What boxes may reach through the peer. */
  targets: TargetRule[];
  /** What routers announce on these devices is heard although this machine forwards IPv6. */
  uplinks6: string[];
  boxes: { address: string; prefix?: string; mtu: number }[];
}

/** The peer's claims: boxes leave with its address, reach nothing of it or of each other, and nobody reaches them uninvited. */
export function cloudClaims({ pool, gateway, targets, uplinks6, boxes }: CloudWish): Resource[] {
  const length = pool.split("/")[1];
  const has6 = boxes.some(({ prefix }) => prefix);
  return [
    { kind: "interfaceState", interface: DEVICE, up: true },
    { kind: "address", interface: DEVICE, cidr: `${gateway}/${length}` },
    sysctl("ipv4/ip_forward", "1"),
    sysctl(`ipv4/conf/${DEVICE}/rp_filter`, "0"),
    ...has6 ? [sysctl("ipv6/conf/all/forwarding", "1")] : [],
    // A forwarding machine ignores routers (ip-sysctl, accept_ra), and would lose its own way out.
    ...has6 ? uplinks6.map((uplink) => sysctl(`ipv6/conf/${uplink}/accept_ra`, "2", true)) : [],
    {
      kind: "nftTable",
      family: "inet",
      name: "otb_udp_tunnel",
      body: `
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname != "${DEVICE}" return
    ct state established,related accept
    meta l4proto { icmp, ipv6-icmp } accept
    drop
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
    oifname "${DEVICE}" jump to_boxes
    iifname "${DEVICE}" jump from_boxes
  }
  chain to_boxes {
    iifname "${DEVICE}" drop
    ct state established,related return
    ct status dnat return
    drop
  }
  set flows4 {
    type ipv4_addr; size 1024; flags dynamic
  }
  set flows6 {
    type ipv6_addr; size 1024; flags dynamic
  }
  chain from_boxes {
${targets.flatMap(rulesOf).join("\n")}
    goto counted
  }
  chain counted {
    ct state != new return
    ct status confirmed return
    add @flows4 { ip saddr ct count over ${MOST_FLOWS} } drop
    add @flows6 { ip6 saddr and ffff:ffff:ffff:ffff:: ct count over ${MOST_FLOWS} } drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname != "${DEVICE}" ip saddr ${pool} masquerade
  }
`,
    },
    ...boxes.flatMap(({ address, prefix, mtu }): Resource[] => [
      { kind: "route", family: 4, table: ROUTING_TABLE.main, to: `${address}/32`, interface: DEVICE, mtu },
      ...prefix
        ? [{ kind: "route", family: 6, table: ROUTING_TABLE.main, to: prefix, interface: DEVICE } as const]
        : [],
    ]),
  ];
}

/** The lines of one rule, a family each. */
function rulesOf({ verdict, ranges }: TargetRule): string[] {
  const act = verdict === "accept" ? "goto counted" : "reject with icmpx admin-prohibited";
  return ["ip", "ip6"].flatMap((family) => {
    const own = ranges.filter((range) => range.includes(":") === (family === "ip6"));
    return own.length > 0 ? [`    ${family} daddr { ${own.join(", ")} } ${act}`] : [];
  });
}
