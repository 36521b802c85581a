// How links reach the peer, and which one comes first.

/**
 * The path between one link and the peer, as the path manager measures it. Published as the fact
 * `path/<link>` by the plugin that owns how links are used.
 */
export interface PathFact {
  link: string;
  peer: string;
  /** `active` carries subflows; `standby` waits by its tier; `suspect` stopped acknowledging; `down` is not usable. */
  state: "active" | "standby" | "suspect" | "down";
  reason?: string;
  /**
   * How connections over this path speak: `mptcp`, `tcp` when MPTCP was stripped or refused, `striped` when each is one of
   * several of a stream, or nothing seen yet.
   */
  protocol: "mptcp" | "tcp" | "striped" | "unknown";
  rttMs?: number;
  minRttMs?: number;
  /** Share of segments sent again, 0 to 1, over the last window; absent while too few were sent. */
  loss?: number;
  /**
   * The part of `loss` that the line has by itself, as a radio does; the rest was lost by a queue that was full. Absent also
   * while the queue is so full all the time that nobody can tell.
   */
  lineLoss?: number;
  /**
   * On the box what the link carries over the last moments, whoever's it is: bytes as the kernel counts them on the link's
   * interface, headers included, bits per second. In the cloud the payload of the proxy's connections over this path alone.
   */
  rxBitsPerSecond: number;
  txBitsPerSecond: number;
  /** Payload that running connections to the peer had delivered and acknowledged, both directions together, bits per second. */
  acknowledgedBitsPerSecond: number;
  /** Share of the traffic of all paths over the last window, 0 to 1. */
  share: number;
  subflows: number;
  congestion: string;
}

/**
 * Which path the next connection to the peer should start on. Published as the fact `first-path`; a reader picks an
 * entry with probability proportional to `weight` (their sum is 1; empty when no link is usable). An entry of weight 0 is
 * for when the others do not connect.
 */
export interface FirstPathFact {
  /** How streams use the other links: by Multipath TCP of the kernel, or striped over a connection for each. */
  transport: "mptcp" | "striped";
  choices: {
    link: string;
    interface: string;
    source: string;
    weight: number;
    /** How the Internet sees the link, as far as is known: what was connected by another address is lost. */
    publicAddress?: string;
  }[];
}

/** Which congestion control streams are to use. Published as the fact `congestion`; `auto` leaves it to who knows the link. */
export interface CongestionFact {
  wish: "auto" | "cubic" | "bbr";
}

/** How much all links had together with one of them and without it, bits per second; times are milliseconds since the epoch. */
export interface HoldProof {
  withBitsPerSecond: number;
  withoutBitsPerSecond: number;
  sinceMs: number;
  /** It is tried again then, once there is enough to send. */
  untilMs: number;
}

/**
 * A link that gets nothing new while others carry, as all had more without it. Published as the fact `held/<link>` on the box, and as
 * `held/<box>/<public address>` in the cloud (`link` is then that text); gone once it carries again.
 */
export interface HeldLinkFact {
  link: string;
  /** For what the box sends, and for what the peer does; absent: not held back for that. */
  up?: HoldProof;
  down?: HoldProof;
}
