// What the network layer asks of an operating system, and what it learns from it, as plain data.
import { OtbError } from "../contract/mod.ts";
import type {
  Family,
  MptcpEndpointResource,
  MptcpLimitsResource,
  NeighbourResource,
  NftTableResource,
  QdiscResource,
  Resource,
  RouteResource,
  RuleResource,
} from "./model.ts";

/** Routing protocol number that marks routes and rules as made by otb (free in /etc/iproute2/rt_protos). */
export const OTB_PROTOCOL = 157;

/** A network device with its addresses. */
export interface ObservedInterface {
  name: string;
  /** Kernel index; a device that was pulled and plugged in again has a new one. */
  index: number;
  mac?: string;
  mtu: number;
  /** Administratively up. */
  up: boolean;
  /** The lower layer works: cable plugged, association done. */
  carrier: boolean;
  addresses: {
    family: Family;
    address: string;
    prefixLength: number;
    /** The kernel made no route to the subnet for it. */
    noPrefixRoute?: boolean;
  }[];
  /** Device kind of virtual interfaces, for example `veth`, `ifb`, `macvlan`. */
  type?: string;
  /** Name of the device below, where it is in the same namespace. */
  parent?: string;
  /** The bridge or bond that it is a port of. */
  controller?: string;
  /** Kind of hardware as ARP numbers it (linux/if_arp.h): 1 Ethernet, 512 PPP. */
  hardware: number;
  /** Kernel driver of a physical device, for example `r8169` or `rndis_host`. */
  driver?: string;
}

/** A route as the kernel has it. */
export interface ObservedRoute extends RouteResource {
  /** Who made it, as a routing protocol number: 2 kernel, 157 otb. */
  protocol: number;
  /** Names a property our model cannot say (several next hops, `onlink`): such a route never equals a desired one. */
  unsupported?: string;
}

/** A policy rule as the kernel has it; rules with selectors our model lacks are left out, as they never clash. */
export interface ObservedRule extends RuleResource {
  protocol: number;
}

/** A permanent neighbour as the kernel has it; those that it learned by itself are left out. */
export interface ObservedNeighbour extends NeighbourResource {
  protocol: number;
}

/** An nftables table that is there; the hash is over its stateless text, with the elements of those of our sets that nobody fills. */
export type ObservedNftTable = Pick<NftTableResource, "family" | "name"> & { hash: string };

/**
 * A queueing discipline that somebody set; the kernel's default ones (handle 0:) are left out. The hash is over its settings, and
 * over what hangs below it where it was asked about.
 */
export type ObservedQdisc = Pick<QdiscResource, "interface" | "parent"> & { type: string; hash: string };

/** The part of the kernel's state that otb looks at. */
export interface Observed {
  interfaces: ObservedInterface[];
  routes: ObservedRoute[];
  rules: ObservedRule[];
  neighbours: ObservedNeighbour[];
  mptcpEndpoints: MptcpEndpointResource[];
  /** Absent where the kernel has no MPTCP. */
  mptcpLimits?: MptcpLimitsResource;
  nftTables: ObservedNftTable[];
  qdiscs: ObservedQdisc[];
  /** Values of the settings asked for; one that the kernel lacks is absent. */
  sysctls: { [name: string]: string };
}

/** One change of the kernel's state. `replace` has `was` where the kernel needs to know what it takes away. */
export interface Operation {
  verb: "add" | "replace" | "delete";
  resource: Resource;
  was?: Resource;
}

/** Names the operation of a batch that the kernel refused; those before it are done, those after it are not. */
export class ApplyError extends OtbError {
  /** `index` counts within the operations handed to `apply`; `command` is what was run; `text` the kernel's answer. */
  constructor(readonly index: number, readonly command: string, readonly text: string) {
    super(
      "apply-failed",
      `Cannot run "${command}" as the kernel must accept it: current value is "${text.trim()}"`,
    );
  }
}

/** Kinds whose change changes nothing of another kind, so that they can be read alone. */
export const STANDALONE_KINDS = [
  ...["mptcpEndpoint", "mptcpLimits", "neighbour", "nftTable", "qdisc", "route", "rule", "sysctl"] as const,
];

/** Those of them of which the kernel tells nothing when they change. */
export const SILENT_KINDS = ["mptcpEndpoint", "mptcpLimits", "sysctl"] as const;

/** What is read anew, and what was read before. */
export interface Reread {
  kinds: ReadonlySet<typeof STANDALONE_KINDS[number]>;
  former: Observed;
}

/** What changed: some kinds of resources, or anything. */
export interface Change {
  /** Absent: anything may have. */
  kinds?: Reread["kinds"];
  /** Numbers of interfaces that came, went, or were switched on or off. */
  flapped: ReadonlySet<number>;
}

/** Anything may have changed. */
export const ANYTHING: Change = { flapped: new Set() };

/** An operating system: Linux, or the one in memory for tests. */
export interface Os {
  /**
   * Reads the kernel's state; `about` names what is of interest: settings, and qdiscs with what hangs below them. With `only` the
   * resources of some kinds are read anew and everything else is as it was.
   */
  observe(about?: Resource[], only?: Reread): Promise<Observed>;
  /**
   * Does the operations in order. Adding what is there and deleting what is gone is success.
   * @throws ApplyError
   */
  apply(operations: Operation[]): Promise<void>;
  /**
   * What the kernel told of changes since it was asked last, no kinds where nothing changed but perhaps what it never tells of
   * (SILENT_KINDS); undefined while nobody watches. What was taken here `watch` does not call back for.
   */
  takeChange(): Change | undefined;
  /** Calls back, debounced, after anything changed that was asked about, until aborted; resolves once all is closed. */
  watch(onChange: (change: Change) => void, signal: AbortSignal): Promise<void>;
}
