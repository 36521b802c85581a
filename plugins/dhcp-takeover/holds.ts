// Addresses that are somebody's although nobody leased them here: seen by ARP, or refused by a device. Pure.
import type { Lease } from "./leases.ts";
import type { Neighbour } from "./neighbours.ts";

/** An address that was seen with its owner: nobody else gets it, and its owner may have it when it asks. */
export interface Hold {
  mac: string;
  address: string;
  /** When it was seen last, on the machine's clock, to the hour: it is worth a write no more often. */
  seenMs: number;
}

/** Addresses one station may hold: who answers for everybody (proxy ARP, an attacker) must not empty the pool. */
const MAX_PER_STATION = 4;
/** Addresses held in all. */
const MAX_HOLDS = 256;
/** Who is not seen for so long left; a device with an address of its own is seldom off for longer. */
const HELD_MS = 7 * 86_400_000;
const HOUR_MS = 3_600_000;
/** A refused address rests so long (as dnsmasq does it with fixed ones). */
const QUARANTINE_MS = 600_000;
/** Addresses in quarantine, in all and by one station: whoever refuses everything must not empty the pool. */
const MAX_QUARANTINED = 32, MAX_REFUSED_PER_STATION = 4;

/**
 * Holds of before, together with those who are there now and have no lease for their address; those who left are let go.
 * Where there are too many, who was there first keeps its own: a flood of invented stations takes nobody's.
 */
export function holdsWith(former: Hold[], seen: Neighbour[], leases: Lease[], nowMs: number): Hold[] {
  const hourMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS;
  const leased = new Set(leases.map(({ address }) => address));
  const unleased = seen.filter(({ address }) => !leased.has(address));
  const present = new Set(unleased.map(({ mac, address }) => `${mac} ${address}`));
  let changed = false;
  const holds = former.flatMap((hold) => {
    if (hold.seenMs < hourMs && present.has(`${hold.mac} ${hold.address}`)) {
      changed = true;
      return [{ ...hold, seenMs: hourMs }];
    }
    if (nowMs - hold.seenMs < HELD_MS) return [hold];
    changed = true;
    return [];
  });
  const taken = new Set(holds.map(({ address }) => address));
  for (const { mac, address } of unleased) {
    if (taken.has(address) || holds.length >= MAX_HOLDS) continue;
    if (holds.filter((hold) => hold.mac === mac).length >= MAX_PER_STATION) continue;
    taken.add(address);
    holds.push({ mac, address, seenMs: hourMs });
    changed = true;
  }
  return changed ? holds : former;
}

/** An address that a device refused because somebody else has it (DHCPDECLINE, RFC 2131 section 4.4.4). */
export interface Refused {
  address: string;
  mac: string;
  untilMs: number;
}

/** The quarantine after one more refusal, ended ones left out. */
export function quarantineWith(
  former: Refused[],
  refusal: { address: string; mac: string },
  nowMs: number,
): Refused[] {
  const rest = former.filter(({ untilMs, address }) => untilMs > nowMs && address !== refusal.address);
  const own = rest.filter(({ mac }) => mac === refusal.mac);
  // Who refuses one after the other keeps only the last few from others.
  const kept = own.length < MAX_REFUSED_PER_STATION ? rest : rest.filter((one) => one !== own[0]);
  return [...kept, { ...refusal, untilMs: nowMs + QUARANTINE_MS }].slice(-MAX_QUARANTINED);
}
