// What a person's network settings want of the kernel by themselves, whatever plugins do. Pure.
import type { NetworkSettings } from "../config/network.ts";
import { CORE_OWNER } from "../net/arbitrate.ts";
import type { Resource } from "../net/model.ts";
import type { Claim } from "../net/net.ts";

/** What the core itself wants of the kernel: the interfaces that a person named switched on, with their addresses. */
export function coreClaims({ lan, links }: Pick<NetworkSettings, "lan" | "links">): Claim[] {
  const places = [lan, ...Object.values(links)].flatMap((place) =>
    place?.interface ? [{ interface: place.interface, address: place.address }] : []
  );
  // A modem on the LAN itself: its link may have the LAN's own address.
  const addresses = new Map(
    places.flatMap(({ interface: device, address: cidr }): [string, Resource][] =>
      cidr ? [[`${device} ${cidr}`, { kind: "address", interface: device, cidr }]] : []
    ),
  );
  const names = new Set(places.map((place) => place.interface));
  const switches = [...names].map((name): Resource => ({
    kind: "interfaceState",
    interface: name,
    up: true,
  }));
  return [{ owner: CORE_OWNER, key: "interfaces", resources: [...switches, ...addresses.values()] }];
}
