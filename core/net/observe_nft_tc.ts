// What `nft -s -t list ruleset` and `tc -j qdisc` print, as our model. Pure.
import { createHash } from "node:crypto";
import type { NftTableResource } from "./model.ts";
import type { ObservedNftTable, ObservedQdisc } from "./os.ts";

/** Tables of the families we use, each with a hash of its text. */
export function parseNftTables(ruleset: string): ObservedNftTable[] {
  const tables: ObservedNftTable[] = [];
  for (const [text, family, name] of ruleset.matchAll(/^table (\S+) (\S+) \{\n(?:.*\n)*?\}$/gm)) {
    if (["ip", "ip6", "inet", "netdev"].includes(family!)) {
      tables.push({ family: family as NftTableResource["family"], name: name!, hash: hashOf(text) });
    }
  }
  return tables;
}

/** Counters that tc prints among the options even without `-s`. */
const COUNTERS = new Set(["direct_packets_stat"]);

/** Root and ingress qdiscs that somebody set; the kernel's default ones have the handle 0. */
export function parseQdiscs(printed: Record<string, unknown>[]): ObservedQdisc[] {
  return printed.flatMap(({ kind, handle, dev, root, options }) => {
    const parent = kind === "ingress" || kind === "clsact"
      ? "ingress" as const
      : root
      ? "root" as const
      : undefined;
    if (!parent || handle === "0:") return [];
    const settings = Object.entries(options as object ?? {}).filter(([name]) => !COUNTERS.has(name));
    return [{
      interface: dev as string,
      parent,
      type: kind as string,
      hash: hashOf(JSON.stringify([kind, handle, settings])),
    }];
  });
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
