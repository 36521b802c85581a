// Data that several files of the search look at: what is known of modems and links, and what is planned of it.
import type { Lan, Raised } from "@otb/plugin";
import type { JoinSeen, ServerSeen, StationSeen } from "./evidence.ts";
import type { Grant } from "../links/lease.ts";
import type { Memory } from "./memory.ts";
import type { Words } from "../texts/mod.ts";

/** An interface that is searched. */
export interface Port {
  name: string;
  mac: string;
  carrier: boolean;
  /** IPv4 addresses, CIDR. */
  addresses: string[];
}

/** A link that a person configured with its interface. */
export interface Configured {
  name: string;
  interface: string;
  gateway?: string;
}

/** What a person said of a modem, by its Ethernet address. */
export interface Wish {
  name?: string;
  ignore?: boolean;
}

/** Everything that is known. Times are of one clock that never goes back, `epochMs` apart. */
export interface Known {
  nowMs: number;
  epochMs: number;
  /** An answer older than this is no sign of life. */
  freshMs: number;
  lan?: Lan;
  ports: Port[];
  servers: ServerSeen[];
  stations: StationSeen[];
  joins: JoinSeen[];
  memory: Memory[];
  configured: Configured[];
  /** Modems that leave the questions of their link's own Ethernet address unanswered, by their identities. */
  unheard: ReadonlySet<string>;
  /** Modems that gave no address that could be used, by their identities. */
  clashing: ReadonlySet<string>;
  wishes: { [mac: string]: Wish };
}

/** A link to be, or one that is out of sight (`present: false`) and keeps its place. */
export interface PlannedLink {
  name: string;
  /** Tells its modem apart: its Ethernet address, and its port too where another modem has the same. */
  id: string;
  mac: string;
  slot: number;
  present: boolean;
  /** Out of sight though there is a cable, and why; else it is back at once when the cable is. */
  away?: string;
  /** The interface that the modem is behind. */
  interface: string;
  /** The device that the link is: the interface itself, or a macvlan on it. */
  device: string;
  deviceMac: string;
  onLan: boolean;
  /** The LAN's own address serves; nothing is to be asked or claimed. */
  lanAddress?: string;
  gateway: string;
  prefixLength: number;
  server?: { address: string; mac: string };
  former?: Grant;
  /** Another station has the gateway's address: it must be fixed by MAC. */
  fixed: boolean;
  description: string;
}

export interface Plan {
  links: PlannedLink[];
  memory: Memory[];
  conditions: Raised<Words>[];
}

/** Modem seen on an interface now. */
export interface Sighting {
  id: string;
  mac: string;
  interface: string;
  gateway: string;
  prefixLength: number;
  server?: ServerSeen;
}
