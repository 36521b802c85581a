// What a person should know of what was found, each with what to do about it. Pure.
import type { HealthCondition } from "@otb/plugin";
import type { Known, PlannedLink, Sighting } from "./known.ts";

/** Looks at everything found for what does not work, or works only because it was fixed. */
export function conditions(
  known: Known,
  links: PlannedLink[],
  seen: Sighting[],
  refused: Sighting[],
): HealthCondition[] {
  const found = [
    sharedAddresses(links.filter(({ id }) => !known.clashing.has(id))),
    answeredTwice(known, seen),
    ownAddresses(known),
    lanSubnet(known, links),
    refused.length > 0 && {
      code: "too-many-modems",
      severity: "warning" as const,
      message: `Only 8 modems can be used at once, and ${refused.length} more were found: ${
        refused.map(({ gateway, interface: on }) => `${gateway} on ${on}`).join(", ")
      }`,
      next: "Set ignore for the modems that are not wanted: otb config set wan-discovery.modems...",
    },
  ];
  return found.filter((condition) => condition !== false && condition !== undefined);
}

/** Links whose modems have one address: all are used, but a browser reaches one of them only. */
function sharedAddresses(links: PlannedLink[]): HealthCondition | undefined {
  const byGateway = Map.groupBy(links.filter(({ present }) => present), ({ gateway }) => gateway);
  const shared = [...byGateway].filter(([, group]) => group.length > 1);
  if (shared.length === 0) return undefined;
  return {
    code: "modems-share-address",
    severity: "info",
    message: `${
      shared.map(([gateway, group]) =>
        `${group.map(({ name }) => `"${name}"`).join(" and ")} both have ${gateway}`
      )
        .join("; ")
    }: they are told apart by their Ethernet addresses and ports, and all used`,
    next:
      "Nothing needs to be done. To reach each one's web page, give them different addresses and subnets.",
  };
}

/** A gateway's address that several stations answer for, of which not all are modems: one may pretend. */
function answeredTwice({ stations, nowMs, freshMs }: Known, seen: Sighting[]): HealthCondition | undefined {
  const fresh = stations.filter(({ lastSeenMs }) => nowMs - lastSeenMs <= freshMs);
  const groups = Map.groupBy(fresh, (station) => `${station.address} on ${station.interface}`);
  const doubtful = [...groups].filter(([, group]) =>
    group.length > 1 &&
    group.some(({ mac, interface: on }) =>
      !seen.some((sighting) => sighting.mac === mac && sighting.interface === on)
    )
  );
  if (doubtful.length === 0) return undefined;
  return {
    code: "gateway-answered-twice",
    severity: "warning",
    message: `More than one station says that it has ${
      doubtful.map(([place, group]) => `${place} (${group.map(({ mac }) => mac).sort().join(", ")})`).join(
        "; ",
      )
    }: the one that also serves DHCP, or that was known before, is used`,
    next: "Look for a device with the modem's address, or one that pretends to have it, and unplug it.",
  };
}

/** Modems whose address the box itself has on another interface, like a dish at 192.168.100.1. */
function ownAddresses({ servers, ports }: Known): HealthCondition | undefined {
  const clashes = servers.flatMap(({ router, interface: on }) => {
    const port = ports.find(({ name, addresses }) =>
      name !== on && addresses.some((cidr) => cidr.split("/")[0] === router)
    );
    return port ? [`${router} on ${on} (here on ${port.name})`] : [];
  });
  if (clashes.length === 0) return undefined;
  return {
    code: "modem-has-own-address",
    severity: "warning",
    message: `A modem cannot be used as the box itself has its address: ${[...new Set(clashes)].join(", ")}`,
    next: "Give the LAN another subnet: otb lan set --address 192.168.101.1/24",
  };
}

/** A modem on another port in the LAN's subnet: used, but devices cannot reach it, nor it them. */
function lanSubnet({ lan }: Known, links: PlannedLink[]): HealthCondition | undefined {
  if (!lan) return undefined;
  const [, length] = lan.address.split("/");
  const same = links.filter(({ onLan, gateway, prefixLength, away }) =>
    !onLan && !away && subnetNumber(gateway, Math.min(prefixLength, Number(length))) ===
      subnetNumber(lan.address, Math.min(prefixLength, Number(length)))
  );
  if (same.length === 0) return undefined;
  return {
    code: "modem-has-lan-subnet",
    severity: "info",
    message:
      `${
        same.map(({ name }) => `"${name}"`).join(", ")
      } and the LAN have one subnet: the link is used, yet its ` +
      "modem's web page cannot be reached from the LAN",
    next: "To reach it, give the LAN or the modem another subnet.",
  };
}

function subnetNumber(cidr: string, length: number): number {
  const value = cidr.split("/")[0]!.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return Math.floor(value / 2 ** (32 - length));
}
