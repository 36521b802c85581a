// What belongs to no single plugin: links, peers, the LAN.
import type { LinkHealthFact } from "./facts/link.ts";

/** Where a plugin runs: the appliance at home, or the peer in the cloud. */
export type Role = "box" | "cloud";

/** How a link may be used: always, when primaries are full, when nothing else is left, or not at all. */
export type Tier = "primary" | "secondary" | "backup" | "never";

/** One way to the Internet as wished and as seen; desired settings and observed state stay apart. */
export interface Link {
  name: string;
  /** The Linux network device it is reached by. */
  interface: string;
  /** It was found (LinkFact), not set by a person. */
  found: boolean;
  tier: Tier;
  /** Known or capped rates in Mbit/s; absent when nobody said. */
  downMbps?: number;
  upMbps?: number;
  /** What the kernel shows now; addresses without prefix length. */
  observed: {
    /** `up`: interface, carrier, address and gateway are there; otherwise `reason` says what is missing. */
    state: "up" | "down" | "missing";
    reason?: string;
    address?: string;
    /** As a modem or an operator's server may have told it: `nearOf` and `onLinkOf` say how far it is believed. */
    prefixLength?: number;
    gateway?: string;
    mtu?: number;
  };
  /** What the watcher of links found, beyond what the kernel shows; absent while nobody watches. */
  health?: LinkHealthFact;
}

/** The cloud end: on the box the peers to reach, in the cloud this peer itself. */
export interface Peer {
  name: string;
  address: string;
  /** TCP for the proxy, and UDP for the tunnel. */
  port: number;
  /** The public key of its tunnel (X25519, base64 of 32 bytes); absent: a peer of before there was one. */
  tunnelKey?: string;
}

/** The LAN side of the box. */
export interface Lan {
  interface: string;
  /** The box's own address there, CIDR, for example `192.168.100.1/24`. */
  address: string;
}

/** The settings that belong to no single plugin; a pure snapshot. */
export interface Network {
  role: Role;
  lan?: Lan;
  peers: Peer[];
}

/** What `check` may look at: a pure snapshot, no I/O. */
export interface World {
  network: Network;
  links: Link[];
}
