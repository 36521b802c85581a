// Who gives addresses on a segment, and asks who does.
import * as z from "zod/mini";
import { fact, factOf, type FactValue } from "../fact.ts";

/** A DHCP server that was heard on an interface and is not this box, by its MAC address. */
export const DHCP_SERVER = factOf(
  "dhcp-server",
  "MAC address",
  z.object({
    mac: z.string(),
    /** Its address (option 54 of RFC 2132). */
    server: z.string(),
    interface: z.string(),
    /** The default router that it tells; absent: it serves a LAN without a way out, or only refused. */
    router: z.optional(z.string()),
    /** What it gives addresses of, CIDR. */
    network: z.optional(z.string()),
    /** Guessed by its Ethernet address and its own words. */
    vendor: z.optional(z.string()),
    /** Milliseconds since the epoch; every answer to a probe renews it. */
    lastSeenMs: z.number(),
    /** When it last offered an address, milliseconds since the epoch; absent: it only refuses, and gives no stranger one. */
    offeredMs: z.optional(z.number()),
    /** It is on the LAN's segment, where devices hear it. */
    onLan: z.boolean(),
  }),
);
export type DhcpServerFact = FactValue<typeof DHCP_SERVER>;

/** When the DHCP servers of an interface were last asked. */
export const DHCP_PROBE = factOf(
  "dhcp-probe",
  "interface",
  z.object({
    interface: z.string(),
    /** Milliseconds since the epoch. */
    atMs: z.number(),
  }),
);
export type DhcpProbeFact = FactValue<typeof DHCP_PROBE>;

/** Somebody must know now who serves on an interface; every new `atMs` is a question. */
export const DHCP_PROBE_WANTED = fact(
  "dhcp-probe-wanted",
  z.object({
    interface: z.string(),
    /** Milliseconds since the epoch. */
    atMs: z.number(),
  }),
);
export type DhcpProbeWantedFact = FactValue<typeof DHCP_PROBE_WANTED>;

/** A router that announced IPv6 on an interface (RFC 4861 section 4.2), by its MAC address. */
export const ROUTER_ADVERTISEMENT = factOf(
  "router-advertisement",
  "MAC address",
  z.object({
    mac: z.string(),
    /** Its link-local address. */
    router: z.string(),
    interface: z.string(),
    /** For how long it wants to be a default router; 0: it is none. */
    lifetimeSeconds: z.number(),
    /** CIDR. */
    prefixes: z.array(z.string()),
    /** Milliseconds since the epoch. */
    lastSeenMs: z.number(),
    onLan: z.boolean(),
  }),
);
export type RouterAdvertisementFact = FactValue<typeof ROUTER_ADVERTISEMENT>;

/**
 * An IPv6 prefix for the LAN, told by who routes it: `verified` says that packets of the prefix were seen to go out and to come back,
 * and that this box forwards them (net.ipv6.conf.all.forwarding).
 */
export const LAN_PREFIX = fact(
  "lan-prefix",
  z.object({
    /** A /64, CIDR, for example `2001:db8:1:2::/64`. */
    prefix: z.string(),
    /** IPv6 addresses of resolvers, for a LAN whose DNS the box does not answer. */
    resolvers: z.array(z.string()),
    /** Milliseconds since the epoch; absent: until it is taken back. */
    validUntilMs: z.optional(z.number()),
    verified: z.boolean(),
  }),
);
export type LanPrefixFact = FactValue<typeof LAN_PREFIX>;
