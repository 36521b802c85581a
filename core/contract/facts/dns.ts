// Who answers names, and what their answers decide.

/** Who answers the LAN's DNS questions: a loopback address of the box. Published as the fact `resolver`. */
export interface ResolverFact {
  address: string;
  port: number;
  /** Domains whose names may lead into the LAN, each with everything below it; answers of all others that do are refused. */
  localDomains?: string[];
  /** `up`: the peer's resolver answers; `degraded`: another one does; `down`: nobody; `unknown`: nobody asked yet. */
  state: "up" | "degraded" | "down" | "unknown";
}

/**
 * Who asks a link's own resolver, over that link, for devices that are pinned to it: a port of the LAN's address, UDP and TCP.
 * Published as the fact `link-resolver/<link>`; the questions are led there by who pins.
 */
export interface LinkResolverFact {
  link: string;
  port: number;
  /** Whom it asks: IPv4 addresses. */
  servers: string[];
}

/** An nftables set that the LAN's DNS fills with the addresses it answers for some domains. Published as `dns-set/<name>`. */
export interface DnsSetFact {
  /** `inet otb_device_pinning`, as nft names a table. */
  table: string;
  /** Sets for IPv4 and IPv6 addresses. */
  set4: string;
  set6: string;
  /** Domains, each with everything below it. */
  domains: string[];
}

/**
 * Where connections to some domains go, in order, the first match deciding. Published as the fact `domain-rules`, for who sees
 * a connection's server name before choosing its way.
 */
export interface DomainRulesFact {
  rules: {
    rule: string;
    /** Each with everything below it; none stands for every name, where a rule without domains keeps a connection on the bond. */
    domains: string[];
    /** MAC addresses; absent for every device. */
    devices?: string[];
    /** Target ports like `443` or `8000-8100`; absent for those where names are said in clear: 80 and 443. */
    ports?: string[];
    way: "bonded" | "link" | "block";
    /** For the way `link`: the firewall mark that leads there, under MARK.link. */
    mark: number;
  }[];
}

/** How many connections each domain rule has decided by their server's name. Published as the fact `domain-hits`. */
export interface DomainHitsFact {
  /** When the count began, milliseconds since the epoch. */
  since: number;
  rules: { [rule: string]: number };
}
