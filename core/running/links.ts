// From what is configured, what was found and what the kernel shows to the links as everybody sees them. Pure.
import type { Link, LinkFact, LinkHealthFact, Tier } from "../contract/mod.ts";

/** Settings of one link, as in the `network` section of the configuration; without an interface they are about a found link. */
export interface LinkSettings {
  interface?: string;
  /** CIDR */
  address?: string;
  gateway?: string;
  tier: Tier;
  downMbps?: number;
  upMbps?: number;
}

/** The part of the observed kernel state that links come from. */
export interface ObservedLinks {
  interfaces: {
    name: string;
    mtu: number;
    up: boolean;
    carrier: boolean;
    addresses: { family: 4 | 6; address: string; prefixLength: number }[];
  }[];
  routes: { family: 4 | 6; table: number; to: string; via?: string; interface?: string }[];
}

const MAIN_TABLE = 254;

/** What plugins found out about links, by name. */
export interface FoundLinks {
  links: ReadonlyMap<string, LinkFact>;
  health: ReadonlyMap<string, LinkHealthFact>;
}

/**
 * Joins settings with what was found and what is there; a link without an own address or gateway takes what its interface has.
 *
 * A link set by hand, with its interface, wins over what was found under its name or behind the same modem, at once: who found it
 * lets go of it later. Settings without an interface are about a found link, and none while nobody found it.
 */
export function observeLinks(
  settings: { [name: string]: LinkSettings },
  observed: ObservedLinks,
  found: FoundLinks = { links: new Map(), health: new Map() },
): Link[] {
  const byHand = Object.values(settings).filter((link) => link.interface !== undefined);
  const names = new Set([...Object.keys(settings), ...found.links.keys()]);
  return [...names].flatMap((name): Link[] => {
    const fact = settings[name]?.interface === undefined ? found.links.get(name) : undefined;
    if (fact && byHand.some((link) => isSameLink(link, fact))) return [];
    const { interface: device, address, gateway, away, ...wished } = { ...fact, ...settings[name] };
    if (device === undefined) return [];
    const { tier = "primary", downMbps, upMbps } = wished as Partial<LinkSettings>;
    return [{
      name,
      interface: device,
      found: settings[name]?.interface === undefined,
      tier,
      downMbps,
      upMbps,
      observed: away === undefined
        ? observeLink({ interface: device, address, gateway }, observed)
        : { state: "down", reason: away, gateway },
      health: found.health.get(name),
    }];
  });
}

/** Whether what was found is what a person set: one interface and modem, or one own address. */
function isSameLink(byHand: LinkSettings, found: LinkFact): boolean {
  const host = (cidr: string | undefined) => cidr?.split("/")[0];
  return byHand.address !== undefined && host(byHand.address) === host(found.address) ||
    byHand.interface === found.interface &&
      (byHand.gateway === undefined || byHand.gateway === found.gateway);
}

/** What a peer has for links: its ways out by the system's default routes, `uplink` for IPv4 and `uplink6`. */
export function observeUplinks({ interfaces, routes }: ObservedLinks): Link[] {
  return ([4, 6] as const).flatMap((family): Link[] => {
    const route = routes.find((route) =>
      route.family === family && route.table === MAIN_TABLE && route.to === "default" &&
      route.via !== undefined
    );
    const device = interfaces.find(({ name }) => name === route?.interface);
    if (!route || !device) return [];
    const address = device.addresses.find((address) => address.family === family);
    return [{
      name: family === 4 ? "uplink" : "uplink6",
      interface: device.name,
      found: true,
      tier: "primary",
      observed: {
        state: "up",
        address: address?.address,
        prefixLength: address?.prefixLength,
        gateway: route.via,
        mtu: device.mtu,
      },
    }];
  });
}

function observeLink(link: LinkFact, { interfaces, routes }: ObservedLinks): Link["observed"] {
  const device = interfaces.find(({ name }) => name === link.interface);
  if (!device) return { state: "missing", reason: `interface ${link.interface} is not there` };
  const wanted = link.address?.split("/")[0];
  const address = device.addresses.find((candidate) =>
    wanted ? candidate.address === wanted : candidate.family === 4
  );
  const gateway = link.gateway ??
    routes.find((route) =>
      route.table === MAIN_TABLE && route.to === "default" && route.interface === link.interface &&
      route.family === 4
    )?.via;
  const seen = {
    mtu: device.mtu,
    address: address?.address,
    prefixLength: address?.prefixLength,
    gateway,
  };
  const missing = !device.up
    ? `interface ${link.interface} is switched off`
    : !device.carrier
    ? `interface ${link.interface} has no carrier: is the cable plugged in?`
    : !address
    ? `interface ${link.interface} has no address`
    : !gateway
    ? `no gateway is known on interface ${link.interface}`
    : undefined;
  return missing ? { state: "down", reason: missing, ...seen } : { state: "up", ...seen };
}
