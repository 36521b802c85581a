// The tunnel for what the proxy does not carry.

/**
 * The tunnel for what the proxy does not carry, to all peers together. Published as the fact `tunnel` by the plugin that keeps
 * it, on the box and in the cloud.
 */
export interface TunnelFact {
  /** `up`: a session stands and a path carries; what is routed to `interface` leaves by the peer. */
  state: "up" | "down" | "unknown";
  reason?: string;
  /** Milliseconds since the epoch. */
  sinceMs: number;
  /** The TUN device; always named `otb` and a number. */
  interface: string;
  /** Its own IPv4 address, which the box's devices hide behind; without prefix length. */
  address?: string;
  /** Payload that goes through whole, bytes of an IP packet. */
  mtu?: number;
  /** On the box, while a session stands: what only this box and the peer know of it, hexadecimal; proves whose a path is. */
  session?: string;
}

/** Whether calls or games go through the tunnel, either way: flows that want to be early. Published as the fact `calls`. */
export interface CallsFact {
  /** Within the last ten seconds. */
  going: boolean;
  /** Milliseconds since the epoch. */
  sinceMs: number;
}

/** One direction of a tunnel's path, as it was over the last moments. */
export interface PathDirection {
  /** What the tunnel believes that the path carries, bits per second. */
  rateBitsPerSecond: number;
  /** The path has not been full yet: the rate is what it carries at least. */
  isStarting: boolean;
  /** What of it the tunnel used, bits per second. */
  usedBitsPerSecond: number;
  /** How much longer packets took than the least this path can do, milliseconds: a queue, ours or anybody's. */
  queueMs: number;
  /** Share of packets lost, 0 to 1. */
  loss: number;
}

/**
 * One path of the tunnel. Published as the fact `tunnel-path/<link>` on the box, and as `tunnel-path/<public address>/<port>` in
 * the cloud (`link` is then that text); five times a second while something is going on, rarely while not.
 */
export interface TunnelPathFact {
  link: string;
  /** `suspect`: it stopped answering and carries nothing until it does. */
  state: "up" | "suspect" | "down" | "unknown";
  reason?: string;
  /** How the peer sees this end: the link's public address and the tunnel's port there. */
  publicAddress?: string;
  publicPort?: number;
  rttMs?: number;
  /** The largest IP packet that goes over the link whole, bytes. */
  mtu?: number;
  /** Towards the peer, and from it; absent while nothing was heard. */
  up?: PathDirection;
  down?: PathDirection;
  /** In the cloud: as TunnelFact has it on the box whose path this is. */
  session?: string;
  /** Of the last report, milliseconds since the epoch. */
  atMs: number;
}
