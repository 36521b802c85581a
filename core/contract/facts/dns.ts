// Who answers names, and what their answers decide.
import * as z from "zod/mini";
import { fact, factOf, type FactValue } from "../fact.ts";

/** Who answers the LAN's DNS questions: a loopback address of the box. */
export const RESOLVER = fact(
  "resolver",
  z.object({
    address: z.string(),
    port: z.number(),
    /** Domains whose names may lead into the LAN, each with everything below it; answers of all others that do are refused. */
    localDomains: z.optional(z.array(z.string())),
    /** `up`: the peer's resolver answers; `degraded`: another one does; `down`: nobody; `unknown`: nobody asked yet. */
    state: z.enum(["up", "degraded", "down", "unknown"]),
  }),
);
export type ResolverFact = FactValue<typeof RESOLVER>;

/**
 * Who asks a link's own resolver, over that link, for devices that are pinned to it: a port of the LAN's address, UDP and TCP. The
 * questions are led there by who pins.
 */
export const LINK_RESOLVER = factOf(
  "link-resolver",
  "link",
  z.object({
    link: z.string(),
    port: z.number(),
    /** Whom it asks: IPv4 addresses. */
    servers: z.array(z.string()),
  }),
);
export type LinkResolverFact = FactValue<typeof LINK_RESOLVER>;

/** An nftables set that the LAN's DNS fills with the addresses it answers for some domains. */
export const DNS_SET = factOf(
  "dns-set",
  "rule",
  z.object({
    /** `inet otb_device_pinning`, as nft names a table. */
    table: z.string(),
    /** Sets for IPv4 and IPv6 addresses. */
    set4: z.string(),
    set6: z.string(),
    /** Domains, each with everything below it. */
    domains: z.array(z.string()),
  }),
);
export type DnsSetFact = FactValue<typeof DNS_SET>;

/** Where connections to some domains go, in order, the first match deciding, for who sees a connection's server name before choosing its way. */
export const DOMAIN_RULES = fact(
  "domain-rules",
  z.object({
    rules: z.array(z.object({
      rule: z.string(),
      /** Each with everything below it; none stands for every name, where a rule without domains keeps a connection on the bond. */
      domains: z.array(z.string()),
      /** MAC addresses; absent for every device. */
      devices: z.optional(z.array(z.string())),
      /** Target ports like `443` or `8000-8100`; absent for those where names are said in clear: 80 and 443. */
      ports: z.optional(z.array(z.string())),
      way: z.enum(["bonded", "link", "block"]),
      /** For the way `link`: the firewall mark that leads there, under MARK.link. */
      mark: z.number(),
    })),
  }),
);
export type DomainRulesFact = FactValue<typeof DOMAIN_RULES>;

/** How many connections each domain rule has decided by their server's name. */
export const DOMAIN_HITS = fact(
  "domain-hits",
  z.object({
    /** When the count began, milliseconds since the epoch. */
    since: z.number(),
    /** By the rule's name. */
    rules: z.record(z.string(), z.number()),
  }),
);
export type DomainHitsFact = FactValue<typeof DOMAIN_HITS>;
