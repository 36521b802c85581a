// The plugin contract: everything a plugin may know of the core. A plugin imports this file, its own files,
// pinned libraries and, only where its manifest declares it, core/native/ffi.ts.
import type * as z from "zod/mini";
import type { Resource } from "./net/model.ts";

export { accepted } from "./accepted.ts";
export { boundedLength, isOddLength, nearOf, onLinkOf, overlaps } from "./near.ts";
export type { Resource } from "./net/model.ts";
export { isRange, targetFilter, type TargetRule, targetRules } from "./targets.ts";

/** The version of this contract; a manifest names the one it was written for. */
export const CONTRACT_VERSION = 1;

/** Where a plugin runs: the appliance at home, or the peer in the cloud. */
export type Role = "box" | "cloud";

/** How a link may be used: always, when primaries are full, when nothing else is left, or not at all. */
export type Tier = "primary" | "secondary" | "backup" | "never";

/** Values that survive a trip through JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * An error meant for a person: what failed and why, a stable code, and what to do next.
 *
 * Messages read `Cannot <verb> <thing> as <rule>: current value is "x"`.
 */
export class OtbError extends Error {
  override name = "OtbError";
  constructor(readonly code: string, message: string, readonly next?: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** A value that changes while the plugin runs; `subscribe` does not call at once. */
export interface View<T> {
  readonly current: T;
  subscribe(onChange: (value: T) => void): () => void;
}

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

/** One thing wrong with a proposed configuration; `path` is dotted, relative to the plugin's own settings. */
export interface Problem {
  code: string;
  path: string;
  message: string;
  next?: string;
}

/** A condition a person should know of. One per code; raising it again replaces it. */
export interface HealthCondition {
  code: string;
  severity: "info" | "warning" | "error";
  /** One sentence: what is the matter. */
  message: string;
  /** What a person can do about it. */
  next?: string;
}

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

/**
 * A network device as the kernel has it. Published by the core as the fact `interface/<name>`, so that a plugin
 * follows what is plugged in and pulled out.
 */
export interface InterfaceFact {
  name: string;
  /** Kernel index; a device that was pulled and plugged in again has a new one. */
  index: number;
  mac?: string;
  mtu: number;
  /** Administratively up. */
  up: boolean;
  /** Cable plugged, association done. */
  carrier: boolean;
  /** Kind of hardware as ARP numbers it (linux/if_arp.h): 1 Ethernet, 512 PPP. */
  hardware: number;
  /** Kind of a virtual device: `bridge`, `macvlan`, `veth`... */
  type?: string;
  /** Kernel driver of a physical one: `r8169`, `rndis_host`... */
  driver?: string;
  /** The device below a macvlan or VLAN. */
  parent?: string;
  /** The bridge or bond that it is a port of. */
  controller?: string;
  /** IPv4 and IPv6 addresses, CIDR. */
  addresses: string[];
}

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
 * links are used: packets with `mark` (under LINK_MARK_MASK) leave by `table`, and only by that link.
 */
export interface LinkWayFact {
  link: string;
  interface: string;
  source: string;
  table: number;
  mark: number;
}

/**
 * The firewall mark's bits that choose a link, 0 for none; set by who pins, before nftables' priority mangle in prerouting, on packets
 * that come from devices (and not on what comes back to them); routed by who owns the links.
 */
export const LINK_MARK_MASK = 0xff00;

/**
 * The connection mark's bit of what has gone into the tunnel, set by who pins: it goes on there until it ends, and nobody else
 * can carry it any more.
 */
export const TUNNEL_CONNECTION_MARK = 0x80000;

/**
 * Devices whose multicast belongs to one link, as an operator's TV box has its channels there alone. Published as the fact
 * `multicast-way/<link>` by who pins, while that link is alive.
 */
export interface MulticastWayFact {
  link: string;
  interface: string;
  /** MAC addresses, sorted. */
  devices: string[];
}

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

/** What a link is held to, so that queues stay short; bits per second, absent: not held. Published as the fact `link-rate/<link>`. */
export interface LinkRateFact {
  link: string;
  upBitsPerSecond?: number;
  downBitsPerSecond?: number;
  /** Who holds downstream: the peer before it sends, this box on arrival, or nobody. */
  downBy: "peer" | "box" | "nobody";
}

/** Devices that come before or after the others. Published as the fact `device-priority`; MAC addresses in small letters. */
export interface DevicePriorityFact {
  high: string[];
  low: string[];
}

/** The firewall mark's bits that say how a device's connection to the peer is to be treated; set by the proxy on its own sockets. */
export const DEVICE_PRIORITY_MASK = 0x3000000, HIGH_PRIORITY_MARK = 0x1000000, LOW_PRIORITY_MARK = 0x2000000;

/** Which boxes belong to this peer. Published in the cloud as the fact `boxes` by the core; their keys are the secret `boxes`. */
export interface BoxesFact {
  /** Another one whenever a box or a key has changed. */
  revision: string;
  names: string[];
}

/** A box that belongs to this peer, and the key that only the two know. */
export interface BoxKey {
  name: string;
  /** Base64 of 32 random bytes. */
  key: string;
  /** The one key of before there was one per box: several boxes may have it, and come without saying who they are. */
  former?: boolean;
  /** When it was added, milliseconds since the epoch; absent for the former key. */
  addedAtMs?: number;
}

/**
 * The boxes of this peer by its secret `boxes`; a peer of before there was one has a single box, by its secret `psk`.
 *
 * @throws OtbError `secret-missing` when there is neither
 */
export function readBoxes(secret: (name: string) => string): BoxKey[] {
  try {
    return JSON.parse(secret("boxes"));
  } catch (error) {
    if (!(error instanceof OtbError) || error.code !== "secret-missing") throw error;
    return [{ name: "box", key: secret("psk"), former: true }];
  }
}

/**
 * The bytes of a key that is stored as base64, like the secret `psk`; `name` says which one is refused.
 *
 * @throws OtbError `key-invalid`; the key itself is never repeated
 */
export function readKey(text: string, name: string): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  try {
    bytes = Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
  } catch {
    // Refused below.
  }
  // Sixteen different bytes among 32: no random key has fewer, every typed phrase and pattern does.
  if (bytes?.length === 32 && new Set(bytes).size >= 16) return bytes;
  throw new OtbError(
    "key-invalid",
    `Cannot use ${name} as it must be 32 random bytes in base64`,
    "On the peer: otb peer box code NAME, or add; on the box: otb peer join -",
  );
}

/** What is known of this machine's clock. Published as the fact `clock`. */
export interface ClockFact {
  /** `set`: servers agree with it to 10 s; `wrong`: they do not, or it is before this software was made. */
  state: "set" | "unknown" | "wrong";
  /** What must be added to it, in milliseconds, as last seen. */
  offsetMs?: number;
  /** Who said so, for a person. */
  source?: string;
}

/** How new TCP connections of devices go to the peer. Published as the fact `tcp-way` by who intercepts them. */
export interface TcpWayFact {
  /** `tunnel` while the proxy is out of order and the tunnel is not. */
  way: "proxy" | "tunnel";
  /** The peer's proxy takes connections; who is intercepted now is served by it. */
  isTaking: boolean;
}

/** Where this box's own plugins reach the peer's Internet: SOCKS5 without a login, loopback only. Published as `socks5`. */
export interface Socks5Fact {
  address: string;
  port: number;
}

/** An address of the peer itself that boxes may dial through the proxy. Published in the cloud as `proxy-target/<name>`. */
export interface ProxyTargetFact {
  /** An IPv4 address. */
  host: string;
  port: number;
}

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

/**
 * What is to happen while the peer is gone. Published as the fact `when-peer-gone`; by it the core keeps devices from leaving past the
 * peer, too, when otb ends.
 */
export interface WhenPeerGoneFact {
  way: "direct" | "block";
  /** For devices that have a setting of their own, by MAC address in small letters. */
  devices?: { [mac: string]: "direct" | "block" };
}

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

/** A device on the LAN. Published as the fact `device/<mac>`, the address in small letters with colons. */
export interface DeviceFact {
  mac: string;
  /** Its own host name or the one that a person gave it; hostile input: letters, digits and dashes only. */
  name?: string;
  /** IPv4 and IPv6 addresses that it has now. */
  addresses: string[];
  /** How it is known. */
  source: "lease" | "reservation" | "seen";
  /** Milliseconds since the epoch. */
  lastSeenMs: number;
}

/** A name that a person gave to a device. Published as the fact `device-name/<mac>`. */
export interface DeviceNameFact {
  mac: string;
  name: string;
}

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
    /** For the way `link`: the firewall mark that leads there, under LINK_MARK_MASK. */
    mark: number;
  }[];
}

/** How many connections each domain rule has decided by their server's name. Published as the fact `domain-hits`. */
export interface DomainHitsFact {
  /** When the count began, milliseconds since the epoch. */
  since: number;
  rules: { [rule: string]: number };
}

/** What a plugin tells of itself for people and for `otb status`; any JSON object. */
export type Status = { [key: string]: Json };

/** A block of a plugin's panel: data, never HTML. */
export type PanelBlock =
  | { kind: "stat"; label: string; value: string | number; unit?: string }
  | { kind: "table"; columns: string[]; rows: (string | number)[][] }
  | { kind: "chart"; label: string; unit: string; series: { name: string; points: [number, number][] }[] }
  | { kind: "log"; lines: string[] }
  | { kind: "form"; path: string };

/** Time, replaceable in tests. */
export interface Clock {
  /** Milliseconds since the epoch; may jump. */
  now(): number;
  /** Milliseconds that never go back. */
  monotonicMs(): number;
}

/** Structured log of one plugin; secrets are masked before a line leaves the process. */
export interface Log {
  debug(message: string, properties?: Record<string, unknown>): void;
  info(message: string, properties?: Record<string, unknown>): void;
  warn(message: string, properties?: Record<string, unknown>): void;
  error(message: string, properties?: Record<string, unknown>): void;
}

/** A small durable store of one plugin: a value is on disk when the promise resolves. */
export interface Store {
  get<T extends Json>(key: string): Promise<T | undefined>;
  /** @throws OtbError `disk-full` and the like; the core then writes it as soon as the disk takes it */
  set(key: string, value: Json): Promise<void>;
  /** The same for what is merely good to know after a restart: never throws, and is on disk later where that is full. */
  keep(key: string, value: Json): Promise<void>;
  delete(key: string): Promise<void>;
}

/** A program as it is to run; two that are equal are the same one. */
export interface ProgramSpec {
  /** Its name, which the manifest's `programs` must have, and its arguments. */
  command: string[];
  /** What it keeps of root's rights, as capabilities(7) names them in small letters without `cap_`. */
  capabilities: string[];
  /** What it reads on its standard input, to the end. */
  input: string;
  /** It is ended by then, whatever becomes of plugin and core; seconds from its start. Not what tells two apart. */
  withinSeconds?: number;
}

/** Who is told of a program. */
export interface ProgramWatcher {
  /** Just before every start: what it reads is put in order. What it throws keeps the program from starting for now. */
  onStart?(): void;
  /** Whether a line of its error output says that it serves; absent: it does as soon as it is started. */
  isReady?(line: string): boolean;
  /** It serves, or an earlier run's was taken over and goes on. */
  onReady?(): void;
  /** One line of its error output. */
  onLine?(line: string): void;
  /** It ended by itself, or could not be started; it is started again. `reason` is its last line. */
  onEnd(reason: string): void;
}

/** A program that runs beside a plugin and outlives it as its claims do. */
export interface Program {
  /**
   * Has it run like this from now on, or not at all; resolves once it serves, or long enough after its start. One that runs like
   * this already, left by an earlier run of the plugin or the core, runs on.
   */
  apply(spec: ProgramSpec | undefined): Promise<void>;
}

/** Small facts that plugins tell each other, each under the name of who published it. */
export interface Facts {
  /**
   * Publishes or replaces one fact; `undefined` takes it back. Facts of a stopped plugin are gone; the manifest's
   * `publishes` must name the key's beginning.
   * @throws OtbError `fact-not-declared`
   */
  publish(key: string, value: Json | object | undefined): void;
  /**
   * Follows all facts whose key starts with `prefix`, of any plugin; the manifest's `reads` must name it.
   * @throws OtbError `fact-not-declared`
   */
  watch<T>(prefix: string): View<ReadonlyMap<string, T>>;
}

/** What the core gives a running plugin. */
export interface Context<Config> {
  readonly name: string;
  readonly role: Role;
  readonly config: Config;
  /** Aborted when the plugin must stop; releases given to `defer` run right after. */
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly clock: Clock;
  readonly store: Store;
  readonly facts: Facts;
  /** On the box its links; in the cloud what the peer itself leaves by, `uplink` and `uplink6`. */
  readonly links: View<Link[]>;
  readonly network: View<Network>;
  /** Own directory for files, readable and writable by this plugin only. */
  readonly directory: string;
  /**
   * A secret as it is now; one that changes while the plugin runs is here before the fact that says so.
   * @throws OtbError `secret-missing` when the manifest does not declare it or nobody set it.
   */
  secret(name: string): string;
  /** Registers what to undo on stop, in reverse order, also after half a start. */
  defer(release: () => void | Promise<void>): void;
  /**
   * Says everything this plugin wants of the kernel under `key`, replacing what it said before under it; resolves once applied.
   * An empty list gives it all back. Resources unchanged since the last call are not touched.
   * @throws OtbError `claim-conflict`, `claim-not-declared`, `apply-failed`
   */
  claim(key: string, resources: Resource[]): Promise<void>;
  /**
   * A program under a name of its own: small letters, digits, dashes. It is started again when it ends; when the plugin
   * crashes it runs on until the next run says what it wants, and is ended when the plugin stops or stays away.
   */
  program(key: string, watcher: ProgramWatcher): Program;
  publishStatus(status: Status): void;
  readonly health: { raise(condition: HealthCondition): void; clear(code: string): void };
}

/** One declaration that is a CLI verb, a web button and an RPC call. */
export interface Action {
  summary: string;
  /** zod schema of the arguments; absent when there are none. */
  args?: z.ZodMiniType;
  run(args: unknown): Json | Promise<Json>;
}

/** A plugin module's default export. */
export interface Plugin<Config> {
  /** One strict schema: validation, defaults, docs, web form and CLI flags come from it. Every field has a default. */
  config: z.ZodMiniType<Config>;
  /** Pure check of settings against the world; schema errors are found before. */
  check?(next: Config, world: World): Problem[];
  /** Resolves when ready to serve. */
  start(ctx: Context<Config>): Promise<void> | void;
  /** Takes new settings without a restart; absent, or when it answers false, the core restarts the plugin. */
  reload?(next: Config): Promise<void | false> | void | false;
  actions?: Record<string, Action>;
  panel?(status: Status): PanelBlock[];
}

/** Types a plugin module: `export default definePlugin({ config, start })`. */
export function definePlugin<Config>(plugin: Plugin<Config>): Plugin<Config> {
  return plugin;
}
