// From modems that are there to links and what the kernel needs for them. Pure.
import type { Lan, LinkFact, Resource } from "../../core/plugin.ts";
import type { Attachment } from "./modem.ts";

/** A smaller prefix than this is a modem's mistake: the rest of the world would seem to be on its wire. */
const SHORTEST_PREFIX = 16;

/** What a person said of a modem. */
export type ModemSettings = { [mac: string]: { name?: string; ignore: boolean } };

/** What is found, and what it takes. */
export interface Plan {
  links: Map<string, LinkFact>;
  resources: Resource[];
  /** Names by the modem's MAC address, to be remembered. */
  names: Map<string, string>;
  /** In words: what can't be used, and why. */
  refused: { mac: string; message: string }[];
}

/** Links, claims and names for the modems that are there. */
export function planLinks(
  attachments: Attachment[],
  former: ReadonlyMap<string, string>,
  settings: ModemSettings,
  taken: ReadonlySet<string>,
  lan: Lan | undefined,
): Plan {
  const plan: Plan = { links: new Map(), resources: [], names: new Map(), refused: [] };
  const resources = new Map<string, Resource>();
  const sorted = [...attachments].sort((a, b) => a.mac < b.mac ? -1 : a.mac > b.mac ? 1 : 0);
  const addresses = new Map<string, string>();
  for (const modem of sorted) {
    if (settings[modem.mac]?.ignore) continue;
    const other = addresses.get(modem.address);
    if (other !== undefined) {
      plan.refused.push({
        mac: modem.mac,
        message:
          `The modems ${other} and ${modem.mac} gave the same address ${modem.address}: only the first is used`,
      });
      continue;
    }
    addresses.set(modem.address, modem.mac);
    const name = nameOf(modem, former, settings, new Set([...taken, ...plan.links.keys()]));
    plan.names.set(modem.mac, name);
    const cidr = `${modem.address}/${prefixLength(modem)}`;
    plan.links.set(name, {
      interface: modem.interface,
      address: cidr,
      gateway: modem.gateway,
      description: `modem ${modem.gateway} (${modem.mac}) on ${modem.interface}${
        modem.source === "kept" ? ", its DHCP server is silent" : ""
      }`,
    });
    // The LAN has its address already, on a segment that modems and devices share.
    if (!(lan?.interface === modem.interface && lan.address.split("/")[0] === modem.address)) {
      resources.set(`${modem.interface} ${cidr}`, { kind: "address", interface: modem.interface, cidr });
    }
    if (!inside(modem.gateway, cidr)) {
      resources.set(`${modem.interface} ${modem.gateway}`, {
        kind: "route",
        family: 4,
        table: 254,
        to: `${modem.gateway}/32`,
        interface: modem.interface,
      });
    }
  }
  plan.resources = [...resources.values()];
  return plan;
}

/** What a person said, what it was called before, or `wan-<interface>`; with a number where that is another one's. */
function nameOf(
  modem: Attachment,
  former: ReadonlyMap<string, string>,
  settings: ModemSettings,
  taken: ReadonlySet<string>,
): string {
  const wished = settings[modem.mac]?.name ?? former.get(modem.mac);
  if (wished !== undefined && !taken.has(wished)) return wished;
  const remembered = new Set([...former].filter(([mac]) => mac !== modem.mac).map(([, name]) => name));
  const base = `wan-${modem.interface.toLowerCase().replace(/[^a-z0-9-]/g, "")}`.slice(0, 13);
  for (let number = 1;; number++) {
    const name = number === 1 ? base : `${base.slice(0, 14 - String(number).length)}-${number}`;
    if (!taken.has(name) && !remembered.has(name)) return name;
  }
}

/** The prefix as the modem said it, where it can be lived with; alone otherwise. */
function prefixLength({ address, prefixLength, gateway }: Attachment): number {
  if (prefixLength >= SHORTEST_PREFIX && prefixLength < 31) return prefixLength;
  return prefixLength < SHORTEST_PREFIX && inside(gateway, `${address}/24`) ? 24 : 32;
}

function inside(address: string, cidr: string): boolean {
  const [network = "", length = "32"] = cidr.split("/");
  const size = 2 ** (32 - Number(length));
  return Math.floor(number(address) / size) === Math.floor(number(network) / size);
}

function number(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}
