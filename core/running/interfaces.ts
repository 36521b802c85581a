// From what the kernel shows to the facts about network devices that plugins follow. Pure.
import type { InterfaceFact } from "../contract/mod.ts";

/** The part of an observed interface that becomes a fact. */
export interface ObservedDevice extends Omit<InterfaceFact, "addresses"> {
  addresses: { address: string; prefixLength: number }[];
}

/**
 * What to publish, by key, to get from the facts published before to the devices that are there now; null takes back.
 */
export function interfaceChanges(
  published: ReadonlyMap<string, InterfaceFact>,
  devices: ObservedDevice[],
): Map<string, InterfaceFact | null> {
  const changes = new Map<string, InterfaceFact | null>();
  for (const key of published.keys()) changes.set(key, null);
  for (
    const { name, index, mac, mtu, up, carrier, hardware, type, driver, parent, controller, addresses }
      of devices
  ) {
    const fact: InterfaceFact = JSON.parse(JSON.stringify({
      ...{ name, index, mac, mtu, up, carrier, hardware, type, driver, parent, controller },
      addresses: addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
    }));
    const key = `interface/${name}`;
    if (JSON.stringify(published.get(key)) === JSON.stringify(fact)) changes.delete(key);
    else changes.set(key, fact);
  }
  return changes;
}
