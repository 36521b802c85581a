// What was seen and when, in tables that no flood can grow: servers by (interface, option 54, station), stations by
// (interface, address, station), advertising routers by (interface, station). Pure.
import { canonicalRange } from "@otb/plugin";
import type { Reply } from "../frames/dhcp.ts";
import type { Advertisement } from "../frames/frames.ts";
import type { PppoeOffer } from "../frames/pppoe.ts";

/** A DHCP server that answered. */
export interface ServerSeen {
  interface: string;
  /** Option 54. */
  server: string;
  mac: string;
  /** Absent: it serves a LAN without a way out, or it only refused. */
  router?: string;
  prefixLength?: number;
  /** The subnet that it gives addresses of, CIDR. */
  network?: string;
  dns: string[];
  /** Options 60, 43 and 15: hints at the maker. */
  hints: string[];
  /** When it last offered an address; absent: it only refused. */
  offeredMs?: number;
  lastSeenMs: number;
}

/** A station that answered by ARP for an address that was asked for. */
export interface StationSeen {
  interface: string;
  address: string;
  mac: string;
  /** Of its first and its last answer. */
  sinceMs: number;
  lastSeenMs: number;
}

/** Two interfaces of this box that are on one segment: what one sends, the other hears. */
export interface JoinSeen {
  /** Who heard. */
  interface: string;
  other: string;
  lastSeenMs: number;
}

/** A router that advertised itself. */
export interface RouterSeen extends Advertisement {
  interface: string;
  lastSeenMs: number;
}

/** An access concentrator that offered PPPoE. */
export interface ConcentratorSeen extends PppoeOffer {
  interface: string;
  lastSeenMs: number;
}

/** More than ever stand on one segment; a flood meets these. */
const MOST_PER_INTERFACE = 16;
/** Stations that answer for one address: two are a mistake of somebody, more are an attack. */
const MOST_STATIONS = 4;

/** The tables. What is full keeps what it has: a flood must not push the real ones out. */
export class Evidence {
  #servers = new Map<string, ServerSeen>();
  #stations = new Map<string, StationSeen>();
  #routers = new Map<string, RouterSeen>();
  #concentrators = new Map<string, ConcentratorSeen>();
  #joins = new Map<string, JoinSeen>();
  /** Tables that were full when somebody new came, and when that was last. */
  readonly floods = new Map<string, { interface: string; kind: "dhcp" | "ra"; lastSeenMs: number }>();

  get servers(): ServerSeen[] {
    return [...this.#servers.values()];
  }

  get stations(): StationSeen[] {
    return [...this.#stations.values()];
  }

  get routers(): RouterSeen[] {
    return [...this.#routers.values()];
  }

  get joins(): JoinSeen[] {
    return [...this.#joins.values()];
  }

  get concentrators(): ConcentratorSeen[] {
    return [...this.#concentrators.values()];
  }

  /** Notes an offer; one concentrator an interface is enough to know of. */
  noteConcentrator(device: string, offer: PppoeOffer, nowMs: number): void {
    this.#concentrators.set(device, { ...offer, interface: device, lastSeenMs: nowMs });
  }

  /** Notes a reply; one that refuses tells less than an offer that was seen before. */
  noteReply(device: string, reply: Reply, mac: string, nowMs: number): void {
    const key = `${device} ${reply.server} ${mac}`;
    const former = this.#servers.get(key);
    if (!former && this.#isFull(this.#servers, device, "dhcp", nowMs)) return;
    if (reply.type === "nak" && former) {
      former.lastSeenMs = nowMs;
      return;
    }
    const { address, prefixLength } = reply;
    this.#servers.set(key, {
      interface: device,
      server: reply.server,
      mac,
      router: reply.router,
      prefixLength,
      network: address && prefixLength ? canonicalRange(`${address}/${prefixLength}`) : undefined,
      dns: reply.dns,
      hints: [reply.vendorClass, reply.vendorSpecific, reply.domain].filter((hint) => hint !== undefined),
      offeredMs: reply.type === "nak" ? undefined : nowMs,
      lastSeenMs: nowMs,
    });
  }

  /** Notes who answers for an address; says whether that is news. */
  noteStation(device: string, address: string, mac: string, nowMs: number): boolean {
    const key = `${device} ${address} ${mac}`;
    const known = this.#stations.get(key);
    if (known) known.lastSeenMs = nowMs;
    else if (this.#answering(device, address) < MOST_STATIONS) {
      this.#stations.set(key, { interface: device, address, mac, sinceMs: nowMs, lastSeenMs: nowMs });
      return true;
    }
    return false;
  }

  /** Notes that an interface of this box hears another one; there are as many as it has pairs of them. */
  noteJoin(device: string, other: string, nowMs: number): void {
    this.#joins.set(`${device} ${other}`, { interface: device, other, lastSeenMs: nowMs });
  }

  noteAdvertisement(device: string, advertisement: Advertisement, nowMs: number): void {
    const key = `${device} ${advertisement.mac}`;
    if (!this.#routers.has(key) && this.#isFull(this.#routers, device, "ra", nowMs)) return;
    this.#routers.set(key, { ...advertisement, interface: device, lastSeenMs: nowMs });
  }

  /** Forgets everybody behind an interface whose cable was pulled: who is there next may be somebody else. */
  unplugged(device: string): void {
    for (const table of [this.#servers, this.#stations, this.#routers, this.#concentrators, this.floods]) {
      for (const [key, one] of table) if (one.interface === device) table.delete(key);
    }
    for (const [key, join] of this.#joins) {
      if (join.interface === device || join.other === device) this.#joins.delete(key);
    }
  }

  /** Forgets what was not seen for long, and everything of interfaces that are gone. */
  forget(
    nowMs: number,
    longest: { serversMs: number; stationsMs: number; routersMs: number },
    there: Set<string>,
  ): void {
    const drop = (table: Map<string, { interface: string; lastSeenMs: number }>, mostMs: number) => {
      for (const [key, { interface: device, lastSeenMs }] of table) {
        if (nowMs - lastSeenMs > mostMs || !there.has(device)) table.delete(key);
      }
    };
    drop(this.#servers, longest.serversMs);
    drop(this.#stations, longest.stationsMs);
    drop(this.#joins, longest.stationsMs);
    drop(this.#routers, longest.routersMs);
    drop(this.#concentrators, longest.serversMs);
    drop(this.floods, longest.serversMs);
  }

  #answering(device: string, address: string): number {
    return this.stations.filter((one) => one.interface === device && one.address === address).length;
  }

  #isFull(
    table: Map<string, { interface: string }>,
    device: string,
    kind: "dhcp" | "ra",
    lastSeenMs: number,
  ): boolean {
    const count = [...table.values()].filter((one) => one.interface === device).length;
    if (count < MOST_PER_INTERFACE) return false;
    this.floods.set(`${device} ${kind}`, { interface: device, kind, lastSeenMs });
    return true;
  }
}
