// What the LAN is told of IPv6: which prefix, for how long, and which other routers lead devices around the box. Pure.
import {
  canonicalAddress,
  type InterfaceFact,
  isIpv6,
  type Lan,
  type LanPrefixFact,
  type Resource,
  type RouterAdvertisementFact,
} from "@otb/plugin";
import type { Config } from "./config.ts";
import { MAC } from "./config.ts";

/** Times of an announcement (RFC 4861 section 6.2.1). */
export interface Timing {
  everySeconds: number;
  /** How long devices take us for their router when they hear no more of us. */
  routerSeconds: number;
  /** How long an address of the prefix may be used then. */
  prefixSeconds: number;
}

/** Everything that the announcing dnsmasq is told. */
export interface AnnouncerPlan {
  interface: string;
  /** IPv6 addresses, or this box's own. */
  resolvers: "own" | string[];
  timing: Timing;
}

/** A prefix to announce, and how. */
export interface Announcement extends AnnouncerPlan {
  /** The box's own address in the prefix, CIDR. */
  address: string;
}

/** Another router that devices may leave by. */
export interface Router {
  mac: string;
  router: string;
  prefixes: string[];
}

/** A box that died is left within 90 s; one announcement in three may be lost (RFC 4861 section 6.2.1: at least the interval). */
const TIMING: Timing = { everySeconds: 30, routerSeconds: 90, prefixSeconds: 300 };
/** Routers that are told of. */
const MAX_ROUTERS = 8;
const MAX_RESOLVERS = 3;

/** A /64 for use by hosts (global unicast, or unique local as in RFC 4193), as `2001:db8:1:2::`; undefined for any other. */
function networkOf64(cidr: unknown): string | undefined {
  const [address = "", length, rest] = String(cidr).split("/");
  const network = canonicalAddress(address, 6);
  const isUsable = network !== undefined && network.endsWith("::") &&
    /^([23][0-9a-f]{3}|f[cd][0-9a-f]{2}):/.test(network);
  // Four groups at most: what is behind them belongs to hosts.
  return isUsable && length === "64" && rest === undefined && network.split(":").length <= 6
    ? network
    : undefined;
}

/**
 * What to announce; undefined for nothing: no prefix, one that nobody verified or that has ended, or another on the interface
 * already, which would be announced with it.
 */
export function announcement(
  fact: LanPrefixFact | undefined,
  { lan, nowMs, device, routers, dns }: {
    lan: Lan;
    /** Milliseconds since the epoch. */
    nowMs: number;
    device: InterfaceFact | undefined;
    routers: Router[];
    dns: Config["dns"];
  },
): Announcement | undefined {
  const network = fact && networkOf64(fact.prefix);
  if (!network || fact.verified !== true) return undefined;
  if (fact.validUntilMs !== undefined && !(fact.validUntilMs > nowMs)) return undefined;
  if (strangeAddresses(device, `${network}1`, routers).length > 0) return undefined;
  const told = Array.isArray(fact.resolvers) ? fact.resolvers : [];
  return {
    interface: lan.interface,
    address: `${network}1/64`,
    resolvers: dns.enabled
      ? "own"
      : told.flatMap((one) => canonicalAddress(String(one), 6) ?? []).slice(0, MAX_RESOLVERS),
    timing: TIMING,
  };
}

/**
 * Addresses of the LAN's interface that dnsmasq would announce as well: neither link-local, nor ours, nor made from a router's
 * announcement (dnsmasq leaves those that end by themselves alone).
 */
function strangeAddresses(device: InterfaceFact | undefined, own: string, routers: Router[]): string[] {
  const announced = new Set(routers.flatMap(({ prefixes }) => prefixes.map((prefix) => groupsOf(prefix))));
  return (device?.addresses ?? []).filter((cidr) => {
    const address = canonicalAddress(cidr.split("/")[0]!, 6);
    return address && !/^fe[89ab]/.test(address) && address !== own && !announced.has(groupsOf(address));
  });
}

/** The first 64 bits of an address, written out. */
function groupsOf(address: string): string {
  const [head = [], tail] = address.split("/")[0]!.split("::").map((half) =>
    half === "" ? [] : half.split(":")
  );
  const zeros = tail ? Array(Math.max(0, 8 - head.length - tail.length)).fill("0") : [];
  return [...head, ...zeros, ...(tail ?? [])].slice(0, 4).join(":");
}

/** What an announcement wants of the kernel; without one, only that the box itself follows nobody's. */
export function announcerResources(lan: Lan, announced: Announcement | undefined): Resource[] {
  const sysctl = (name: string, value: string): Resource => ({
    kind: "sysctl",
    name: `net/ipv6/conf/${lan.interface}/${name}`,
    value,
    optional: true,
  });
  return [
    sysctl("accept_ra", "0"),
    ...(announced
      ? [
        sysctl("disable_ipv6", "0"),
        { kind: "address", interface: lan.interface, cidr: announced.address } as const,
      ]
      : []),
  ];
}

/** Routers on the LAN that devices may leave by now, around the box. */
export function leaks(facts: ReadonlyMap<string, RouterAdvertisementFact>, nowMs: number): Router[] {
  return [...facts.values()].flatMap((fact) => {
    const { mac, router, lifetimeSeconds, lastSeenMs, onLan } = fact;
    const isRouter = onLan === true && lifetimeSeconds > 0 && lastSeenMs + lifetimeSeconds * 1000 > nowMs;
    if (!isRouter || !MAC.test(String(mac)) || !isIpv6(String(router))) return [];
    const prefixes = (Array.isArray(fact.prefixes) ? fact.prefixes : []).map(String)
      .filter((prefix) => /^[0-9a-f:]{2,39}\/\d{1,3}$/.test(prefix));
    return [{ mac, router, prefixes }];
  }).sort((a, b) => a.mac < b.mac ? -1 : 1).slice(0, MAX_ROUTERS);
}
