// What others are told of the search: facts for plugins, rows and conditions for people. Pure.
import {
  type DhcpServerFact,
  type HealthCondition,
  type InterfaceFact,
  type LinkFact,
  OtbError,
  type RouterAdvertisementFact,
} from "@otb/plugin";
import { linkFact } from "./links/claims.ts";
import type { Evidence, ServerSeen } from "./search/evidence.ts";
import { kindOf } from "./search/interfaces.ts";
import { type Grant, type LeaseClient, usedOf } from "./links/lease.ts";
import type { PlannedLink } from "./search/known.ts";
import { guess } from "./search/vendors.ts";

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
export function clashCondition(clashing: readonly PlannedLink[]): HealthCondition[] {
  if (clashing.length === 0) return [];
  return [{
    code: "address-clash",
    severity: "warning",
    message: `${
      clashing.map(({ name, description }) => `"${name}" (${description})`).join(", ")
    } only gives addresses that another link of this box has already, and cannot be used`,
    next: "Give that modem another subnet, or a larger range of addresses to hand out.",
  }];
}

/** Links whose modem told a mask that no home or operator has. */
export function maskCondition(
  links: readonly PlannedLink[],
  grantOf: (link: PlannedLink) => Grant | undefined,
): HealthCondition[] {
  const odd = links.flatMap((link) => {
    const { oddMask } = grantOf(link) ?? {};
    return oddMask
      ? [`"${link.name}" (${link.description}) has ${oddMask === "none" ? "none" : oddMask}`]
      : [];
  });
  if (odd.length === 0) return [];
  return [{
    code: "network-mask-odd",
    severity: "warning",
    message: `A modem tells a network mask that no home has: ${odd.join(", ")}. Only the modem itself is ` +
      "reached in clear; everything else goes through the peer as always",
    next:
      "If the modem is yours, set the mask of its LAN to 255.255.255.0; if not, look for who plays a DHCP server there.",
  }];
}

/** Tables that were full. */
export function floodConditions(evidence: Evidence): HealthCondition[] {
  const words = {
    dhcp: ["dhcp-flood", "DHCP servers"],
    ra: ["router-advertisement-flood", "IPv6 routers"],
  } as const;
  return Object.entries(words).flatMap(([kind, [code, many]]) => {
    const devices = [...evidence.floods.values()].filter((flood) => flood.kind === kind).map((flood) =>
      flood.interface
    );
    if (devices.length === 0) return [];
    return [{
      code,
      severity: "warning" as const,
      message: `So many ${many} answer on ${devices.join(", ")} that not all are noted`,
      next: "Look for a device that pretends to be many, and unplug it.",
    }];
  });
}

/** Ports where an operator's PPPoE answers: a way out that needs the person's name and password with that operator. */
export function pppoeConditions(evidence: Evidence): HealthCondition[] {
  const { concentrators } = evidence;
  if (concentrators.length === 0) return [];
  return [{
    code: "pppoe-offered",
    severity: "info",
    message: `An operator offers PPPoE on ${
      concentrators.map(({ interface: on, name, mac }) => `${on} (${name || mac})`).join(", ")
    }: it needs the user name and password that the operator gave`,
    next: "Let the modem dial itself (router mode), or set pppd up, then: otb link add NAME --interface ppp0",
  }];
}

/** Interfaces that may be ways out but are no Ethernet: there is nobody to ask by DHCP or ARP. PPP, and raw mobile links. */
export function oddConditions(
  devices: readonly InterfaceFact[],
  used: ReadonlySet<string>,
): HealthCondition[] {
  const PPP = 512, NONE = 65534, RAW = 519;
  const odd = devices.filter(({ name, hardware, driver }) =>
    !used.has(name) && (hardware === PPP || driver !== undefined && (hardware === NONE || hardware === RAW))
  );
  if (odd.length === 0) return [];
  return [{
    code: "interface-needs-settings",
    severity: "info",
    message: `${
      odd.map((device) => `${device.name} (${kindOf(device)})`).join(", ")
    } may be a way to the Internet, but has no gateway that could be found`,
    next: "otb link add NAME --interface IF --address ADDRESS --gateway IP",
  }];
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
