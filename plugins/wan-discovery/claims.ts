// From a planned link with its address to what it wants of the kernel and to the fact that others read. Pure.
import type { LinkFact, Resource } from "../../core/plugin.ts";
import { inside, network } from "./addresses.ts";
import type { Grant } from "./lease.ts";
import type { PlannedLink } from "./planner.ts";

const MAIN_TABLE = 254;
/** Behind every route to a subnet that the kernel or a person made: a modem's subnet never hides the LAN's. */
const METRIC = 5000;

/** A link as others see it. */
export function linkFact({ device, gateway, lanAddress, description }: PlannedLink, grant?: Grant): LinkFact {
  const address = lanAddress ?? (grant && `${grant.address}/${grant.prefixLength}`);
  return { interface: device, address, gateway, description };
}

/** Everything that one link wants of the kernel. */
export function linkResources(link: PlannedLink, grant: Grant | undefined): Resource[] {
  const { interface: on, device, deviceMac, gateway, mac, slot, fixed, lanAddress } = link;
  const resources: Resource[] = [];
  if (device !== on) {
    resources.push(
      { kind: "interface", name: device, type: "macvlan", parent: on, mac: deviceMac, up: true },
      // Found for IPv4; an advertised route would be a way around the proxy.
      { kind: "sysctl", name: `net/ipv6/conf/${device}/disable_ipv6`, value: "1", optional: true },
      onlyOwnArp(device),
    );
  }
  if (fixed) resources.push({ kind: "neighbour", interface: device, address: gateway, mac });
  if (!grant || lanAddress) return resources;
  const { address, prefixLength } = grant;
  const cidr = `${address}/${prefixLength}`;
  const route = { kind: "route", family: 4, table: MAIN_TABLE, interface: device, source: address } as const;
  // Two modems may have one subnet, and one may have the LAN's: the kernel's own route would be ambiguous.
  resources.push({ kind: "address", interface: device, cidr, noPrefixRoute: true });
  if (prefixLength < 32) resources.push({ ...route, to: network(cidr), metric: METRIC + slot });
  // A modem that hands out single addresses, its own outside of them.
  if (!inside(gateway, cidr)) resources.push({ ...route, to: `${gateway}/32`, metric: METRIC + slot });
  return resources;
}

/** What the interfaces below want: searched ones switched on, and where macvlans share one, no answers for their addresses. */
export function portResources(ports: readonly string[], links: readonly PlannedLink[]): Resource[] {
  const shared = new Set(
    links.filter(({ device, interface: on }) => device !== on).map((link) => link.interface),
  );
  return [
    ...ports.map((name): Resource => ({ kind: "interfaceState", interface: name, up: true })),
    ...[...shared].map(onlyOwnArp),
  ];
}

/** Linux answers for an address on any interface; a modem would then send one link's packets to another's device. */
function onlyOwnArp(device: string): Resource {
  return { kind: "sysctl", name: `net/ipv4/conf/${device}/arp_ignore`, value: "1" };
}
