// What to serve: networks, ranges, routers and times, from the phase and from what was seen. Pure.
import {
  inRange,
  ipv4Mask,
  type Ipv4Network,
  ipv4Network,
  ipv4Number,
  ipv4Text,
  isWithin,
  type Lan,
  type Link,
  PRIVATE4,
  rangesMeet,
  rangeWithout,
  SHARED4,
} from "@otb/plugin";
import type { Config } from "./config.ts";
import type { Hold } from "./holds.ts";
import type { Server } from "./machine.ts";

/** A network that addresses are given in. */
export interface ServedNetwork {
  /** Its first address. */
  network: string;
  mask: string;
  /** The LAN's own; the others share its segment. */
  own: boolean;
  router: string;
  dns: string;
  /** First and last addresses. */
  ranges: [string, string][];
}

/** A fixed address. */
export interface Reservation {
  mac: string;
  address: string;
  name?: string;
}

/** Everything that dnsmasq is told; what is absent it does not do. */
export interface ServePlan {
  interface: string;
  /** The box's own address on the LAN. */
  address: string;
  networks: ServedNetwork[];
  leaseSeconds: number;
  /** T1 and T2 (RFC 2131 section 4.4.5); absent: half and seven eighths. */
  renewSeconds?: number;
  rebindSeconds?: number;
  reservations: Reservation[];
  /** Addresses that were seen with their owners: theirs for the asking, and nobody else's. */
  holds: Omit<Hold, "seenMs">[];
  /** Names that a person gave, by MAC address. */
  names: [mac: string, name: string][];
  captivePortalUrl?: string;
  dns?: {
    domain: string;
    /** Addresses, one of this box with a port: `127.0.0.1#5335`. */
    resolvers: string[];
    /** Whose names may lead into the LAN. */
    localDomains: string[];
    /** What nftables sets learn from answers, as dnsmasq writes it. */
    sets: { domains: string[]; table: string; set4: string; set6: string }[];
  };
}

/** What a plan is made of. */
export interface PlanInput {
  lan: Lan;
  links: Link[];
  /** Other servers, silent or not: their networks are on this segment. */
  servers: Server[];
  /** Addresses that were seen with their owners. */
  holds: Omit<Hold, "seenMs">[];
  /** Addresses that a device refused: given to nobody. */
  refused: string[];
  names: [mac: string, name: string][];
  sets: { domains: string[]; table: string; set4: string; set6: string }[];
  /** The box's own resolver, and which names it lets lead into the LAN. */
  resolver?: string;
  localDomains?: string[];
}

/** The pool of a LAN where the settings say nothing starts here and has this many addresses. */
const POOL_START = 50, POOL_SIZE = 200;
/** Another server's network is served only from this size on (a smaller number is a larger network): no half of the Internet. */
const LARGEST_NETWORK = 16, SMALLEST_NETWORK = 30;
/** Networks beside the LAN's own. */
const MAX_NETWORKS = 8;

/** The plan while ours is the LAN's server. */
export function planServing(phase: "trial" | "confirmed", config: Config, input: PlanInput): ServePlan {
  const { lan, servers } = input;
  const own = ipv4Network(lan.address)!;
  const address = lan.address.split("/")[0]!;
  const taken = takenAddresses(input);
  const serverNetworks = uniqueNetworks(servers);
  const networks: ServedNetwork[] = [{
    ...named(own),
    own: true,
    router: address,
    dns: address,
    // Where a modem gave addresses of this very network, any of them may be in use.
    ranges: rangesOf(
      serverNetworks.some((network) => rangesMeet(network, own)) ? hosts(own) : pool(own, config.pool),
      taken,
    ),
  }];
  for (const network of serverNetworks) {
    if (networks.length > MAX_NETWORKS || rangesMeet(network, own)) continue;
    // Without an address of ours there, its devices could not reach us as their router.
    const link = input.links.find(({ observed }) =>
      observed.address && inRange(network, ipv4Number(observed.address))
    );
    if (!link) continue;
    networks.push({
      ...named(network),
      own: false,
      router: link.observed.address!,
      dns: address,
      ranges: rangesOf(hosts(network), taken),
    });
  }
  const short = phase === "trial";
  const leaseSeconds = short ? config.trialLeaseSeconds : config.leaseSeconds;
  const { holds, ...rest } = common(config, input);
  const isGiven = ({ address }: { address: string }) =>
    networks.some(({ ranges }) =>
      ranges.some(([first, last]) =>
        inRange({ first: ipv4Number(first), last: ipv4Number(last) }, ipv4Number(address))
      )
    );
  return {
    interface: lan.interface,
    address,
    networks: networks.filter(({ ranges }) => ranges.length > 0),
    leaseSeconds,
    ...(short || config.renewSeconds * 2 >= leaseSeconds
      ? {}
      : { renewSeconds: config.renewSeconds, rebindSeconds: Math.round(config.renewSeconds * 1.5) }),
    ...rest,
    // Others are given to nobody; a hold that comes or goes starts dnsmasq anew.
    holds: holds.filter(isGiven),
  };
}

/** The plan while devices are led back: the modem's network, router and DNS, for a short time each. */
export function planGivingBack(modem: Server, config: Config, input: PlanInput): ServePlan | undefined {
  const network = usableNetwork(modem);
  if (!network || !modem.router) return undefined;
  const { lan } = input;
  const { reservations, holds, names } = common(config, input);
  const inside = ({ address }: { address: string }) => inRange(network, ipv4Number(address));
  return {
    interface: lan.interface,
    address: lan.address.split("/")[0]!,
    networks: [{
      ...named(network),
      own: rangesMeet(network, ipv4Network(lan.address)!),
      router: modem.router,
      dns: modem.router,
      ranges: rangesOf(hosts(network), takenAddresses(input)),
    }],
    leaseSeconds: config.trialLeaseSeconds,
    reservations: reservations.filter(inside),
    holds: holds.filter(inside),
    names,
  };
}

function common(config: Config, input: PlanInput) {
  const { names, sets, resolver, localDomains = [] } = input;
  const reservations = Object.entries(config.reservations).map(([mac, { address, name }]) => ({
    mac,
    address,
    ...(name ? { name } : {}),
  }));
  const reserved = new Set(reservations.flatMap(({ mac, address }) => [mac, address]));
  const taken = takenAddresses(input);
  return {
    reservations,
    // dnsmasq refuses to start when an address stands twice.
    holds: input.holds.filter(({ mac, address }) =>
      !reserved.has(mac) && !reserved.has(address) && !taken.has(ipv4Number(address))
    ),
    names: names.filter(([mac]) => !reserved.has(mac)),
    ...(config.captivePortalUrl ? { captivePortalUrl: config.captivePortalUrl } : {}),
    ...(config.dns.enabled
      ? {
        dns: {
          domain: config.dns.domain,
          // Never a modem: its operator would see, and could bend, what the LAN asks.
          resolvers: config.dns.resolvers.length > 0 ? config.dns.resolvers : resolver ? [resolver] : [],
          localDomains,
          sets,
        },
      }
      : {}),
  };
}

/** First and last address of the LAN's pool, as the settings say or fitting the network. */
export function pool(own: Ipv4Network, { from, to }: Config["pool"]): { first: number; last: number } {
  const all = hosts(own);
  const wide = all.last - all.first >= POOL_START + POOL_SIZE;
  const first = from ? ipv4Number(from) : wide ? own.first + POOL_START : all.first;
  return { first, last: to ? ipv4Number(to) : Math.min(all.last, first + POOL_SIZE - 1) };
}

function hosts({ first, last }: Ipv4Network): { first: number; last: number } {
  return { first: first + 1, last: last - 1 };
}

function rangesOf(range: { first: number; last: number }, taken: Set<number>): [string, string][] {
  return rangeWithout(range, taken).map(({ first, last }) => [ipv4Text(first), ipv4Text(last)]);
}

function named(network: Ipv4Network): { network: string; mask: string } {
  return { network: ipv4Text(network.first), mask: ipv4Mask(network) };
}

/** Addresses of this box, of modems and of whoever else has one. */
function takenAddresses({ lan, links, servers, refused }: PlanInput): Set<number> {
  return new Set(
    [
      lan.address.split("/")[0],
      ...links.flatMap(({ observed }) => [observed.address, observed.gateway]),
      ...servers.flatMap(({ server, router }) => [server, router]),
      ...refused,
    ].flatMap((address) => {
      try {
        return address ? [ipv4Number(address)] : [];
      } catch {
        return []; // IPv6, or nonsense that a server said.
      }
    }),
  );
}

function usableNetwork({ network, router }: Server): Ipv4Network | undefined {
  const parsed = network ? ipv4Network(network) : undefined;
  if (
    !parsed || parsed.length < LARGEST_NETWORK || parsed.length > SMALLEST_NETWORK ||
    !isWithin(parsed, [...PRIVATE4, SHARED4])
  ) {
    return undefined;
  }
  try {
    return router === undefined || inRange(hosts(parsed), ipv4Number(router)) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function uniqueNetworks(servers: Server[]): Ipv4Network[] {
  const networks: Ipv4Network[] = [];
  for (const server of servers) {
    const network = usableNetwork(server);
    if (network && !networks.some((other) => rangesMeet(network, other))) networks.push(network);
  }
  return networks.sort((a, b) => a.first - b.first);
}
