// Links as they are found, watched, left by and held.

/**
 * A link that was found rather than configured. Published as the fact `link/<name>`; the core adds it to the links, and
 * settings under the same name (a tier, caps) hold for it. Its addresses are claimed by who found it.
 */
export interface LinkFact {
  interface: string;
  /** Own address on the link, CIDR. */
  address?: string;
  gateway?: string;
  /** For a person: `Livebox at 192.168.1.1`. */
  description?: string;
  /** It was there and is not now, and why, for a person; its place is kept, and nothing is claimed for it. */
  away?: string;
  /** Resolvers that its modem told, IPv4; hostile input. */
  resolvers?: string[];
}

/** How a link is, in words. Published as the fact `link-health/<name>`; `down` takes the link out of use. */
export interface LinkHealthFact {
  state: "up" | "degraded" | "down" | "unknown";
  /** One sentence for a person. */
  reason?: string;
  /** Milliseconds since the epoch. */
  sinceMs: number;
  /**
   * How often questions over it were answered: by the peer, or by others on the Internet while the peer was silent. Only a count
   * that grows proves anything of now; it begins anew with its plugin.
   */
  answers?: { peer: number; internet: number };
}

/**
 * The way out over one link alone, around the peer. Published as the fact `link-way/<name>` by the plugin that owns how
 * links are used: packets with `mark` (under MARK.link) leave by `table`, and only by that link.
 */
export interface LinkWayFact {
  link: string;
  interface: string;
  source: string;
  table: number;
  mark: number;
}

/** What a link is held to, so that queues stay short; bits per second, absent: not held. Published as the fact `link-rate/<link>`. */
export interface LinkRateFact {
  link: string;
  upBitsPerSecond?: number;
  downBitsPerSecond?: number;
  /** Who holds downstream: the peer before it sends, this box on arrival, or nobody. */
  downBy: "peer" | "box" | "nobody";
}
