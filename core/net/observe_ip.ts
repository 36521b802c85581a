// What `ip -json -details -N` prints, as our model. Pure.
import { canonicalAddress } from "../contract/address.ts";
import { canonicalMark, canonicalPrefix, IPV6_DEFAULT_METRIC } from "./canonical.ts";
import type { Family, MptcpEndpointResource, MptcpLimitsResource, RouteResource } from "./model.ts";
import type { ObservedInterface, ObservedNeighbour, ObservedRoute, ObservedRule } from "./os.ts";

/** One object as iproute2 prints it. */
export type Printed = Record<string, unknown>;

/** Some versions of iproute2 print names even with `-N`. */
const HARDWARE: { [name: string]: number } = { ether: 1, ppp: 512, loopback: 772 };

/** Interfaces from `ip -j -d -N address`. */
export function parseInterfaces(printed: Printed[]): ObservedInterface[] {
  return printed.filter((device) => device.ifname).map((device) => {
    const flags = device.flags as string[];
    const info = device.linkinfo as { info_kind?: string } | undefined;
    return {
      name: device.ifname as string,
      index: device.ifindex as number,
      mac: device.address as string | undefined,
      mtu: device.mtu as number,
      up: flags.includes("UP"),
      carrier: flags.includes("LOWER_UP"),
      type: info?.info_kind,
      parent: device.link as string | undefined,
      controller: device.master as string | undefined,
      hardware: HARDWARE[device.link_type as string] ??
        Number(/^\[(\d+)\]$/.exec(device.link_type as string)?.[1] ?? 0),
      addresses: (device.addr_info as Printed[] ?? []).filter((address) => address.local).map((address) => {
        const family: Family = address.family === "inet6" ? 6 : 4;
        return {
          family,
          address: canonicalAddress(address.local as string, family) ?? address.local as string,
          prefixLength: address.prefixlen as number,
          ...address.noprefixroute ? { noPrefixRoute: true } : {},
        };
      }),
    };
  });
}

/** rtnetlink(7) route types that our model has; `-N` prints them as numbers. */
const ROUTE_TYPES: { [type: string]: RouteResource["type"] } = {
  "1": "unicast",
  "2": "local",
  "6": "blackhole",
  "7": "unreachable",
};
/** What may stand in a route without changing what our model says of it. */
const PLAIN_ROUTE = new Set([
  ...[
    "type",
    "dst",
    "gateway",
    "dev",
    "table",
    "protocol",
    "scope",
    "prefsrc",
    "metric",
    "flags",
    "metrics",
    "pref",
  ],
  ...["expires", "error"],
]);
const PLAIN_FLAGS = new Set(["linkdown", "dead", "pervasive", "offload", "trap", "notify"]);
const PLAIN_METRICS = new Set(["mtu", "congestion"]);

/** Routes from `ip -4|-6 -j -d -N route show table all`; broadcast and multicast ones are left out. */
export function parseRoutes(printed: Printed[], family: Family): ObservedRoute[] {
  const routes: ObservedRoute[] = [];
  for (const route of printed) {
    const type = ROUTE_TYPES[String(route.type ?? "1")];
    if (!type) continue;
    const forwards = type === "unicast" || type === "local";
    const metrics = Object.assign({}, ...(route.metrics as Printed[] ?? [])) as Printed;
    const unsupported = Object.keys(route).find((word) => !PLAIN_ROUTE.has(word)) ??
      (route.flags as string[] ?? []).find((flag) => !PLAIN_FLAGS.has(flag)) ??
      Object.keys(metrics).find((metric) => !PLAIN_METRICS.has(metric));
    const to = route.dst as string;
    // IPv6 prints a metric always, IPv4 only where there is one; the kernel's own have 0.
    const metric = Number(route.metric ?? 0) || undefined;
    routes.push(defined({
      kind: "route" as const,
      family,
      table: Number(route.table ?? 254),
      to: to === "default" ? to : canonicalPrefix(to, family) ?? to,
      type: type === "unicast" ? undefined : type,
      via: route.gateway && (canonicalAddress(String(route.gateway), family) ?? String(route.gateway)),
      interface: forwards ? route.dev as string | undefined : undefined,
      source: route.prefsrc && (canonicalAddress(String(route.prefsrc), family) ?? String(route.prefsrc)),
      metric: family === 6
        ? metric ?? (Number(route.protocol) === 2 ? undefined : IPV6_DEFAULT_METRIC)
        : metric,
      congestion: metrics.congestion as string | undefined,
      mtu: metrics.mtu === undefined ? undefined : Number(metrics.mtu),
      protocol: Number(route.protocol ?? 3),
      unsupported,
    }) as ObservedRoute);
  }
  return routes;
}

/** What a rule may carry that our model has. */
const PLAIN_RULE = new Set([
  ...[
    "priority",
    "src",
    "srclen",
    "dst",
    "dstlen",
    "fwmark",
    "fwmask",
    "iif",
    "iif_detached",
    "table",
    "protocol",
  ],
]);

/** Rules from `ip -4|-6 -j -N rule`; those with other selectors than ours are left out. */
export function parseRules(printed: Printed[], family: Family): ObservedRule[] {
  return printed.filter((rule) => Object.keys(rule).every((word) => PLAIN_RULE.has(word))).map((rule) => {
    const prefix = (word: "src" | "dst") => {
      const host = rule[word] as string | undefined;
      if (host === undefined || host === "all") return undefined;
      const length = rule[`${word}len`];
      return canonicalPrefix(length === undefined ? host : `${host}/${length}`, family);
    };
    const mark = rule.fwmark ? String(rule.fwmark) + (rule.fwmask ? `/${rule.fwmask}` : "") : undefined;
    return defined({
      kind: "rule" as const,
      family,
      priority: rule.priority as number,
      from: prefix("src"),
      to: prefix("dst"),
      inputInterface: rule.iif as string | undefined,
      mark: mark ? canonicalMark(mark) : undefined,
      table: Number(rule.table),
      protocol: Number(rule.protocol ?? 0),
    }) as ObservedRule;
  });
}

/** Neighbours from `ip -4|-6 -j -N neighbour show nud permanent`; those without an address of the lower layer are left out. */
export function parseNeighbours(printed: Printed[], family: Family): ObservedNeighbour[] {
  return printed.filter((neighbour) => neighbour.lladdr).map((neighbour) => ({
    kind: "neighbour",
    interface: neighbour.dev as string,
    address: canonicalAddress(neighbour.dst as string, family) ?? neighbour.dst as string,
    mac: neighbour.lladdr as string,
    protocol: Number(neighbour.protocol ?? 0),
  }));
}

/** Endpoints from `ip -j mptcp endpoint show`; an interface that went away is shown as `ifN`. */
export function parseMptcpEndpoints(printed: Printed[]): MptcpEndpointResource[] {
  return printed.map((endpoint) => ({
    kind: "mptcpEndpoint",
    id: endpoint.id as number,
    address: canonicalAddress(endpoint.address as string) ?? endpoint.address as string,
    interface: endpoint.dev as string ?? "",
    flags: (["backup", "fullmesh", "signal", "subflow"] as const).filter((flag) => endpoint[flag] === true),
  }));
}

/** Limits from `ip mptcp limits show`, which prints text even when asked for JSON. */
export function parseMptcpLimits(text: string): MptcpLimitsResource | undefined {
  const [, addAddrAccepted, subflows] = /add_addr_accepted (\d+) subflows (\d+)/.exec(text) ?? [];
  if (subflows === undefined) return undefined;
  return { kind: "mptcpLimits", subflows: Number(subflows), addAddrAccepted: Number(addAddrAccepted) };
}

function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}
