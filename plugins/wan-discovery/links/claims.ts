// From a planned link with its address to what it wants of the kernel and to the fact that others read. Pure.
import {
  canonicalRange,
  type Lan,
  type Link,
  type LinkFact,
  onLinkOf,
  overlaps,
  type Resource,
  ROUTING_TABLE,
} from "@otb/plugin";
import { type Grant, usedOf } from "./lease.ts";
import type { Configured, PlannedLink } from "../search/known.ts";

/** What nft takes as a name between quotes. */
const SAFE_NAME = /^[\w.-]{1,15}$/;
/** Behind every route to a subnet that the kernel or a person made: a modem's subnet never hides the LAN's. */
const METRIC = 5000;

/** A link as others see it. */
export function linkFact(
  { device, gateway, lanAddress, description, away }: PlannedLink,
  grant?: Grant,
): LinkFact {
  const address = lanAddress ?? (grant && `${usedOf(grant)}/${grant.prefixLength}`);
  const resolvers = grant && grant.dns.length > 0 ? grant.dns : undefined;
  return { interface: device, address, gateway, description, resolvers, away };
}

/** The links that a person set by hand, whatever their names: their ports are left to them. */
export function configuredLinks(links: readonly Link[]): Configured[] {
  return links.filter(({ found }) => !found)
    .map(({ name, interface: on, observed }) => ({ name, interface: on, gateway: observed.gateway }));
}

/** Everything that is wanted of the kernel, by the claim's key. */
export function allResources(
  ports: readonly { name: string; mac: string }[],
  lan: Lan | undefined,
  planned: readonly PlannedLink[],
  grantOf: (link: PlannedLink) => Grant | undefined,
): Map<string, Resource[]> {
  const links = planned.filter(({ away }) => away === undefined);
  return new Map([
    // Ports that a person named are wanted on by the core too: none goes off in between when one of both lets go.
    ["ports", portResources(ports.map(({ name }) => name), links)],
    ["lan", lanResources(ports.find(({ name }) => name === lan?.interface), links, grantOf)],
    ...links.map((link) => [`link-${link.slot}`, linkResources(link, grantOf(link), lan)] as const),
  ]);
}

/** Everything that one link wants of the kernel. */
export function linkResources(link: PlannedLink, grant: Grant | undefined, lan?: Lan): Resource[] {
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
  const { prefixLength } = grant, address = usedOf(grant);
  const route = {
    kind: "route",
    family: 4,
    table: ROUTING_TABLE.main,
    interface: device,
    source: address,
  } as const;
  // Two modems may have one subnet, and one may have the LAN's: the kernel's own route would be ambiguous.
  resources.push({
    kind: "address",
    interface: device,
    cidr: `${address}/${prefixLength}`,
    noPrefixRoute: true,
  });
  const routes = onLinkOf({ address, prefixLength, gateway }).map((to) => besideLan(to, lan));
  for (const to of new Set(routes)) resources.push({ ...route, to, metric: METRIC + slot });
  if (grant.local) resources.push(...translation(link, grant.address));
  return resources;
}

/**
 * Another link has the address that this modem gave: what leaves here does so from that address, whatever this box uses, and who
 * asks for it by ARP is answered, as it is here too. The kernel tracks connections, so that errors about packets find them as well.
 */
function translation({ device, slot }: PlannedLink, given: string): Resource[] {
  if (!SAFE_NAME.test(device)) return [];
  return [
    { kind: "address", interface: device, cidr: `${given}/32`, noPrefixRoute: true },
    {
      kind: "nftTable",
      family: "ip",
      name: `otb_wan_link${slot}`,
      // Before whoever else translates: the first one decides.
      body: `
  chain to_modem {
    type nat hook postrouting priority srcnat - 10; policy accept;
    oifname "${device}" ip saddr != ${given} snat to ${given}
  }
`,
    },
  ];
}

/** What lies within the LAN's network is routed as that, behind the LAN's own route: a part of it would hide devices. */
function besideLan(to: string, lan: Lan | undefined): string {
  if (!lan || !overlaps(to, lan.address)) return to;
  const own = canonicalRange(lan.address)!;
  return Number(own.split("/")[1]) < Number(to.split("/")[1]) ? own : to;
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

/**
 * Devices that have an address of a modem's network have the link's address there as their router, and that is a macvlan's: what
 * they send would come in by the link, as if from the Internet, and be neither carried nor let through. So it is handed to the
 * LAN's interface before the macvlan sees it. What is for the link itself stays the link's, and so does all that its modem sends.
 */
export function lanResources(
  lan: { name: string; mac: string } | undefined,
  links: readonly PlannedLink[],
  grantOf: (link: PlannedLink) => Grant | undefined,
): Resource[] {
  if (!lan || !SAFE_NAME.test(lan.name)) return [];
  const rules = links.flatMap((link) => {
    const grant = grantOf(link);
    if (!grant || !link.onLan || link.device === link.interface) return [];
    return [
      `ether type ip ether daddr ${link.deviceMac} ether saddr != ${link.mac} ip daddr != ${usedOf(grant)} ` +
      `meta pkttype set host ether daddr set ${lan.mac}`,
    ];
  });
  if (rules.length === 0) return [];
  return [{
    kind: "nftTable",
    family: "netdev",
    name: "otb_wan_discovery",
    body: `
  chain from_devices {
    type filter hook ingress device "${lan.name}" priority -500; policy accept;
    ${rules.join("\n    ")}
  }
`,
  }];
}

/** Linux answers for an address on any interface; a modem would then send one link's packets to another's device. */
function onlyOwnArp(device: string): Resource {
  return { kind: "sysctl", name: `net/ipv4/conf/${device}/arp_ignore`, value: "1" };
}
