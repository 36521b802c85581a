// Devices of the LAN.
import * as z from "zod/mini";
import { fact, factOf, type FactValue } from "../fact.ts";

/**
 * Devices whose multicast belongs to one link, as an operator's TV box has its channels there alone; told by who pins, while that link
 * is alive.
 */
export const MULTICAST_WAY = factOf(
  "multicast-way",
  "link",
  z.object({
    link: z.string(),
    interface: z.string(),
    /** MAC addresses, sorted. */
    devices: z.array(z.string()),
  }),
);
export type MulticastWayFact = FactValue<typeof MULTICAST_WAY>;

/** Devices that come before or after the others; MAC addresses in small letters. */
export const DEVICE_PRIORITY = fact(
  "device-priority",
  z.object({ high: z.array(z.string()), low: z.array(z.string()) }),
);
export type DevicePriorityFact = FactValue<typeof DEVICE_PRIORITY>;

/** A device on the LAN, by its MAC address in small letters with colons. */
export const DEVICE = factOf(
  "device",
  "MAC address",
  z.object({
    mac: z.string(),
    /** Its own host name or the one that a person gave it; hostile input: letters, digits and dashes only. */
    name: z.optional(z.string()),
    /** IPv4 and IPv6 addresses that it has now. */
    addresses: z.array(z.string()),
    /** How it is known. */
    source: z.enum(["lease", "reservation", "seen"]),
    /** Milliseconds since the epoch. */
    lastSeenMs: z.number(),
  }),
);
export type DeviceFact = FactValue<typeof DEVICE>;

/** A name that a person gave to a device. */
export const DEVICE_NAME = factOf(
  "device-name",
  "MAC address",
  z.object({ mac: z.string(), name: z.string() }),
);
export type DeviceNameFact = FactValue<typeof DEVICE_NAME>;
