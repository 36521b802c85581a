// From what the kernel shows to the facts about network devices that plugins follow. Pure.
import type { InterfaceFact } from "../contract/mod.ts";

/** The part of an observed interface that becomes a fact. */
export interface ObservedDevice extends Omit<InterfaceFact, "addresses"> {
  addresses: { address: string; prefixLength: number }[];
}

/** What to publish of the devices that are there now, by name. */
export function interfaceFacts(devices: readonly ObservedDevice[]): Map<string, InterfaceFact> {
  return new Map(devices.map((
    { name, index, mac, mtu, up, carrier, hardware, type, driver, parent, controller, addresses },
  ) => [name, {
    ...{ name, index, mac, mtu, up, carrier, hardware, type, driver, parent, controller },
    addresses: addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
  }]));
}
