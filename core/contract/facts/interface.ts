// The machine's network devices.
import * as z from "zod/mini";
import { factOf, type FactValue } from "../fact.ts";

/** A network device as the kernel has it, by its name. Told by the core, so that a plugin follows what is plugged in and pulled out. */
export const INTERFACE = factOf(
  "interface",
  "interface",
  z.object({
    name: z.string(),
    /** Kernel index; a device that was pulled and plugged in again has a new one. */
    index: z.number(),
    mac: z.optional(z.string()),
    mtu: z.number(),
    /** Administratively up. */
    up: z.boolean(),
    /** Cable plugged, association done. */
    carrier: z.boolean(),
    /** Kind of hardware as ARP numbers it (linux/if_arp.h): 1 Ethernet, 512 PPP. */
    hardware: z.number(),
    /** Kind of a virtual device: `bridge`, `macvlan`, `veth`... */
    type: z.optional(z.string()),
    /** Kernel driver of a physical one: `r8169`, `rndis_host`... */
    driver: z.optional(z.string()),
    /** The device below a macvlan or VLAN. */
    parent: z.optional(z.string()),
    /** The bridge or bond that it is a port of. */
    controller: z.optional(z.string()),
    /** IPv4 and IPv6 addresses, CIDR. */
    addresses: z.array(z.string()),
  }),
);
export type InterfaceFact = FactValue<typeof INTERFACE>;
