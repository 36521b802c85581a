// What otb can want of the kernel, as plain data. Pure: imported by plan, by plugins (as types) and by both OS layers.

/** Address family: 4 or 6. */
export type Family = 4 | 6;

/** An address on an interface (ip-address(8)). */
export interface AddressResource {
  kind: "address";
  interface: string;
  /** CIDR, for example `192.168.10.2/24`. */
  cidr: string;
  /** Asks the kernel for no route to the subnet; an address that is there already is taken as it is. */
  noPrefixRoute?: boolean;
}

/** A permanent entry of the neighbour table (ip-neighbour(8)): which station has an address on that interface. */
export interface NeighbourResource {
  kind: "neighbour";
  interface: string;
  address: string;
  /** Six bytes in hexadecimal with colons. */
  mac: string;
}

/** A route (ip-route(8)); otb's own are marked with its routing protocol number. */
export interface RouteResource {
  kind: "route";
  family: Family;
  /** Numeric table; 254 is main, 255 local. */
  table: number;
  /** `default` or a CIDR. */
  to: string;
  type?: "unicast" | "local" | "unreachable" | "blackhole";
  via?: string;
  interface?: string;
  source?: string;
  metric?: number;
  /** Congestion control for TCP (and MPTCP subflows) over this route. */
  congestion?: string;
  mtu?: number;
}

/** A policy rule (ip-rule(8)). */
export interface RuleResource {
  kind: "rule";
  family: Family;
  priority: number;
  from?: string;
  to?: string;
  inputInterface?: string;
  /** `value/mask` or `value`, for example `0x1/0xff`. */
  mark?: string;
  table: number;
}

/** An MPTCP endpoint (ip-mptcp(8)). */
export interface MptcpEndpointResource {
  kind: "mptcpEndpoint";
  /** 1 to 255, unique in the namespace. */
  id: number;
  address: string;
  interface: string;
  flags: ("subflow" | "signal" | "backup" | "fullmesh")[];
  /** A new number deletes and adds the endpoint again, which makes the kernel create its subflows anew. */
  generation?: number;
}

/** Limits of the in-kernel MPTCP path manager (ip-mptcp(8)); one per namespace, restored on release. */
export interface MptcpLimitsResource {
  kind: "mptcpLimits";
  subflows: number;
  addAddrAccepted: number;
}

/** A kernel setting (sysctl(8)); the value found before is restored on release. */
export interface SysctlResource {
  kind: "sysctl";
  /** Path under /proc/sys with slashes, for example `net/ipv4/tcp_slow_start_after_idle`. */
  name: string;
  value: string;
  /** Where the kernel may lack it, its absence is no failure. */
  optional?: boolean;
}

/** A whole nftables table (nft(8)), replaced atomically when its body changes. */
export interface NftTableResource {
  kind: "nftTable";
  /** `netdev` sees what an interface receives before anybody else does. */
  family: "ip" | "ip6" | "inet" | "netdev";
  /** Must start with `otb_`. */
  name: string;
  /** What stands between the braces of `table <family> <name> { ... }`, in nft syntax. */
  body: string;
}

/** A queueing discipline at an interface's root or ingress with its classes and filters (tc(8)). */
export interface QdiscResource {
  kind: "qdisc";
  interface: string;
  parent: "root" | "ingress";
  /** Words after `tc qdisc add dev IF root|ingress handle ...`, for example `["tbf", "rate", "5mbit", ...]`. */
  spec: string[];
  /** Further `tc` command lines without `tc`, run in order after the qdisc; they vanish with it. Rates change in place. */
  then?: string[][];
}

/** A virtual interface that otb creates (ip-link(8)). */
export interface InterfaceResource {
  kind: "interface";
  name: string;
  type: "ifb" | "dummy" | "macvlan";
  /** For macvlan: the interface below. */
  parent?: string;
  /** For macvlan: its own address; the kernel makes one up when absent. */
  mac?: string;
  up: boolean;
}

/** Whether an interface that is there is switched on (ip-link(8)); the state found before is restored on release. */
export interface InterfaceStateResource {
  kind: "interfaceState";
  interface: string;
  up: boolean;
}

/** Everything a plugin may claim. */
export type Resource =
  | AddressResource
  | NeighbourResource
  | RouteResource
  | RuleResource
  | MptcpEndpointResource
  | MptcpLimitsResource
  | SysctlResource
  | NftTableResource
  | QdiscResource
  | InterfaceResource
  | InterfaceStateResource;

export type ResourceKind = Resource["kind"];

/**
 * What makes two resources the same thing in the kernel: equal identities with different content are a change, equal
 * identities of two owners are a conflict.
 */
export function identity(resource: Resource): string {
  switch (resource.kind) {
    case "address":
      return `address ${resource.interface} ${resource.cidr}`;
    case "neighbour":
      return `neighbour ${resource.interface} ${resource.address}`;
    case "route":
      return `route ${resource.family} ${resource.table} ${resource.to} ${resource.metric ?? 0}`;
    case "rule":
      return `rule ${resource.family} ${resource.priority} ${resource.from ?? ""} ${resource.to ?? ""} ${
        resource.inputInterface ?? ""
      } ${resource.mark ?? ""}`;
    case "mptcpEndpoint":
      return `mptcpEndpoint ${resource.id}`;
    case "mptcpLimits":
      return "mptcpLimits";
    case "sysctl":
      return `sysctl ${resource.name}`;
    case "nftTable":
      return `nftTable ${resource.family} ${resource.name}`;
    case "qdisc":
      return `qdisc ${resource.interface} ${resource.parent}`;
    case "interface":
      return `interface ${resource.name}`;
    case "interfaceState":
      return `interfaceState ${resource.interface}`;
  }
}

/**
 * What makes two further lines of a qdisc the same thing: a class and its parent, the place of a child qdisc. A filter has no
 * name: it is only ever itself.
 */
export function lineIdentity(line: string[]): string {
  const after = (word: string) => line[line.indexOf(word) + 1] ?? "";
  switch (line[0]) {
    case "class":
      return `class ${after("parent")} ${after("classid")}`;
    case "qdisc":
      return `qdisc ${after("parent")}`;
    default:
      return line.join(" ");
  }
}

/** Whether a resource leaves, or loses its value, with that interface. */
export function needs(resource: Resource, device: string): boolean {
  switch (resource.kind) {
    case "sysctl":
      return resource.name.split("/").includes(device);
    case "nftTable":
      return resource.body.includes(`"${device}"`);
    case "interface":
      return resource.parent === device;
    case "interfaceState":
      return false;
    default:
      return "interface" in resource && resource.interface === device;
  }
}
