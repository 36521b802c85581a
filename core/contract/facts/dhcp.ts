// Who gives addresses on a segment, and asks who does.

/** A DHCP server that was heard on an interface. Published as the fact `dhcp-server/<mac>`. */
export interface DhcpServerFact {
  mac: string;
  /** Its address (option 54 of RFC 2132). */
  server: string;
  interface: string;
  router?: string;
  /** What it gives addresses of, CIDR. */
  network?: string;
  vendor?: string;
  /** Milliseconds since the epoch; every answer to a probe renews it. */
  lastSeenMs: number;
  /** When it last offered an address, milliseconds since the epoch; absent: it only refuses, and gives no stranger one. */
  offeredMs?: number;
  onLan: boolean;
}

/** When the DHCP servers of an interface were last asked. Published as the fact `dhcp-probe/<interface>`. */
export interface DhcpProbeFact {
  interface: string;
  /** Milliseconds since the epoch. */
  atMs: number;
}

/** Somebody must know now who serves on an interface. Published as the fact `dhcp-probe-wanted`; every new `atMs` is a question. */
export interface DhcpProbeWantedFact {
  interface: string;
  /** Milliseconds since the epoch. */
  atMs: number;
}

/** A router that announced IPv6 on an interface (RFC 4861 section 4.2). Published as the fact `router-advertisement/<mac>`. */
export interface RouterAdvertisementFact {
  mac: string;
  /** Its link-local address. */
  router: string;
  interface: string;
  /** For how long it wants to be a default router; 0: it is none. */
  lifetimeSeconds: number;
  /** CIDR. */
  prefixes: string[];
  /** Milliseconds since the epoch. */
  lastSeenMs: number;
  onLan: boolean;
}

/**
 * An IPv6 prefix for the LAN. Published as the fact `lan-prefix` by who routes it: `verified` says that packets of the prefix
 * were seen to go out and to come back, and that this box forwards them (net.ipv6.conf.all.forwarding).
 */
export interface LanPrefixFact {
  /** A /64, CIDR, for example `2001:db8:1:2::/64`. */
  prefix: string;
  /** IPv6 addresses of resolvers, for a LAN whose DNS the box does not answer. */
  resolvers: string[];
  /** Milliseconds since the epoch; absent: until it is taken back. */
  validUntilMs?: number;
  verified: boolean;
}
