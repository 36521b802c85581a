// From what is configured and what the kernel shows to the links as everybody sees them. Pure.
import type { Link, Tier } from "../plugin.ts";

/** Settings of one link, as in the `network` section of the configuration. */
export interface LinkSettings {
  interface: string;
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

/** Joins settings with what is there; a link without an own address or gateway takes what its interface has. */
export function observeLinks(settings: { [name: string]: LinkSettings }, observed: ObservedLinks): Link[] {
  return Object.entries(settings).map(([name, link]) => ({
    name,
    interface: link.interface,
    tier: link.tier,
    downMbps: link.downMbps,
    upMbps: link.upMbps,
    observed: observeLink(link, observed),
  }));
}

function observeLink(link: LinkSettings, { interfaces, routes }: ObservedLinks): Link["observed"] {
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
