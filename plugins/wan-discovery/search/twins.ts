// Tells which sightings are of one modem, and which of two that have the same Ethernet address, as dongles of one make do:
// their ports tell them apart. Pure.
import type { JoinSeen, StationSeen } from "./evidence.ts";
import type { Memory } from "./memory.ts";

/** Where a modem was seen. */
interface Place {
  mac: string;
  interface: string;
  /** Who serves there. */
  server?: unknown;
}

/**
 * Names the modem of each place: by its Ethernet address, and by its port too where it is another one with the same address.
 * They are two only where both answer at once, over interfaces that are not on one segment; one whose cable was moved falls
 * silent where it was.
 */
export function identify<Seen extends Place>(
  seen: readonly Seen[],
  { stations, joins, memory }: { stations: StationSeen[]; joins: JoinSeen[]; memory: Memory[] },
): (Seen & { id: string })[] {
  const segmentOf = segments(seen.map((one) => one.interface), joins);
  return [...Map.groupBy(seen, ({ mac }) => mac)].flatMap(([mac, places]) => {
    const bySegment = [...Map.groupBy(places, (place) => segmentOf(place.interface))]
      .sort(([a], [b]) => a < b ? -1 : 1).map(([, group]) => group);
    const known = memory.filter((entry) => entry.mac === mac);
    const spans = bySegment.map((group) => spanOf(group, stations));
    // Who was on a port before is who is there now.
    const idOf = (group: readonly Seen[]) =>
      known.find((entry) => group.some((place) => place.interface === entry.interface))?.id;
    const exact = new Set(bySegment.map(idOf).filter((id) => id !== undefined));
    const isAtOnce = Math.min(...spans.map(({ lastMs }) =>
      lastMs
    )) > Math.max(...spans.map(({ sinceMs }) => sinceMs));
    const areTwins = bySegment.length > 1 && (isAtOnce || exact.size > 1);
    const groups = areTwins ? bySegment : [places];
    const ids = groups.map(idOf);
    return groups.flatMap((group, index) => {
      // A single one was moved, maybe; a twin that is new is none of those that are merely away.
      const moved = areTwins ? undefined : known[0]?.id;
      // Nor is who merely answers for a known modem's address a second modem.
      if (
        areTwins && ids[index] === undefined && group.every(({ server }) => server === undefined)
      ) return [];
      const taken = [...ids, ...known.map(({ id }) => id)];
      const id = ids[index] ??= moved ?? newIdentity(mac, group[0]!.interface, taken);
      return group.map((place) => ({ ...place, id }));
    });
  });
}

function newIdentity(mac: string, device: string, taken: (string | undefined)[]): string {
  let id = mac;
  for (let count = 1; taken.includes(id); count++) id = `${mac}@${device}${count > 1 ? `.${count}` : ""}`;
  return id;
}

/** From when to when a modem was heard there. */
function spanOf(places: readonly Place[], stations: StationSeen[]): { sinceMs: number; lastMs: number } {
  const heard = stations.filter(({ mac, interface: device }) =>
    places.some((place) => place.mac === mac && place.interface === device)
  );
  return {
    sinceMs: Math.min(...heard.map(({ sinceMs }) => sinceMs)),
    lastMs: Math.max(...heard.map(({ lastSeenMs }) => lastSeenMs)),
  };
}

/** The segment of each interface, by the first interface's name on it. */
function segments(interfaces: string[], joins: JoinSeen[]): (device: string) => string {
  const first = new Map(interfaces.map((name) => [name, name]));
  const find = (name: string): string => {
    const next = first.get(name) ?? name;
    return next === name ? name : find(next);
  };
  for (const { interface: device, other } of joins) {
    const [a, b] = [find(device), find(other)].sort() as [string, string];
    first.set(b, a).set(a, a);
  }
  return find;
}
