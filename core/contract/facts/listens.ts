// Who listens on this machine, and whom that is for.

/**
 * Where a packet comes from: the LAN, a link to the Internet (in the cloud: any port of the peer), the tunnel, or a port that
 * nobody said anything about.
 */
export type Zone = "lan" | "link" | "tunnel" | "others";

/**
 * What a plugin serves, and to whom. Published as the fact `listens/<plugin>` by everyone who listens beyond loopback: what nobody
 * says of itself is shut to the network while otb runs.
 */
export interface ListensFact {
  services: { protocol: "tcp" | "udp"; port: number; zones: Zone[] }[];
}

/** A socket of this machine that others can reach: beyond loopback, and open to whoever comes. */
export interface Listener {
  protocol: "tcp" | "udp";
  port: number;
  /** Of the program that holds it, as the kernel calls it; absent for the kernel's own, and those of other namespaces. */
  program?: string;
  /** It lets people in by ssh. */
  isSsh?: boolean;
}

/** Everything that listens on this machine, otb's own included. Published as the fact `listeners` by the core. */
export interface ListenersFact {
  listeners: Listener[];
}
