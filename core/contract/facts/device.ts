// Devices of the LAN.

/**
 * Devices whose multicast belongs to one link, as an operator's TV box has its channels there alone. Published as the fact
 * `multicast-way/<link>` by who pins, while that link is alive.
 */
export interface MulticastWayFact {
  link: string;
  interface: string;
  /** MAC addresses, sorted. */
  devices: string[];
}

/** Devices that come before or after the others. Published as the fact `device-priority`; MAC addresses in small letters. */
export interface DevicePriorityFact {
  high: string[];
  low: string[];
}

/** A device on the LAN. Published as the fact `device/<mac>`, the address in small letters with colons. */
export interface DeviceFact {
  mac: string;
  /** Its own host name or the one that a person gave it; hostile input: letters, digits and dashes only. */
  name?: string;
  /** IPv4 and IPv6 addresses that it has now. */
  addresses: string[];
  /** How it is known. */
  source: "lease" | "reservation" | "seen";
  /** Milliseconds since the epoch. */
  lastSeenMs: number;
}

/** A name that a person gave to a device. Published as the fact `device-name/<mac>`. */
export interface DeviceNameFact {
  mac: string;
  name: string;
}
