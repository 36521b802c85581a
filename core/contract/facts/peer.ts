// The cloud end as seen from a box, and its boxes.

/**
 * Whether the peer can be reached at all. Published as the fact `peer/<name>`. It is `down` only where a link reaches the Internet and
 * the peer is not reached; while no link works nobody knows.
 */
export interface PeerFact {
  state: "up" | "down" | "unknown";
  reason?: string;
  /** Milliseconds since the epoch. */
  sinceMs: number;
}

/** Which boxes belong to this peer. Published in the cloud as the fact `boxes` by the core; their keys are the secret `boxes`. */
export interface BoxesFact {
  /** Another one whenever a box or a key has changed. */
  revision: string;
  names: string[];
}

/**
 * What is to happen while the peer is gone. Published as the fact `when-peer-gone`; by it the core keeps devices from leaving past the
 * peer, too, when otb ends.
 */
export interface WhenPeerGoneFact {
  way: "direct" | "block";
  /** For devices that have a setting of their own, by MAC address in small letters. */
  devices?: { [mac: string]: "direct" | "block" };
}
