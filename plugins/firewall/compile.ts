// From zones and what is served in them to the nftables table that shuts the rest (nft(8)). Pure.
//
// In nftables every base chain has its say and a drop is final: what is accepted here may be refused by the table of who
// decides about it (what devices may reach, what boxes may reach through the peer), and never the other way around.
import type { ListensFact, Role, Zone } from "@otb/plugin";
import type { Allowed } from "./allow.ts";
import type { Zones } from "./zones.ts";

/** The table's name; its family is inet. */
export const TABLE = "otb_firewall";
/** After the tables that refuse with an answer, so that those are heard. */
const PRIORITY = "filter + 10";
/** What the tunnel's interface may be called: TunnelFact. */
const TUNNEL_NAMES = [0, 1, 2, 3, 4, 5, 6, 7].map((index) => `otb${index}`);
/** Of everybody outside together: to see that it is there costs little, to answer a flood does not. */
const PINGS = "limit rate 100/second burst 200 packets";
const IGMP = "limit rate 50/second burst 50 packets";

/** Everything that the table follows from. */
export interface Wish {
  role: Role;
  zones: Zones;
  services: ListensFact["services"];
  /** TCP ports on which sshd listens. */
  ssh: number[];
  allowed: Allowed[];
}

/** The table's body. */
export function compile(wish: Wish): string {
  const { role, zones } = wish;
  const { lan, links, open, bridges } = zones;
  const isBox = role === "box";
  const tunnels = tunnelsBeside(zones);
  const chains: [name: string, lines: string[]][] = [
    ["shut", ["counter name shut", "drop"]],
    // RFC 4890 section 4.4: errors, what a network runs on (from its own wire: nothing has passed a router), and being seen.
    ["control", [
      "icmp type { destination-unreachable, time-exceeded, parameter-problem } accept",
      "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept",
      "ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
      "ip6 saddr fe80::/10 icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept",
      ...lan ? [`iifname ${quoted(lan.interface)} meta l4proto { icmp, ipv6-icmp } accept`] : [],
      `icmp type echo-request ${PINGS} accept`,
      `icmpv6 type echo-request ${PINGS} accept`,
      "goto shut",
    ]],
    ["outside", [
      // Answers to questions for everybody, which conntrack does not know as such: DHCP (RFC 2131, RFC 8415).
      "udp sport 67 udp dport 68 accept",
      "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
      `meta l4proto igmp ${IGMP} accept`,
    ]],
    ["from_link", ["jump outside", ...accepts(wish, ["link"]), "goto shut"]],
    ["from_others", ["jump outside", ...accepts(wish, isBox ? ["others"] : ["link", "others"]), "goto shut"]],
    ...lan
      ? [["from_lan", [
        ...lan.devices ? onlyDevices(lan.devices) : [],
        // A connection to elsewhere, which a proxy of this machine takes.
        "socket transparent 1 accept",
        `meta l4proto igmp ${IGMP} accept`,
        ...accepts(wish, ["lan"]),
        "meta pkttype { broadcast, multicast } goto shut",
        "counter name shut",
        // A person who tries is answered at once.
        "meta l4proto tcp reject with tcp reset",
        "reject",
      ]] as [string, string[]]]
      : [],
    ["input", [
      `type filter hook input priority ${PRIORITY}; policy drop`,
      "ct state established,related accept",
      `iifname ${anyOf(['"lo"', ...open.map(quoted)])} accept`,
      // Connections of this machine that are older than the kernel's account of them.
      "tcp flags & (fin | syn | rst | ack) != syn socket wildcard 0 accept",
      "meta l4proto { icmp, ipv6-icmp } goto control",
      ...byInterface(wish),
      `iifname vmap { ${
        [
          ...lan ? [`${quoted(lan.interface)} : goto from_lan`] : [],
          ...links.map((name) => `${quoted(name)} : goto from_link`),
          ...tunnels.map((name) => `${name} : goto shut`),
        ].join(", ")
      } }`,
      "goto from_others",
    ]],
    ["published", [
      // What a container has published is this machine's own, by the port that the outside knows.
      ...byInterface(wish, "ct original proto-dst"),
      ...lan ? accepts(wish, ["lan"], "ct original proto-dst", quoted(lan.interface)) : [],
      ...links.length > 0 ? accepts(wish, ["link"], "ct original proto-dst", anyOf(links.map(quoted))) : [],
      ...others(wish),
    ]],
    ["forward", [
      `type filter hook forward priority ${PRIORITY}; policy drop`,
      "ct state established,related accept",
      ...open.length > 0 ? [`iifname ${anyOf(open.map(quoted))} accept`] : [],
      "ct status dnat jump published",
      ...bridges.map((name) => `iifname ${quoted(name)} oifname ${quoted(name)} accept`),
      ...lan
        ? [
          // Which of these ways a device takes is decided elsewhere.
          `iifname ${quoted(lan.interface)} oifname ${
            anyOf([lan.interface, ...links, ...open].map(quoted))
          } accept`,
          `iifname ${quoted(lan.interface)} oifname @tunnels accept`,
          // The kernel passes on only what a multicast router asked for, and that one says to whom.
          `iifname ${anyOf([lan.interface, ...links].map(quoted))} ip daddr 224.0.0.0/4 accept`,
        ]
        : [],
      ...isBox ? [] : ["iifname @tunnels oifname != @tunnels accept"],
      "goto shut",
    ]],
  ];
  return [
    "  counter shut { }",
    `  set tunnels {\n    type ifname; elements = { ${tunnels.join(", ")} }\n  }`,
    ...lan?.devices
      ? ([4, 6] as const).map((family) =>
        `  set devices${family} {\n    type ipv${family}_addr; flags interval; auto-merge\n    elements = { ${
          lan.devices![family].join(", ")
        } }\n  }`
      )
      : [],
    ...chains.map(([name, lines]) =>
      `  chain ${name} {\n${lines.map((line) => `    ${line}\n`).join("")}  }`
    ),
  ].join("\n") + "\n";
}

/** Names of tunnels; a person may have called a link's interface so. */
function tunnelsBeside({ lan, links }: Zones): string[] {
  return TUNNEL_NAMES.filter((name) => name !== lan?.interface && !links.includes(name)).map(quoted);
}

/** What comes from no address of a device is what a modem on the same wire lets in from the Internet. */
function onlyDevices({ 4: four, 6: six }: { 4: string[]; 6: string[] }): string[] {
  return [
    ...four.length > 0 ? ["ip saddr != @devices4 goto from_link"] : [],
    ...six.length > 0 ? ["ip6 saddr != @devices6 goto from_link"] : [],
  ];
}

/** Lines that let in what is served in these zones; with a `key`, what a person allowed there alone, by another port. */
function accepts(wish: Wish, zones: Zone[], key = "th dport", from?: string): string[] {
  const { role, services, ssh, allowed } = wish;
  const isPublished = key !== "th dport";
  const sshHere = isPublished || role === "box" && zones.includes("link") ? [] : ssh;
  const pairs = [
    ...isPublished ? [] : services.filter((service) => service.zones.some((zone) => zones.includes(zone)))
      .map(({ protocol, port }) => `${protocol} . ${port}`),
    ...sshHere.map((port) => `tcp . ${port}`),
    ...allowed.filter(({ from, ports }) => ports && (zones as string[]).includes(from))
      .map(({ protocol, ports }) => `${protocol} . ${ports}`),
  ];
  const bare = allowed.filter(({ from, ports }) =>
    !isPublished && !ports && (zones as string[]).includes(from)
  )
    .map(({ protocol }) => protocol);
  const start = from ? `iifname ${from} ` : "";
  return [...lines(pairs, key), ...bare.map((protocol) => `meta l4proto ${protocol} accept`)]
    .map((line) => start + line);
}

/** What a person allowed from one interface. */
function byInterface({ allowed }: Wish, key = "th dport"): string[] {
  const names = [...new Set(allowed.map(({ from }) => from))].filter((from) => !isZone(from)).sort();
  return names.flatMap((name) => {
    const mine = allowed.filter(({ from }) => from === name);
    return [
      ...lines(mine.flatMap(({ protocol, ports }) => ports ? [`${protocol} . ${ports}`] : []), key),
      ...mine.flatMap(({ protocol, ports }) =>
        ports || key !== "th dport" ? [] : [`meta l4proto ${protocol} accept`]
      ),
    ].map((line) => `iifname ${quoted(name)} ${line}`);
  });
}

/** Published ports from ports that are in no zone; in the cloud every port of the peer is one to the Internet. */
function others(wish: Wish): string[] {
  const { zones: { lan, links }, role } = wish;
  const named = [...lan ? [lan.interface] : [], ...links].map(quoted);
  return accepts(
    wish,
    role === "box" ? ["others"] : ["link", "others"],
    "ct original proto-dst",
    `!= ${anyOf([...named, ...tunnelsBeside(wish.zones)])}`,
  );
}

/** One set of protocols and ports; overlaps are one to nft only where the set has a name. */
function lines(pairs: string[], key: string): string[] {
  return [...new Set(pairs)].sort().map((pair) => {
    const [protocol, ports] = pair.split(" . ");
    return `meta l4proto ${protocol} ${key} ${ports} accept`;
  });
}

function isZone(from: string): boolean {
  return from === "lan" || from === "link" || from === "others";
}

function anyOf(elements: string[]): string {
  return `{ ${[...new Set(elements)].join(", ")} }`;
}

function quoted(name: string): string {
  return `"${name}"`;
}
