// The machine's network devices.

/**
 * A network device as the kernel has it. Published by the core as the fact `interface/<name>`, so that a plugin
 * follows what is plugged in and pulled out.
 */
export interface InterfaceFact {
  name: string;
  /** Kernel index; a device that was pulled and plugged in again has a new one. */
  index: number;
  mac?: string;
  mtu: number;
  /** Administratively up. */
  up: boolean;
  /** Cable plugged, association done. */
  carrier: boolean;
  /** Kind of hardware as ARP numbers it (linux/if_arp.h): 1 Ethernet, 512 PPP. */
  hardware: number;
  /** Kind of a virtual device: `bridge`, `macvlan`, `veth`... */
  type?: string;
  /** Kernel driver of a physical one: `r8169`, `rndis_host`... */
  driver?: string;
  /** The device below a macvlan or VLAN. */
  parent?: string;
  /** The bridge or bond that it is a port of. */
  controller?: string;
  /** IPv4 and IPv6 addresses, CIDR. */
  addresses: string[];
}
