// What others are told of the search: facts for plugins, rows and conditions for people. Pure.
import {
  type DhcpServerFact,
  type InterfaceFact,
  type LinkFact,
  OtbError,
  type Raised,
  type RouterAdvertisementFact,
} from "@otb/plugin";
import { linkFact } from "./links/claims.ts";
import type { Evidence, ServerSeen } from "./search/evidence.ts";
import { kindOf } from "./search/interfaces.ts";
import { type Grant, type LeaseClient, usedOf } from "./links/lease.ts";
import type { PlannedLink } from "./search/known.ts";
import { guess } from "./search/vendors.ts";
import { type Words, words } from "./texts/mod.ts";

/** What a report is made of. */
export interface Findings {
  links: readonly PlannedLink[];
  evidence: Evidence;
  lan: string | undefined;
  grantOf(link: PlannedLink): Grant | undefined;
  /** From the search's own clock to milliseconds since the epoch. */
  epochOf(seenMs: number): number;
}

/** What is told: links by name, servers and routers by MAC address. */
export interface Told {
  links: Map<string, LinkFact>;
  servers: Map<string, DhcpServerFact>;
  routers: Map<string, RouterAdvertisementFact>;
}

/** Everything to publish. */
export function facts({ links, evidence, lan, grantOf, epochOf }: Findings): Told {
  const found: Told = { links: new Map(), servers: new Map(), routers: new Map() };
  for (const link of links) {
    const grant = grantOf(link);
    if (grant || link.lanAddress || link.away) found.links.set(link.name, linkFact(link, grant));
  }
  // Of several with one Ethernet address, one on the LAN, where devices hear it; else the one seen last.
  const isOnLan = ({ interface: on }: ServerSeen) => Number(on === lan);
  for (
    const server of evidence.servers.sort((a, b) => isOnLan(a) - isOnLan(b) || a.lastSeenMs - b.lastSeenMs)
  ) {
    found.servers.set(server.mac, serverFact(server, lan, epochOf));
  }
  for (const { lastSeenMs, ...router } of evidence.routers) {
    found.routers.set(router.mac, {
      ...router,
      lastSeenMs: epochOf(lastSeenMs),
      onLan: router.interface === lan,
    });
  }
  return found;
}

/** One server as others see it. */
export function serverFact(
  { mac, server, interface: on, router, network, lastSeenMs, offeredMs, hints }: ServerSeen,
  lan: string | undefined,
  epochOf: (seenMs: number) => number,
): DhcpServerFact {
  return {
    ...{ mac, server, interface: on, router, network, lastSeenMs: epochOf(lastSeenMs) },
    offeredMs: offeredMs === undefined ? undefined : epochOf(offeredMs),
    vendor: guess(mac, hints).label,
    onLan: on === lan,
  };
}

/** One line a modem, for the status and the page. */
export function modemRows(
  links: readonly PlannedLink[],
  clientOf: (link: PlannedLink) => LeaseClient | undefined,
) {
  return links.map((link) => {
    const { name, mac, interface: on, gateway, description, present, lanAddress } = link;
    const client = clientOf(link);
    return {
      ...{ name, mac, interface: on, gateway, description },
      address: lanAddress?.split("/")[0] ?? (client?.held ? usedOf(client.held) : ""),
      state: !present
        ? "out of sight"
        : lanAddress
        ? "on the LAN"
        : client?.source ?? "asking for an address",
    };
  });
}

/** Links whose modem has no address for them that is not in use already. */
export function clashCondition(clashing: readonly PlannedLink[]): Raised<Words>[] {
  if (clashing.length === 0) return [];
  return [["address-clash", {
    modems: clashing.map(({ name, description }) => words.phrase("described", { name, description })),
  }]];
}

/** Links whose modem told a mask that no home or operator has. */
export function maskCondition(
  links: readonly PlannedLink[],
  grantOf: (link: PlannedLink) => Grant | undefined,
): Raised<Words>[] {
  const odd = links.flatMap((link) => {
    const { name, description } = link;
    const { oddMask: mask } = grantOf(link) ?? {};
    return mask === undefined
      ? []
      : mask === "none"
      ? [words.phrase("no-mask", { name, description })]
      : [words.phrase("has-mask", { name, description, mask })];
  });
  if (odd.length === 0) return [];
  return [["network-mask-odd", { odd }]];
}

/** Tables that were full. */
export function floodConditions(evidence: Evidence): Raised<Words>[] {
  const codes = { dhcp: "dhcp-flood", ra: "router-advertisement-flood" } as const;
  return (["dhcp", "ra"] as const).flatMap((kind): Raised<Words>[] => {
    const interfaces = [...evidence.floods.values()].filter((flood) => flood.kind === kind)
      .map((flood) => flood.interface);
    return interfaces.length === 0 ? [] : [[codes[kind], { interfaces }]];
  });
}

/** Ports where an operator's PPPoE answers: a way out that needs the person's name and password with that operator. */
export function pppoeConditions(evidence: Evidence): Raised<Words>[] {
  const { concentrators } = evidence;
  if (concentrators.length === 0) return [];
  const ports = concentrators.map(({ interface: port, name, mac }) =>
    words.phrase("on-port", { port, name: name || mac })
  );
  return [["pppoe-offered", { ports }]];
}

/** Interfaces that may be ways out but are no Ethernet: there is nobody to ask by DHCP or ARP. PPP, and raw mobile links. */
export function oddConditions(
  devices: readonly InterfaceFact[],
  used: ReadonlySet<string>,
): Raised<Words>[] {
  const PPP = 512, NONE = 65534, RAW = 519;
  const odd = devices.filter(({ name, hardware, driver }) =>
    !used.has(name) && (hardware === PPP || driver !== undefined && (hardware === NONE || hardware === RAW))
  );
  if (odd.length === 0) return [];
  const interfaces = odd.map((device) =>
    words.phrase("is", { interface: device.name, kind: kindOf(device) })
  );
  return [["interface-needs-settings", { interfaces }]];
}

/** Why a link is not forgotten: there is none, or it would be found again at once. */
export function cannotForget(name: string, link: PlannedLink | undefined): OtbError {
  return link
    ? new OtbError(
      "link-there",
      `Cannot forget link "${name}" as its modem must be gone: current value is "${link.description} on ${link.interface}"`,
      `Unplug it, leave it unused (otb link set ${name} --tier never), or have it ignored: ` +
        `otb config set wan-discovery.modems.${link.mac}.ignore=true`,
    )
    : new OtbError(
      "link-unknown",
      `Cannot forget a link as it must be a found one: current value is "${name}"`,
      "otb link list",
    );
}
