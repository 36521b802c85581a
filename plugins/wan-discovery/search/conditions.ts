// What a person should know of what was found, each with what to do about it. Pure.
import type { Raised } from "@otb/plugin";
import type { Known, PlannedLink, Sighting } from "./known.ts";
import { type Words, words } from "../texts/mod.ts";

/** Looks at everything found for what does not work, or works only because it was fixed. */
export function conditions(
  known: Known,
  links: PlannedLink[],
  seen: Sighting[],
  refused: Sighting[],
): Raised<Words>[] {
  const found = [
    sharedAddresses(links.filter(({ id }) => !known.clashing.has(id))),
    answeredTwice(known, seen),
    ownAddresses(known),
    lanSubnet(known, links),
    tooMany(refused),
  ];
  return found.filter((condition) => condition !== undefined);
}

/** Modems beyond as many as can be used. */
function tooMany(refused: Sighting[]): Raised<Words> | undefined {
  const modems = refused.map(({ gateway: address, interface: on }) =>
    words.phrase("on", { address, interface: on })
  );
  return refused.length === 0 ? undefined : ["too-many-modems", { count: refused.length, modems }];
}

/** Links whose modems have one address: all are used, but a browser reaches one of them only. */
function sharedAddresses(links: PlannedLink[]): Raised<Words> | undefined {
  const byGateway = Map.groupBy(links.filter(({ present }) => present), ({ gateway }) => gateway);
  const shared = [...byGateway].filter(([, group]) => group.length > 1);
  if (shared.length === 0) return undefined;
  const each = shared.map(([address, group]) => {
    const links = group.map(({ name }) => words.phrase("named", { name }));
    return words.phrase("share", { address, last: links.pop()!, others: links });
  });
  return ["modems-share-address", { shared: each }];
}

/** A gateway's address that several stations answer for, of which not all are modems: one may pretend. */
function answeredTwice({ stations, nowMs, freshMs }: Known, seen: Sighting[]): Raised<Words> | undefined {
  const fresh = stations.filter(({ lastSeenMs }) => nowMs - lastSeenMs <= freshMs);
  const groups = Map.groupBy(fresh, (station) => `${station.address} on ${station.interface}`);
  const doubtful = [...groups].filter(([, group]) =>
    group.length > 1 &&
    group.some(({ mac, interface: on }) =>
      !seen.some((sighting) => sighting.mac === mac && sighting.interface === on)
    )
  );
  if (doubtful.length === 0) return undefined;
  const places = doubtful.map(([, group]) => {
    const { address, interface: on } = group[0]!;
    return words.phrase("stations", { address, interface: on, macs: group.map(({ mac }) => mac).sort() });
  });
  return ["gateway-answered-twice", { places }];
}

/** Modems whose address the box itself has on another interface, like a dish at 192.168.100.1. */
function ownAddresses({ servers, ports }: Known): Raised<Words> | undefined {
  const clashes = new Map(servers.flatMap(({ router: address = "", interface: on }) => {
    const port = ports.find(({ name, addresses }) =>
      name !== on && addresses.some((cidr) => cidr.split("/")[0] === address)
    );
    const said = { address, interface: on, port: port?.name ?? "" };
    return port ? [[`${address} ${on}`, words.phrase("here-on", said)] as const] : [];
  }));
  return clashes.size === 0 ? undefined : ["modem-has-own-address", { clashes: [...clashes.values()] }];
}

/** A modem on another port in the LAN's subnet: used, but devices cannot reach it, nor it them. */
function lanSubnet({ lan }: Known, links: PlannedLink[]): Raised<Words> | undefined {
  if (!lan) return undefined;
  const [, length] = lan.address.split("/");
  const same = links.filter(({ onLan, gateway, prefixLength, away }) =>
    !onLan && !away && subnetNumber(gateway, Math.min(prefixLength, Number(length))) ===
      subnetNumber(lan.address, Math.min(prefixLength, Number(length)))
  );
  if (same.length === 0) return undefined;
  return ["modem-has-lan-subnet", { links: same.map(({ name }) => words.phrase("named", { name })) }];
}

function subnetNumber(cidr: string, length: number): number {
  const value = cidr.split("/")[0]!.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return Math.floor(value / 2 ** (32 - length));
}
