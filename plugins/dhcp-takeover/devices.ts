// The LAN's devices, from leases and from who is seen there. Pure.
import type { DeviceFact } from "@otb/plugin";
import type { Lease } from "./leases.ts";
import type { Neighbour } from "./neighbours.ts";

/** Devices that are told of: a flood of invented ones fills no memory. */
const MAX_DEVICES = 1_024;
/** A device that is there all the time is told of anew this often, not at every look. */
const FRESH_MS = 60_000;

/** What devices are known from. */
export interface Sources {
  leases: Lease[];
  seen: Neighbour[];
  /** MAC addresses with a fixed address. */
  reserved: ReadonlySet<string>;
  /** Names that a person gave, by MAC address. */
  names: ReadonlyMap<string, string>;
}

/** Devices by MAC address; `former` says when each was last seen. */
export function devices(
  { leases, seen, reserved, names }: Sources,
  former: ReadonlyMap<string, DeviceFact>,
  nowMs: number,
): Map<string, DeviceFact> {
  const found = new Map<string, DeviceFact>();
  const present = new Set(seen.map(({ mac }) => mac));
  const add = (mac: string, address: string, source: DeviceFact["source"], name?: string) => {
    const device = found.get(mac);
    if (device) {
      if (!device.addresses.includes(address) && device.addresses.length < 8) device.addresses.push(address);
      return;
    }
    if (found.size >= MAX_DEVICES) return;
    const before = former.get(mac)?.lastSeenMs;
    const isStale = before === undefined || present.has(mac) && nowMs - before >= FRESH_MS;
    const shown = names.get(mac) ?? name;
    found.set(mac, {
      mac,
      ...(shown ? { name: shown } : {}),
      addresses: [address],
      source,
      lastSeenMs: isStale ? nowMs : before,
    });
  };
  for (const { mac, address, name, expiresSeconds } of leases) {
    if (expiresSeconds !== 0 && expiresSeconds * 1000 < nowMs) continue;
    add(mac, address, reserved.has(mac) ? "reservation" : "lease", name);
  }
  for (const { mac, address } of seen) add(mac, address, reserved.has(mac) ? "reservation" : "seen");
  return found;
}
