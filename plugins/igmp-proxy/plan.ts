// From whose multicast belongs where to igmpproxy's configuration and the filter around it (igmpproxy.conf(5), nft(8)). Pure.
import type { InterfaceFact, Lan, MulticastWayFact, Raised } from "@otb/plugin";
import type { Config } from "./config.ts";
import { type Words, words } from "./texts/mod.ts";

/** The filter's name; its family is inet. */
export const TABLE = "otb_igmp_proxy";
/** 224.0.0.0/4 without 239.255.0.0/16, which stays on a LAN (RFC 2365 section 6.1); igmpproxy itself leaves out 224.0.0.0/24. */
const GROUPS = [
  ...["224.0.0.0/5", "232.0.0.0/6", "236.0.0.0/7", "238.0.0.0/8", "239.0.0.0/9", "239.128.0.0/10"],
  ...["239.192.0.0/11", "239.224.0.0/12", "239.240.0.0/13", "239.248.0.0/14", "239.252.0.0/15"],
  "239.254.0.0/16",
];

/** What devices send to these groups is for the box itself at most: mDNS and the like, SSDP. */
const HEARD = ["224.0.0.0/24", "239.255.255.250"];
/** Zapping is two a second; a flood is another matter. */
const IGMP_PER_SECOND = 50;

/** What the plan follows from. */
export interface Wish {
  config: Config;
  lan?: Lan;
  ways: MulticastWayFact[];
  interfaces: ReadonlyMap<string, InterfaceFact>;
}

/** What runs, or why nothing does. */
export interface Plan {
  link?: string;
  devices: string[];
  /** igmpproxy's configuration; other addresses of the interfaces make another text, as it reads them when it starts. */
  proxy?: string;
  /** The filter's body. */
  filter?: string;
  /** Why nothing runs, for a person; absent also where nobody asks for anything. */
  reason?: string;
  /** Who stays without multicast, as it is fetched over one link only. */
  apart?: Raised<Words>;
}

/** One link at a time: igmpproxy asks for every group on all that it has. */
export function plan({ config, lan, ways, interfaces }: Wish): Plan {
  const idle = (reason?: string): Plan => ({ devices: [], reason });
  if (!config.enabled) return idle("switched off");
  const at = lan && interfaces.get(lan.interface);
  if (!at || ways.length === 0) return idle();
  const apart = ways.filter(({ interface: name }) => {
    const facts = interfaces.get(name);
    return name !== at.name && facts !== undefined && facts.parent !== at.name && isPlain(name);
  }).sort((a, b) => a.link < b.link ? -1 : 1);
  const [way, ...others] = apart;
  if (!way || !isPlain(at.name)) {
    return idle("the modem is on the LAN's own segment: devices have its multicast from it directly");
  }
  const upstream = interfaces.get(way.interface)!;
  if (ipv4(upstream).length === 0 || ipv4(at).length === 0) return idle("an interface has no IPv4 address");
  const groups = config.groups.length > 0 ? config.groups : GROUPS;
  return {
    link: way.link,
    devices: way.devices,
    proxy: [
      // A channel that is left is given back at once: a second of zapping is a second of two streams.
      "quickleave",
      `# ${upstream.index} ${ipv4(upstream)} ${at.index} ${ipv4(at)}`,
      phyint(way.interface, "upstream", [...config.sources.map((range) => `altnet ${range}`)]),
      phyint(at.name, "downstream", groups.map((range) => `whitelist ${range}`)),
    ].join("\n") + "\n",
    filter: filter(at.name, way, groups),
    apart: others.length === 0 ? undefined : ["multicast-links", {
      link: way.link,
      others: others.map(({ link: name }) => words.phrase("named", { name })),
    }],
  };
}

/**
 * IGMP reaches the router before any input chain (ip_mr_input in Linux 6.18), so that it is kept from it in prerouting, where it is from
 * who is not pinned here; and so are streams of devices, each of which would be a route to igmpproxy. Streams come from the link and go to the LAN, and no other way.
 */
function filter(lan: string, { interface: link, devices }: MulticastWayFact, groups: string[]): string {
  return `  counter forwarded { }
  chain prerouting {
    type filter hook prerouting priority filter - 10; policy accept
    iifname != "${lan}" return
    meta l4proto igmp ether saddr != { ${devices.join(", ")} } drop
    meta l4proto igmp limit rate over ${IGMP_PER_SECOND}/second burst ${IGMP_PER_SECOND} packets drop
    meta l4proto != igmp ip daddr 224.0.0.0/4 ip daddr != { ${HEARD.join(", ")} } drop
  }
  chain forward {
    type filter hook forward priority filter - 5; policy accept
    ip daddr != 224.0.0.0/4 return
    iifname "${link}" oifname "${lan}" meta l4proto udp ip daddr { ${
    groups.join(", ")
  } } counter name forwarded accept
    drop
  }
`;
}

function phyint(name: string, role: string, more: string[]): string {
  return [`phyint ${name} ${role} ratelimit 0 threshold 1`, ...more.map((line) => `  ${line}`)].join("\n");
}

function ipv4({ addresses }: InterfaceFact): string[] {
  return addresses.filter((address) => !address.includes(":")).sort();
}

/** Names reach two parsers: those that could mean something else there are left alone. */
function isPlain(name: string): boolean {
  return /^[A-Za-z0-9_.-]{1,15}$/.test(name);
}
