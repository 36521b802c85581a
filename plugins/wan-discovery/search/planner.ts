// From evidence to links: which modems there are, what each one's link is called, and which device and address it gets. Pure.
import { createHash } from "node:crypto";
import { boundedLength, isInside } from "@otb/plugin";
import { conditions } from "./conditions.ts";
import type { Known, Plan, PlannedLink, Sighting } from "./known.ts";
import type { Memory } from "./memory.ts";
import { identify } from "./twins.ts";
import { guess } from "./vendors.ts";

/** The kernel's path manager knows 8 endpoints (ip-mptcp(8)). */
export const MOST_LINKS = 8;
/** Modems remembered. */
const MOST_MODEMS = 32;
/** A link that is out of sight stays on the list this long, unless a person forgets it. */
const PARKED_MS = 7 * 86_400_000;
const REMEMBER_STEP_MS = 600_000;

/** Decides everything anew from what is known; the same evidence gives the same plan. */
export function plan(known: Known): Plan {
  const seen = sightings(known);
  const links: PlannedLink[] = [];
  const memory = new Map(known.memory.map((entry) => [entry.id, entry]));
  const chosen = choosePlaces(seen, known);
  const heirs = new Set(chosen.filter((one) => needsPort(one, chosen, known)).map(({ id }) => id));
  chosen.sort((a, b) => Number(heirs.has(b.id)) - Number(heirs.has(a.id)));
  const refused = chosen.slice(MOST_LINKS);
  for (const sighting of chosen.slice(0, MOST_LINKS)) {
    const former = memory.get(sighting.id);
    const link = place(sighting, former, links, known, memory, heirs.has(sighting.id));
    links.push(link);
    memory.set(sighting.id, remember(link, sighting, former, known.epochMs));
  }
  // A modem that came to where a person set a link by hand is in sight, as that link.
  const isLeft = (id: string) => seen.some((one) => one.id === id) && !chosen.some((one) => one.id === id);
  for (const entry of known.memory.toSorted(latest)) {
    if (isLeft(entry.id)) continue;
    const parked = park(entry, links, known);
    if (parked) links.push(parked);
  }
  const present = new Set(links.map(({ id }) => id));
  const kept = [...memory.values()].sort((a, b) =>
    Number(present.has(b.id)) - Number(present.has(a.id)) || latest(a, b)
  ).slice(0, MOST_MODEMS);
  links.sort((a, b) => a.slot - b.slot);
  return { links, memory: kept, conditions: conditions(known, links, seen, refused) };
}

function latest(a: Memory, b: Memory): number {
  return b.lastSeenMs - a.lastSeenMs || (a.id < b.id ? -1 : 1);
}

/** The addresses to ask for by ARP on an interface: routers that servers there name, and gateways of remembered modems. */
export function gatewaysToAsk(
  { servers, memory }: Pick<Known, "servers" | "memory">,
  device: string,
): string[] {
  const routers = servers.filter((server) => server.interface === device).map(({ router }) => router);
  return [...new Set([...routers, ...memory.map(({ gateway }) => gateway)])].filter((one) =>
    one !== undefined
  );
}

/** Modems that answer now: a router that a server names and that answers by ARP, or a remembered one that answers. */
function sightings(known: Known): Sighting[] {
  const { nowMs, freshMs, ports, servers, stations, memory, wishes } = known;
  const found = new Map<string, Omit<Sighting, "id">>();
  const own = new Set(ports.flatMap(({ addresses }) => addresses.map((cidr) => cidr.split("/")[0]!)));
  const there = new Set(ports.filter(({ carrier }) => carrier).map(({ name }) => name));
  const fresh = stations.filter(({ lastSeenMs, interface: device, address, mac }) =>
    nowMs - lastSeenMs <= freshMs && there.has(device) && !own.has(address) && !wishes[mac]?.ignore
  );
  const note = (sighting: Omit<Sighting, "id">) => {
    const key = `${sighting.interface} ${sighting.mac}`;
    const former = found.get(key);
    if (!former || isBetter(sighting, former)) found.set(key, sighting);
  };
  for (const server of servers) {
    const { interface: device, router } = server;
    if (!router) continue;
    const prefixLength = boundedLength(server.prefixLength);
    const answers = fresh.filter((station) => station.interface === device && station.address === router);
    // The router is who serves; else the only one that has its address, else one known from before.
    const station = answers.find(({ mac }) => mac === server.mac) ??
      (answers.length === 1
        ? answers[0]
        : answers.find(({ mac }) => memory.some((entry) => entry.mac === mac)));
    if (station) note({ mac: station.mac, interface: device, gateway: router, prefixLength, server });
  }
  for (const { mac, interface: device, gateway, prefixLength } of memory) {
    // One of several with one Ethernet address is known by its port alone.
    const isAlone = memory.every((other) => other.mac !== mac || other.interface === device);
    for (const station of fresh) {
      if (station.mac === mac && station.address === gateway && (isAlone || station.interface === device)) {
        note({ mac, interface: station.interface, gateway, prefixLength: boundedLength(prefixLength) });
      }
    }
  }
  return identify([...found.values()], known);
}

/** Of two sightings of one modem on one interface: with a server, with its own server, the later seen, the lower address. */
function isBetter(a: Omit<Sighting, "id">, b: Omit<Sighting, "id">): boolean {
  if (!a.server || !b.server) return a.server !== undefined;
  const own = Number(a.server.mac === a.mac) - Number(b.server.mac === b.mac);
  if (own !== 0) return own > 0;
  if (a.gateway !== b.gateway) return a.server.lastSeenMs > b.server.lastSeenMs;
  return a.server.server < b.server.server;
}

/** One sighting a modem, known ones first; what a person configured is left to that. */
function choosePlaces(seen: Sighting[], { memory, lan, configured }: Known): Sighting[] {
  const remembered = new Map(memory.map((entry) => [entry.id, entry]));
  const rank = (sighting: Sighting) => {
    const former = remembered.get(sighting.id);
    if (former?.interface === sighting.interface) return 0;
    return sighting.interface === lan?.interface ? 2 : 1;
  };
  const free = seen.filter((sighting) =>
    !configured.some(({ interface: device, gateway }) =>
      device === sighting.interface && (gateway === undefined || gateway === sighting.gateway)
    )
  );
  const best = new Map<string, Sighting>();
  for (const sighting of free.sort((a, b) => rank(a) - rank(b) || order(a, b))) {
    if (!best.has(sighting.id)) best.set(sighting.id, sighting);
  }
  return [...best.values()].sort((a, b) =>
    Number(remembered.has(b.id)) - Number(remembered.has(a.id)) || order(a, b)
  );
}

function order(a: Sighting, b: Sighting): number {
  const text = (one: Sighting) => `${one.interface} ${one.gateway} ${one.mac}`;
  return text(a) < text(b) ? -1 : 1;
}

/**
 * Whether a modem lets only the port's own Ethernet address through, as one does that became a bridge once its line was up, and
 * nobody else behind the port serves by that address now: who had the port for what the modem was before gives way.
 */
function needsPort({ id, interface: on, server }: Sighting, seen: Sighting[], known: Known): boolean {
  return known.unheard.has(id) && server !== undefined && on !== known.lan?.interface &&
    !seen.some((other) => other.interface === on && other.id !== id && other.server);
}

/** Gives a modem its name, slot and device. */
function place(
  { id, mac, interface: on, gateway, prefixLength, server }: Sighting,
  former: Memory | undefined,
  links: PlannedLink[],
  known: Known,
  memory: ReadonlyMap<string, Memory>,
  isHeir: boolean,
): PlannedLink {
  const { lan, ports, configured, wishes, stations, nowMs, freshMs } = known;
  const port = ports.find(({ name }) => name === on)!;
  const onLan = on === lan?.interface;
  const stays = former?.interface === on;
  // Who has the interface itself keeps it; another one gets it when nobody else on it had it.
  const claimed = links.some((link) => link.interface === on && link.device === on) ||
    configured.some((link) => link.interface === on) ||
    !isHeir && !(stays && former!.own) &&
      [...memory.values()].some((entry) =>
        entry.id !== id && entry.interface === on && entry.own && isFresh(entry, known)
      );
  const fits = !onLan || isInside(gateway, lan.address) && gateway !== lan.address.split("/")[0];
  const own = fits && !claimed && (!stays || former!.own || isHeir);
  const taken = new Set(links.map(({ slot }) => slot));
  const slots = Array.from({ length: MOST_LINKS }, (_, index) => index + 1);
  const slot = former && !taken.has(former.slot)
    ? former.slot
    : slots.find((one) => !taken.has(one) && ![...memory.values()].some((entry) => entry.slot === one)) ??
      slots.find((one) => !taken.has(one))!;
  const hints = guess(mac, server?.hints ?? []);
  const names = new Set([
    ...links.map(({ name }) => name),
    ...configured.map(({ name }) => name),
    ...[...memory.values()].filter((entry) => entry.id !== id).map(({ name }) => name),
    ...Object.entries(wishes).flatMap(([whose, { name }]) => whose !== mac && name ? [name] : []),
  ]);
  // A name that a person gave is the first one's.
  const wished = id === mac ? wishes[mac]?.name : undefined;
  return {
    name: wished ?? unique(former?.name ?? hints.name ?? `wan-${plain(on)}`, names),
    id,
    mac,
    slot,
    present: true,
    interface: on,
    device: own ? on : `otb-wan${slot}`,
    deviceMac: own ? port.mac : former?.macvlanMac ?? madeUpMac(port.mac, mac),
    onLan,
    lanAddress: own && onLan ? lan!.address : undefined,
    gateway,
    prefixLength,
    server: server && { address: server.server, mac: server.mac },
    former: former?.address && former.gateway === gateway
      ? { address: former.address, local: former.local, prefixLength, router: gateway, dns: former.dns }
      : undefined,
    fixed: stations.some((station) =>
      station.interface === on && station.address === gateway && station.mac !== mac &&
      nowMs - station.lastSeenMs <= freshMs
    ),
    description: server || !former ? `${hints.label ?? "Modem"} at ${gateway}` : former.description,
  };
}

/** Whether a remembered modem answers on its interface now. */
function isFresh({ mac, interface: device, gateway }: Memory, { stations, nowMs, freshMs }: Known): boolean {
  return stations.some((station) =>
    station.mac === mac && station.interface === device && station.address === gateway &&
    nowMs - station.lastSeenMs <= freshMs
  );
}

/** A link that is out of sight: it keeps its place. Where its cable is out it keeps its address too, and is back at once. */
function park(entry: Memory, links: PlannedLink[], { ports, lan, epochMs, wishes, configured }: Known) {
  const port = ports.find(({ name }) => name === entry.interface);
  const { id, mac, name, slot, interface: on, address, local, gateway, prefixLength, dns, description, own } =
    entry;
  const onLan = on === lan?.interface;
  if (
    !address && !(own && onLan) || wishes[mac]?.ignore ||
    epochMs - entry.lastSeenMs > PARKED_MS ||
    links.some((link) => link.id === id || link.slot === slot || link.name === name) ||
    configured.some((link) => link.interface === on || link.name === name)
  ) return undefined;
  const isTaken = links.some((link) => link.device === on);
  // Who has its port came in its place; on the LAN, beside it.
  if (own && isTaken && !onLan) return undefined;
  const isOwn = own && !isTaken;
  const away = port?.carrier ? `${description} does not answer on ${on}` : undefined;
  const parked: PlannedLink = {
    ...{
      name,
      id,
      mac,
      slot,
      present: false,
      away,
      interface: on,
      onLan,
      gateway,
      prefixLength,
      description,
    },
    device: isOwn ? on : `otb-wan${slot}`,
    deviceMac: own ? port?.mac ?? entry.macvlanMac : entry.macvlanMac,
    lanAddress: isOwn && onLan ? lan!.address : undefined,
    former: address
      ? { address, local, prefixLength: boundedLength(prefixLength), router: gateway, dns }
      : undefined,
    fixed: false,
  };
  return parked;
}

function remember(
  link: PlannedLink,
  { server }: Sighting,
  former: Memory | undefined,
  epochMs: number,
): Memory {
  const { id, mac, name, interface: on, device, slot, gateway, prefixLength, description } = link;
  const same = former?.gateway === gateway ? former : undefined;
  return {
    ...{ id, mac, name, interface: on, own: device === on, slot, gateway, prefixLength, description },
    macvlanMac: former?.macvlanMac ?? (device === on ? madeUpMac(link.deviceMac, mac) : link.deviceMac),
    address: same?.address,
    local: same?.local,
    dns: server?.dns ?? same?.dns ?? [],
    lastSeenMs: Math.floor(epochMs / REMEMBER_STEP_MS) * REMEMBER_STEP_MS,
  };
}

/** A locally administered address that a box always makes the same for a modem (IEEE 802). */
function madeUpMac(own: string, modem: string): string {
  const hash = createHash("sha256").update(`${own} ${modem}`).digest("hex");
  return ["02", ...Array.from({ length: 5 }, (_, index) => hash.slice(2 * index, 2 * index + 2))].join(":");
}

/** A name that nobody has, at most 15 characters long as names of links are. */
function unique(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  for (let count = 2;; count++) {
    const numbered = `${name.slice(0, 15 - `-${count}`.length)}-${count}`;
    if (!taken.has(numbered)) return numbered;
  }
}

/** An interface's name with only what a link's name may have. */
function plain(device: string): string {
  return device.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-").slice(0, 11);
}
