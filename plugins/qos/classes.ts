// The classes of a link, which packets are in which, and the queue of each: HTB, or CAKE where the kernel has it. Pure.
import type { Resource } from "@otb/plugin";
import { MARK } from "@otb/plugin";
import { type Layer, OVERHEAD } from "./layer.ts";

/** Numbers of classes: CAKE's tins of diffserv4 in its own order (tc-cake(8), "override"), so that one mark serves both. */
export const CLASS = { bulk: 1, normal: 2, interactive: 3, calls: 4 } as const;
export type ClassName = keyof typeof CLASS;

/** The class in which the others of a group borrow. */
const WHOLE = 15;
/** Classes of one public address behind another: group 0 is a link of the box, 1 and up are addresses at the peer. */
const GROUP = 16;
/** What the box and the peer let stand in a queue of their own at most. */
export const QUEUE_MS = 20;
/** However slow: some full packets, and a burst of a connection's first ones. */
const LEAST_QUEUE_BYTES = 10 * 1514;
/** What may leave at once: this long at the rate, at least two full packets. */
const BURST_MS = 1, LEAST_BURST_BYTES = 2 * 1514;
const ETHERNET_HEADER = 14;

/** How one link or address is shaped. */
export interface Shape {
  bitsPerSecond: number;
  layer: Layer;
  /** What calls may take of it, 0 to 1. */
  callsShare: number;
}

/** The qdisc of a link's interface. */
export function linkQdisc(device: string, shape: Shape, hasCake: boolean): Resource {
  const { bytes, atm } = OVERHEAD[shape.layer];
  const root = { kind: "qdisc", interface: device, parent: "root" } as const;
  if (hasCake) {
    const rate = ["bandwidth", `${Math.round(shape.bitsPerSecond)}bit`];
    const line = ["overhead", String(bytes), atm ? "atm" : "noatm"];
    return { ...root, spec: ["handle", "1:", "cake", ...rate, "diffserv4", ...line] };
  }
  return {
    ...root,
    spec: ["handle", "1:", "htb", "default", String(CLASS.normal)],
    then: groupLines(device, 0, shape),
  };
}

/** The qdisc of a peer's uplink: a group for each address, everything else as if there were none. */
export function uplinkQdisc(device: string, groups: ({ group: number } & Shape)[]): Resource {
  return {
    kind: "qdisc",
    interface: device,
    parent: "root",
    spec: ["handle", "1:", "htb"],
    then: groups.flatMap(({ group, ...shape }) => groupLines(device, group, shape)),
  };
}

/**
 * Classes under HTB (tc-htb(8)): each has a share of its own, calls first but no more than theirs; what one leaves the others
 * take in the same order.
 */
function groupLines(device: string, group: number, { bitsPerSecond, layer, callsShare }: Shape): string[][] {
  const rest = 1 - callsShare;
  const classes: [ClassName, share: number, most: number][] = [
    ["calls", callsShare, callsShare],
    ["interactive", rest * 0.5, 1],
    ["normal", rest * 0.35, 1],
    ["bulk", rest * 0.15, 1],
  ];
  const { bytes, atm } = OVERHEAD[layer];
  const line = [
    "overhead",
    String(Math.max(0, bytes - ETHERNET_HEADER)),
    "linklayer",
    atm ? "atm" : "ethernet",
  ];
  const bits = (share: number) => `${Math.round(bitsPerSecond * share)}bit`;
  const burst = String(Math.max(LEAST_BURST_BYTES, Math.round(bitsPerSecond / 8000 * BURST_MS)));
  const bursts = ["burst", burst, "cburst", burst, "quantum", "3028"];
  const queue = Math.max(LEAST_QUEUE_BYTES, Math.round(bitsPerSecond / 8000 * QUEUE_MS));
  const whole = classId(group, WHOLE);
  const place = (
    parent: string,
    id: string,
  ) => ["class", "add", "dev", device, "parent", parent, "classid", id, "htb"];
  return [
    [...place("1:", whole), "rate", bits(1), "ceil", bits(1), ...bursts, ...line],
    ...classes.flatMap(([name, share, most], prio) => [
      [
        ...place(whole, classId(group, CLASS[name])),
        ...["rate", bits(share), "ceil", bits(most), "prio", String(prio)],
        ...bursts,
        ...line,
      ],
      ["qdisc", "add", "dev", device, "parent", classId(group, CLASS[name]), "bfifo", "limit", String(queue)],
    ]),
  ];
}

function classId(group: number, number: number): string {
  return `1:${(group * GROUP + number).toString(16)}`;
}

/** RFC 4594: telephony, VOICE-ADMIT and network control; interactive and video; background (RFC 3662, RFC 8622). */
const CALLS_DSCP = [46, 44, 40, 48, 56],
  INTERACTIVE_DSCP = [32, 34, 36, 38, 24, 26, 28, 30],
  BULK_DSCP = [8, 1];
/** AF41 says "before others" to whom the packet meets next, CS1 "after". */
const HIGH_DSCP = 34, LOW_DSCP = 8;
/** What a class mark that DSCP does not carry may take: IPsec and STUN may be a call, or a download. */
const PORTS_LIMIT = "125 kbytes/second";

/** Rules for packets that leave: the first that fits gives the class. */
function classify(group: number, before: string[] = []): string {
  const to = (name: ClassName) => `meta priority set ${classId(group, CLASS[name])}`;
  const marked = (dscp: number[], name: ClassName) =>
    ["ip", "ip6"].map((family) => `${family} dscp { ${dscp.join(", ")} } ${to(name)} return`);
  return [
    ...before,
    ...marked(CALLS_DSCP, "calls"),
    ...marked(INTERACTIVE_DSCP, "interactive"),
    ...marked(BULK_DSCP, "bulk"),
    `udp dport { 500, 3478, 4500, 5060, 5061 } limit rate ${PORTS_LIMIT} ${to("calls")} return`,
    `udp dport { 53, 123 } ${to("interactive")} return`,
    `meta l4proto { icmp, ipv6-icmp } ${to("interactive")} return`,
    // A bare acknowledgement behind an upload holds up a download (RFC 3449 section 5.2).
    `tcp flags & (fin | syn | rst | psh | ack) == ack meta length < 128 ${to("interactive")} return`,
    to("normal"),
  ].join("\n");
}

const table = (body: string): Resource => ({ kind: "nftTable", family: "inet", name: "otb_qos", body });
const EGRESS = "type filter hook postrouting priority mangle + 10; policy accept;";
const quoted = (names: string[]) => names.map((name) => `"${name}"`).join(", ");

/** The box's table: what leaves by these links, and what comes from devices with a priority. */
export function linkTable(
  devices: string[],
  lan: string | undefined,
  { high, low }: { high: string[]; low: string[] },
): Resource[] {
  const chains: string[] = [];
  if (devices.length > 0) {
    const of = (mark: number, dscp: number) =>
      ["ip", "ip6"].map((family) =>
        `meta mark & ${MARK.priority} == ${mark} ${family} dscp 0 ${family} dscp set ${dscp}`
      );
    chains.push(
      `chain classify {\n${classify(0, [...of(MARK.high, HIGH_DSCP), ...of(MARK.low, LOW_DSCP)])}\n}`,
      `chain egress {\n${EGRESS}\noifname { ${quoted(devices)} } goto classify\n}`,
    );
  }
  const marks = ["ip", "ip6"].flatMap((family) => [
    // What a device marked itself says more than that it is an important one.
    ...high.length > 0
      ? [`ether saddr { ${high.join(", ")} } ${family} dscp 0 ${family} dscp set ${HIGH_DSCP}`]
      : [],
    ...low.length > 0 ? [`ether saddr { ${low.join(", ")} } ${family} dscp set ${LOW_DSCP}`] : [],
  ]);
  if (lan && marks.length > 0) {
    chains.push(
      `chain priorities {\ntype filter hook prerouting priority mangle - 10; policy accept;\niifname != "${lan}" return\n${
        marks.join("\n")
      }\n}`,
    );
  }
  return chains.length > 0 ? [table(chains.join("\n"))] : [];
}

/** The peer's table: what leaves to each address. */
export function uplinkTable(groups: { group: number; address: string }[]): Resource[] {
  if (groups.length === 0) return [];
  const jumps = (["ip", "ip6"] as const).flatMap((family) => {
    const mine = groups.filter(({ address }) => address.includes(":") === (family === "ip6"));
    const pairs = mine.map(({ group, address }) => `${address} : goto group${group}`).join(", ");
    return mine.length > 0 ? [`${family} daddr vmap { ${pairs} }`] : [];
  });
  return [table([
    ...groups.map(({ group }) => `chain group${group} {\n${classify(group)}\n}`),
    `chain egress {\n${EGRESS}\n${jumps.join("\n")}\n}`,
  ].join("\n"))];
}

/** A link's downMbps held on arrival: a token bucket behind an ifb. It drops what has come already, so it is the last resort. */
export function arrivalCap(device: string, ifb: string, bitsPerSecond: number): Resource[] {
  const redirect = "protocol all u32 match u32 0 0 action mirred egress redirect dev".split(" ");
  return [
    { kind: "interface", name: ifb, type: "ifb", up: true },
    { kind: "qdisc", interface: ifb, parent: "root", spec: bucket(bitsPerSecond) },
    {
      kind: "qdisc",
      interface: device,
      parent: "ingress",
      spec: [],
      then: [["filter", "add", "dev", device, "ingress", ...redirect, ifb]],
    },
  ];
}

/** tc-tbf(8): a burst of 10 ms at the rate, at least two full packets with segmentation offload. */
function bucket(bitsPerSecond: number): string[] {
  const burst = Math.max(65_536, Math.round(bitsPerSecond / 8 * 0.01));
  return ["tbf", "rate", `${Math.round(bitsPerSecond)}bit`, "burst", String(burst), "latency", "50ms"];
}

/** A qdisc where it disturbs nobody, to see whether the kernel has CAKE. */
export const CAKE_TRIAL: Resource[] = [
  { kind: "interface", name: "otb-cake", type: "ifb", up: false },
  { kind: "qdisc", interface: "otb-cake", parent: "root", spec: ["cake", "bandwidth", "1mbit", "diffserv4"] },
];
