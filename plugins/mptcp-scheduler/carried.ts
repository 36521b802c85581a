// What each link carries, whoever's connections they are: its interface's own counters, or where the interface is not the
// link's alone, as with the LAN and a modem on one port, counters of nftables by the link's address. Pure.
import type { Lan, Resource } from "@otb/plugin";
import type { UsableLink } from "./routing.ts";

/** Bytes in and out since somebody began to count. */
export interface Bytes {
  rx: number;
  tx: number;
}

/** The table of counters; its family is inet. */
export const TABLE = "otb_mptcp_scheduler";
/** What nft takes as a name between quotes. */
const SAFE_NAME = /^[\w.@-]{1,15}$/;
/** Ethernet's header, which nftables does not count and interfaces do. */
const HEADER_BYTES = 14;

/** Bytes by interface, from the text of /proc/net/dev (proc_net(5)). */
export function parseDevices(text: string): Map<string, Bytes> {
  return new Map(
    [...text.matchAll(/^ *(\S+): *(\d+)(?: +\d+){7} +(\d+)(?: +\d+){7}$/gm)].map(([, name, rx, tx]) => [
      name!,
      { rx: Number(rx), tx: Number(tx) },
    ]),
  );
}

/** Links whose interface carries something else, too. */
export function sharing(links: UsableLink[], lan: Lan | undefined): UsableLink[] {
  return links.filter(({ link }) =>
    SAFE_NAME.test(link.interface) &&
    (link.interface === lan?.interface ||
      links.some((other) => other.link !== link && other.link.interface === link.interface))
  );
}

/** Counters for links that share an interface: what comes for a link's address and what leaves with it, beyond the LAN. */
export function counters(links: UsableLink[], lan: Lan | undefined): Resource[] {
  const shared = sharing(links, lan);
  if (shared.length === 0) return [];
  const beyond = ({ link, address }: UsableLink, way: "saddr" | "daddr") =>
    link.interface === lan?.interface && !lan.address.includes(":") && !address.includes(":")
      ? `ip ${way} != ${lan.address} `
      : "";
  const lines = (rule: (one: UsableLink, ip: "ip" | "ip6") => string) =>
    shared.map((one) => `    ${rule(one, one.address.includes(":") ? "ip6" : "ip")}\n`).join("");
  return [{
    kind: "nftTable",
    family: "inet",
    name: TABLE,
    body: `
${
      shared.map(({ slot }) =>
        `  counter rx_${slot} { packets 0 bytes 0 }\n  counter tx_${slot} { packets 0 bytes 0 }\n`
      ).join("")
    }  chain arriving {
    type filter hook prerouting priority raw - 10; policy accept;
${
      lines((one, ip) =>
        `iifname "${one.link.interface}" ${ip} daddr ${one.address} ${
          beyond(one, "saddr")
        }counter name rx_${one.slot}`
      )
    }  }
  chain leaving {
    type filter hook postrouting priority srcnat + 50; policy accept;
${
      lines((one, ip) =>
        `oifname "${one.link.interface}" ${ip} saddr ${one.address} ${
          beyond(one, "daddr")
        }counter name tx_${one.slot}`
      )
    }  }
`,
  }];
}

/** Bytes by slot, from what `nft -j list counters` says. */
export function parseCounters(text: string): Map<number, Bytes> {
  const found = new Map<number, Bytes>();
  for (const { counter } of JSON.parse(text).nftables) {
    const [, way, slot] = /^([rt]x)_(\d+)$/.exec(counter?.name ?? "") ?? [];
    if (!way) continue;
    const bytes = counter.bytes + counter.packets * HEADER_BYTES;
    found.set(Number(slot), { ...found.get(Number(slot)) ?? { rx: 0, tx: 0 }, [way]: bytes });
  }
  return found;
}

/** Keeps the last count of each link to make rates of counts. */
export class Rates {
  readonly #last = new Map<string, { atMs: number; interface: string } & Bytes>();

  /** Bits per second since the last count of this link and by the same interface; undefined for the first, and after a reset. */
  take(
    link: string,
    device: string,
    { rx, tx }: Bytes,
    atMs: number,
  ): (Bytes & { elapsedMs: number }) | undefined {
    const before = this.#last.get(link);
    this.#last.set(link, { atMs, interface: device, rx, tx });
    if (!before || before.interface !== device || atMs <= before.atMs || rx < before.rx || tx < before.tx) {
      return undefined;
    }
    const elapsedMs = atMs - before.atMs;
    return {
      rx: (rx - before.rx) * 8000 / elapsedMs,
      tx: (tx - before.tx) * 8000 / elapsedMs,
      elapsedMs,
    };
  }

  /** Forgets links that are gone. */
  keep(links: ReadonlySet<string>): void {
    for (const name of this.#last.keys()) if (!links.has(name)) this.#last.delete(name);
  }
}
