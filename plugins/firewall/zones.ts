// Which interface is in which zone. Pure.
import ipaddr from "ipaddr.js";
import { type InterfaceFact, type Link, type Network, OtbError } from "@otb/plugin";

/** What the zones follow from. */
export interface World {
  network: Network;
  links: Link[];
  interfaces: InterfaceFact[];
  /** Interfaces that a person trusts. */
  trusted: string[];
}

/** The machine's interfaces by zone; what is in none is a port that nobody said anything about. */
export interface Zones {
  lan?: {
    interface: string;
    /**
     * Sources of devices, where a link lies on the LAN's own wire: what a modem passes on from the Internet comes in by the
     * LAN's interface there. Undefined where the LAN has an interface to itself.
     */
    devices?: { 4: string[]; 6: string[] };
  };
  links: string[];
  /** Networks that this machine made itself, for containers and VPNs, and what a person trusts: let through as without otb. */
  open: string[];
  /** Bridges in no zone: what is passed on within one is for its stations (br_netfilter shows it to the firewall). */
  bridges: string[];
}

/** Where devices on a wire shared with modems come from (RFC 1918, RFC 3927, RFC 4193, RFC 4291), beside the LAN's own subnet. */
const PRIVATE = {
  4: ["0.0.0.0/32", "10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"],
  6: ["::/128", "fc00::/7", "fe80::/10"],
};

/** @throws OtbError `interface-unsafe` */
export function zonesOf({ network, links, interfaces, trusted }: World): Zones {
  const { lan } = network;
  const linked = [...new Set(links.map((link) => link.interface))].filter((name) => name !== lan?.interface);
  for (const name of [...lan ? [lan.interface] : [], ...linked]) requireSafe(name);
  const named = new Set([lan?.interface, ...linked]);
  const rest = interfaces.filter(({ name }) => name !== "lo" && !named.has(name) && isSafe(name));
  const own = rest.filter((device) => isOwn(device, interfaces)).map(({ name }) => name);
  return {
    lan: lan && {
      interface: lan.interface,
      devices: sharesWire(lan.interface, links, interfaces) ? devicesOf(lan, links, interfaces) : undefined,
    },
    links: linked.sort(),
    open: [...new Set([...own, ...trusted.filter((name) => !named.has(name))])].sort(),
    bridges: rest.filter(({ name, type }) =>
      type === "bridge" && !own.includes(name) && !trusted.includes(name)
    ).map(({ name }) => name).sort(),
  };
}

/**
 * A bridge without a port to the outside (containers, virtual machines) and WireGuard: somebody has set up who is there. Any
 * other kind may have anybody behind it.
 */
function isOwn({ name, type }: InterfaceFact, interfaces: InterfaceFact[]): boolean {
  if (type === "wireguard") return true;
  if (type !== "bridge") return false;
  return interfaces.every((port) => port.controller !== name || port.type === "veth" || port.type === "tun");
}

function sharesWire(lan: string, links: Link[], interfaces: InterfaceFact[]): boolean {
  return links.some((link) =>
    link.interface === lan || interfaces.some(({ name, parent }) => name === link.interface && parent === lan)
  );
}

function devicesOf(
  { interface: name, address }: { interface: string; address: string },
  links: Link[],
  interfaces: InterfaceFact[],
): { 4: string[]; 6: string[] } {
  const own = [
    address,
    ...links.flatMap(({ observed }) =>
      observed.address && observed.prefixLength ? [`${observed.address}/${observed.prefixLength}`] : []
    ),
    ...interfaces.find((device) => device.name === name)?.addresses ?? [],
    // A modem may say that half the Internet is its subnet.
  ].filter((cidr) => Number(cidr.split("/")[1]) >= (cidr.includes(":") ? 48 : 16)).map(subnet);
  const of = (family: 4 | 6) =>
    [...new Set([...PRIVATE[family], ...own.filter((range) => range.includes(":") === (family === 6))])]
      .sort();
  return { 4: of(4), 6: of(6) };
}

/** `192.168.1.2/24` to `192.168.1.0/24`. */
function subnet(cidr: string): string {
  const { IPv4, IPv6 } = ipaddr;
  const network = cidr.includes(":") ? IPv6.networkAddressFromCIDR(cidr) : IPv4.networkAddressFromCIDR(cidr);
  return `${network.toString()}/${cidr.split("/")[1]}`;
}

/** Names of interfaces reach nft's parser: what could end a string there is refused. */
function isSafe(name: string): boolean {
  return /^[A-Za-z0-9_.@-]{1,15}$/.test(name);
}

function requireSafe(name: string): void {
  if (isSafe(name)) return;
  throw new OtbError(
    "interface-unsafe",
    `Cannot write rules for an interface as its name must have plain characters: current value is "${name}"`,
    "ip link set dev OLD name NEW",
  );
}
