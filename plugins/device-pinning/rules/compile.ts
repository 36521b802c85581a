// From rules, links and the peer's state to the nftables table that carries them out (nft(8)). Pure.
//
// A connection is decided once, at its first packet from the LAN. The decision is kept in its connection mark, which this
// plugin owns (CONNECTION_MARK).
import { CONNECTION_MARK, type Lan, OtbError, RULE_SHIFT } from "@otb/plugin";
import { addressText, type Clause, clausesOf, domainsOf, rangeOf } from "./clauses.ts";
import { groupClauses } from "./groups.ts";
import type { Carried, Family } from "../flows/kernel.ts";
import type { Moving } from "../flows/moving.ts";
import { askers, type Resolvers } from "../names.ts";
import { bondedOutcome, exceptions, type Outcome, ruleOutcome, type Situation } from "./policy.ts";

/** The table's name; its family is inet. */
export const TABLE = "otb_device_pinning";
const { moves: MOVES, decided: DECIDED, open: OPEN, link: LINK, tunnelled: TUNNELLED } = CONNECTION_MARK;
/** As many rules as their numbers have room for. */
export const MAX_RULE_NUMBER = CONNECTION_MARK.rule >>> RULE_SHIFT;
/** The set of what the tunnel's interface may be called; a link's own may start with otb too. */
const TUNNELS = "@tunnels";
const TUNNEL_NAMES = [0, 1, 2, 3, 4, 5, 6, 7].map((index) => `"otb${index}"`).join(", ");
/** Headers of TCP over IP without options, bytes. */
const TCP_HEADERS = { 4: 40, 6: 60 };
/** Addresses that DNS answered for a rule are forgotten after this long; a set keeps at most so many. */
const NAMED_SECONDS = 86_400, NAMED_MAX = 65_536;

/** Everything that the table follows from. */
export interface Wish extends Situation {
  lan: Lan;
  /** Interfaces of all links, usable or not. */
  interfaces: string[];
  /** Subnets of the links, CIDR: the modems' own pages are there. */
  near: string[];
  /** Links whose own resolver can be asked, on ports of the LAN's address. */
  resolvers?: Resolvers;
  /** Who is not to stay where it is. */
  moving?: Moving;
  /** Number of every rule, for marks, counters and sets. */
  numbers: ReadonlyMap<string, number>;
}

/** Names of the sets for a rule's DNS answers. */
export function setNames(number: number): { set4: string; set6: string } {
  return { set4: `named_${number}_4`, set6: `named_${number}_6` };
}

/**
 * The table's body. `carried` has what must outlive its predecessor: counters and DNS answers.
 * @throws OtbError `interface-unsafe`
 */
export function compile(wish: Wish, carried: Carried): string {
  const { lan, config, numbers, peerGone, proxyGone, tunnel } = wish;
  for (const name of [lan.interface, ...wish.interfaces]) requireSafe(name);
  const rules = config.rules.filter(({ enabled, name }) => enabled && numbers.has(name));
  const { open, closed } = exceptions(config);
  const device = quoted(lan.interface), boxAddress = lan.address.split("/")[0]!;
  const links = anyOf([...new Set(wish.interfaces)].sort().map(quoted));
  const ways = wish.ways.filter(({ usable }) => usable);
  const near = byFamily([lan.address, ...wish.near]);
  const home = byFamily([lan.address]);
  const asking = askers(wish, wish.resolvers ?? []);
  const asks = "meta l4proto { tcp, udp } th dport";
  /** Starts a rule that holds for devices behind the kill-switch only; undefined where there are none. */
  const ifClosed = config.whenPeerGone === "block"
    ? open.length > 0 ? `ether saddr != ${anyOf(open)} ` : ""
    : closed.length > 0
    ? `ether saddr ${anyOf(closed)} `
    : undefined;
  const closedOnly = (rest: string) => ifClosed === undefined ? [] : [`${ifClosed}${rest}`];
  const go = (outcome: Outcome) =>
    outcome.kind === "bonded"
      ? "goto bonded"
      : outcome.kind === "refuse"
      ? "goto refuse"
      : `goto ${outcome.open ? "open" : "way"}_${hex(outcome.way.mark)}`;
  const bonded = (tcp: boolean, forClosed: boolean) => {
    const outcome = bondedOutcome(tcp, forClosed, wish);
    return outcome.kind === "bonded" ? "accept" : go(outcome);
  };

  const chains: [name: string, lines: string[]][] = [
    ["refuse", [
      "counter name refused",
      "meta l4proto tcp reject with tcp reset",
      "reject with icmpx admin-prohibited",
    ]],
    ["keep", [`meta mark set ct mark & 0x${hex(LINK)} accept`]],
    ...ways.flatMap(({ mark }): [string, string[]][] =>
      ([["way", mark], ["open", mark | OPEN]] as const).map(([kind, bits]) => [`${kind}_${hex(mark)}`, [
        `ct mark set ct mark or 0x${hex(bits)}`,
        `meta mark set meta mark or 0x${hex(mark)}`,
        "accept",
      ]])
    ),
    ["bonded", [
      ...closedOnly(`meta l4proto tcp ${bonded(true, true)}`),
      ...closedOnly(bonded(false, true)),
      `meta l4proto tcp ${bonded(true, false)}`,
      bonded(false, false),
    ]],
    ...rules.map((rule): [string, string[]] => {
      const number = numbers.get(rule.name)!;
      const outcome = ruleOutcome(rule, wish);
      return [`rule_${number}`, [
        `counter name rule_${number}`,
        `ct mark set 0x${hex(number * 2 ** RULE_SHIFT + DECIDED)}`,
        // A device with a kill-switch of its own is not let out by a rule that happens to match it.
        ...outcome.kind === "link" && closed.length > 0 ? [`ether saddr ${anyOf(closed)} goto bonded`] : [],
        go(outcome),
      ]];
    }),
    ...([4, 6] as const).map((family): [string, string[]] => [
      `decide${family}`,
      groupClauses(rules.flatMap((rule) => clausesOf(rule, family, config)))
        .map(({ clauses }) => lookup(clauses, family, numbers)),
    ]),
    ["decided", [
      ...closed.length > 0 ? [`ether saddr ${anyOf(closed)} ct mark & 0x${hex(LINK)} != 0 goto refuse`] : [],
      ...closedOnly(`ct mark & 0x${hex(OPEN)} != 0 goto refuse`),
      ...moves(wish.moving),
      // Comparisons, no map: while the table is replaced, a packet in the middle of the old one finds its maps empty, and
      // would be refused.
      `ct mark & 0x${hex(LINK)} == 0x0 ${peerGone ? "goto refuse" : "accept"}`,
      ...ways.map(({ mark }) => `ct mark & 0x${hex(LINK)} == 0x${hex(mark)} goto keep`),
      // Its link is dead: an end at once is better than none.
      "goto refuse",
    ]],
    ["midstream", [
      // A connection that runs already, and is the proxy's; nobody else can carry on what began elsewhere.
      "socket transparent 1 return",
      "goto refuse",
    ]],
    ["prerouting", [
      "type filter hook prerouting priority mangle - 10; policy accept",
      `iifname != ${device} return`,
      // What the proxy held has nobody to go to, and was forgotten; what it takes anew, it answers for: it may be back sooner
      // than this table knows.
      ...proxyGone
        ? [`meta l4proto tcp ct mark & 0x${hex(DECIDED)} == 0 socket transparent 1 goto refuse`]
        : [],
      "ct direction reply return",
      `ct mark & 0x${hex(DECIDED)} != 0 goto decided`,
      "fib daddr type { local, broadcast, anycast, multicast } return",
      ...[4, 6].flatMap((family) =>
        near[family as Family].length > 0
          ? [`${family === 4 ? "ip" : "ip6"} daddr ${anyOf(near[family as Family])} return`]
          : []
      ),
      "tcp flags & (fin | syn | rst | ack) != syn goto midstream",
      "meta nfproto ipv4 jump decide4",
      "meta nfproto ipv6 jump decide6",
      `ct mark set 0x${hex(DECIDED)}`,
      "goto bonded",
    ]],
    ...asking.length > 0
      ? [["names", [
        "type nat hook prerouting priority dstnat; policy accept",
        `iifname != ${device} return`,
        ...asking.map(({ port, macs }) =>
          `ether saddr ${anyOf(macs)} ip daddr ${boxAddress} ${asks} 53 dnat ip to ${boxAddress}:${port}`
        ),
      ]] as [string, string[]]]
      : [],
    ["input", [
      "type filter hook input priority filter - 10; policy accept",
      // Nobody else's questions leave by a link; and who has asked by IPv6 asks once more by IPv4.
      ...(wish.resolvers ?? []).length > 0
        ? [
          `iifname ${device} ${asks} ${
            anyOf(wish.resolvers!.map(({ port }) => String(port)))
          } ct status ! dnat goto refuse`,
        ]
        : [],
      ...asking.map(({ macs }) =>
        `iifname ${device} ether saddr ${anyOf(macs)} meta nfproto ipv6 ${asks} 53 goto refuse`
      ),
      // Answers would have to be fetched past the peer.
      ...proxyGone ? closedOnly(`iifname ${device} meta l4proto { tcp, udp } th dport 53 goto refuse`) : [],
      // The box itself serves nobody at the other end.
      `iifname ${TUNNELS} ct state established,related accept`,
      `iifname ${TUNNELS} meta l4proto { icmp, ipv6-icmp } accept`,
      `iifname ${TUNNELS} counter name uninvited drop`,
    ]],
    ["to_tunnel", [
      // What is for a segment stays on it.
      "meta pkttype { broadcast, multicast } drop",
      "ip daddr { 169.254.0.0/16, 224.0.0.0/3 } drop",
      "ip6 daddr { fe80::/10, ff00::/8 } drop",
      `ct mark set ct mark or 0x${hex(TUNNELLED)}`,
    ]],
    ["from_lan", [
      `oifname ${TUNNELS} goto to_tunnel`,
      // A port of this box that is served by a container on it.
      `oifname != ${
        anyOf([device, ...[...new Set(wish.interfaces)].sort().map(quoted)])
      } ct status dnat return`,
      ...([4, 6] as const).flatMap((family) =>
        home[family].length > 0
          ? [`oifname ${device} ${family === 4 ? "ip" : "ip6"} daddr ${anyOf(home[family])} return`]
          : []
      ),
      ...links ? [`ct mark & 0x${hex(LINK)} != 0 oifname ${links} return`] : [],
      // The tunnel is away for moments: what is lost hurts less than a refusal.
      ...tunnel.state === "down" ? [] : [
        `${tunnel.state === "up" ? "meta nfproto ipv4 " : ""}meta l4proto != tcp ct mark & 0x${
          hex(DECIDED | LINK)
        } == 0x${hex(DECIDED)} drop`,
        `ct mark & 0x${hex(TUNNELLED)} != 0 drop`,
      ],
      ...closedOnly("goto refuse"),
      "ct direction reply return",
      ...([4, 6] as const).flatMap((family) =>
        near[family].length > 0 ? [`${family === 4 ? "ip" : "ip6"} daddr ${anyOf(near[family])} return`] : []
      ),
      "goto refuse",
    ]],
    ["from_outside", [
      // The kernel passes on only what a multicast router asked for, and that one says to whom.
      "ip daddr 224.0.0.0/4 return",
      "ct state established,related return",
      "ct status dnat return",
      "counter name uninvited drop",
    ]],
    ["forward", [
      "type filter hook forward priority filter - 10; policy accept",
      "tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu",
      // The route back, which the kernel looks up for the above, need not be the tunnel.
      ...tunnel.mtu === undefined
        ? []
        : ([4, 6] as const).map((family) =>
          `iifname ${TUNNELS} meta nfproto ipv${family} tcp flags & (syn | rst) == syn tcp option maxseg size set ${
            tunnel.mtu! - TCP_HEADERS[family]
          }`
        ),
      `iifname ${device} jump from_lan`,
      `iifname ${TUNNELS} jump from_outside`,
      ...links ? [`iifname != ${device} iifname ${links} jump from_outside`] : [],
    ]],
    ["postrouting", [
      "type nat hook postrouting priority srcnat; policy accept",
      ...links
        ? [
          ...([4, 6] as const).flatMap((family) => {
            const word = family === 4 ? "ip" : "ip6",
              lan = home[family].length > 0 ? anyOf(home[family]) : "";
            return lan ? [`oifname ${links} ${word} saddr ${lan} ${word} daddr != ${lan} masquerade`] : [];
          }),
          `oifname ${links} ct mark & 0x${hex(LINK)} != 0 masquerade`,
        ]
        : [],
    ]],
  ];
  // What is jumped to must stand before who jumps.
  return [
    ...["refused", "uninvited", ...rules.map(({ name }) => `rule_${numbers.get(name)}`)].map((name) => {
      const { packets, bytes } = carried.counters.get(name) ?? { packets: 0, bytes: 0 };
      return `  counter ${name} { packets ${packets} bytes ${bytes} }`;
    }),
    `  set tunnels {\n    type ifname; elements = { ${TUNNEL_NAMES} }\n  }`,
    ...rules.filter(({ match }) => domainsOf(match).length > 0).flatMap(({ name }) => {
      const { set4, set6 } = setNames(numbers.get(name)!);
      return [namedSet(set4, "ipv4_addr", carried), namedSet(set6, "ipv6_addr", carried)];
    }),
    ...chains.map(([name, lines]) =>
      `  chain ${name} {\n${lines.map((line) => `    ${line}\n`).join("")}  }`
    ),
  ].join("\n") + "\n";
}

/** What is not TCP and says something is marked to be moved, and held up once it can be. */
function moves(moving: Moving | undefined): string[] {
  if (!moving) return [];
  const from = moving === "doubted" || moving === "leaving" ? TUNNELLED : OPEN;
  const held = moving === "leaving" || moving === "returning" ? " drop" : "";
  return [`meta l4proto != tcp ct mark & 0x${hex(from)} != 0 ct mark set ct mark or 0x${hex(MOVES)}${held}`];
}

function namedSet(name: string, type: string, { answers }: Carried): string {
  const elements = (answers.get(name) ?? []).map(({ address, expiresSeconds }) =>
    `${address} timeout ${NAMED_SECONDS}s expires ${expiresSeconds}s`
  );
  return `  set ${name} {\n    type ${type}; flags timeout; timeout ${NAMED_SECONDS}s; size ${NAMED_MAX}\n${
    elements.length > 0 ? `    elements = { ${elements.join(", ")} }\n` : ""
  }  }`;
}

/** One line for clauses of one shape. */
function lookup(clauses: Clause[], family: Family, numbers: ReadonlyMap<string, number>): string {
  const [first] = clauses as [Clause];
  const goal = ({ rule }: Clause) => `goto rule_${numbers.get(rule)}`;
  const ip = family === 4 ? "ip" : "ip6";
  if (first.named) {
    const { mac, ports, rule } = first;
    const { set4, set6 } = setNames(numbers.get(rule)!);
    return [
      ...mac ? [`ether saddr ${mac}`] : [],
      `${ip} daddr @${family === 4 ? set4 : set6}`,
      ...ports ? [`meta l4proto ${ports.protocol} th dport ${ports.from}-${ports.to}`] : [],
      goal(first),
    ].join(" ");
  }
  const key = [
    ...first.mac ? ["ether saddr"] : [],
    ...first.address ? [`${ip} daddr`] : [],
    ...first.ports ? ["meta l4proto . th dport"] : [],
  ].join(" . ");
  if (key === "") return goal(first);
  const elements = clauses.map((clause) => {
    const { mac, address, ports } = clause;
    const parts = [
      ...mac ? [mac] : [],
      ...address ? [spanText(addressText(address.from, family), addressText(address.to, family))] : [],
      ...ports ? [`${ports.protocol} . ${spanText(String(ports.from), String(ports.to))}`] : [],
    ];
    return `${parts.join(" . ")} : ${goal(clause)}`;
  });
  return `${key} vmap { ${elements.join(", ")} }`;
}

function spanText(from: string, to: string): string {
  return from === to ? from : `${from}-${to}`;
}

/** Ranges as nft takes them in an anonymous set, without one inside another. */
function byFamily(ranges: string[]): Record<Family, string[]> {
  const result: Record<Family, string[]> = { 4: [], 6: [] };
  const spans = ranges.flatMap((range) => rangeOf(range) ?? []);
  for (const { family, span } of spans) {
    const text = spanText(addressText(span.from, family), addressText(span.to, family));
    const inside = spans.some((other) =>
      other.family === family && other.span.from <= span.from && span.to <= other.span.to &&
      other.span.to - other.span.from > span.to - span.from
    );
    if (!inside && !result[family].includes(text)) result[family].push(text);
  }
  result[4].sort();
  result[6].sort();
  return result;
}

function anyOf(elements: string[]): string {
  return elements.length > 0 ? `{ ${elements.join(", ")} }` : "";
}

function quoted(name: string): string {
  return `"${name}"`;
}

/** As names of chains have it; values that nft reads are written by the contract's `hex`, with 0x. */
function hex(value: number): string {
  return value.toString(16);
}

/** Names of interfaces reach nft's parser: what could end a string there is refused. */
function requireSafe(name: string): void {
  if (/^[A-Za-z0-9_.@-]{1,15}$/.test(name)) return;
  throw new OtbError(
    "interface-unsafe",
    `Cannot write rules for an interface as its name must have plain characters: current value is "${name}"`,
    "ip link set dev OLD name NEW",
  );
}
