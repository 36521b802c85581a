// What `nft -s -t list ruleset` and `tc -j -batch` print, as our model. Pure.
import { createHash } from "node:crypto";
import type { NftTableResource } from "./model.ts";
import type { ObservedNftTable, ObservedQdisc } from "./os.ts";

/** A set or map of ours whose elements are as its table's body says. */
export interface StaticSet {
  family: string;
  table: string;
  /** `set` or `map`, as nft names it. */
  kind: string;
  name: string;
}

const TABLE = /^table (\S+) (\S+) \{\n(?:.*\n)*?\}$/gm;

/**
 * Sets and maps of our tables that nobody fills while they are there: those without time limits that are not dynamic. What DNS or
 * rules put into the others is no change.
 */
export function staticSets(ruleset: string): StaticSet[] {
  return [...ruleset.matchAll(TABLE)].flatMap(([text, family, table]) =>
    table!.startsWith("otb_")
      ? [...text.matchAll(/^\t(set|map) (\S+) \{\n((?:\t\t.*\n)*)/gm)]
        .filter(([, , , body]) => !/\b(timeout|dynamic)\b/.test(body!))
        .map(([, kind, name]) => ({ family: family!, table: table!, kind: kind!, name: name! }))
      : []
  );
}

/** Tables of the families we use, each with a hash of its text and of the lists of its static sets. */
export function parseNftTables(ruleset: string, lists: (StaticSet & { text: string })[]): ObservedNftTable[] {
  const tables: ObservedNftTable[] = [];
  for (const [text, family, name] of ruleset.matchAll(TABLE)) {
    if (!["ip", "ip6", "inet", "netdev"].includes(family!)) continue;
    const elements = lists.filter((list) => list.family === family && list.table === name);
    tables.push({
      family: family as NftTableResource["family"],
      name: name!,
      hash: hashOf([text, ...elements.map((list) => list.text)].join("\n")),
    });
  }
  return tables;
}

/** Counters that tc prints among the options even without `-s`. */
const COUNTERS = new Set(["direct_packets_stat"]);

type Printed = Record<string, unknown>;

/** The lines for `tc -j -force -batch` that show all qdiscs, and what hangs below those of some devices. */
export function qdiscLines(devices: Iterable<string>): string[] {
  return [
    "qdisc show",
    ...[...devices].flatMap((device) => [
      `qdisc show dev ${device}`,
      `class show dev ${device}`,
      `filter show dev ${device}`,
      `filter show dev ${device} ingress`,
    ]),
  ];
}

/**
 * Root and ingress qdiscs that somebody set, from what those lines printed; the kernel's default ones have the handle 0. For the
 * devices asked about, in that order, the hash is over classes, child qdiscs and filters too; one that is gone printed nothing.
 */
export function parseQdiscs(text: string, devices: Iterable<string> = []): ObservedQdisc[] {
  const [first = "[]", ...lines] = text.split("\n").filter((line) => line !== "");
  const all = JSON.parse(first) as Printed[];
  const there = new Set(all.map(({ dev }) => dev));
  const asked = [...devices].filter((device) => there.has(device));
  // Each device begins with its qdiscs, which only then are printed without its name; classes are text even so.
  const parts: string[][] = [];
  for (const line of lines) {
    if (/^\[\{"kind":"[^"]+","handle":/.test(line)) parts.push([]);
    else parts.at(-1)?.push(line);
  }
  const below = new Map(asked.map((device, index) => [device, parts[index] ?? []]));
  return all.flatMap(({ kind, handle, dev, root, options }) => {
    const parent = kind === "ingress" || kind === "clsact"
      ? "ingress" as const
      : root
      ? "root" as const
      : undefined;
    if (!parent || handle === "0:") return [];
    const lines = below.get(dev as string) ?? [];
    const filters = lines.filter((line) => line.startsWith("["));
    const more = parent === "ingress" ? [filters[1] ?? ""] : [
      filters[0] ?? "",
      ...lines.filter((line) => !line.startsWith("[")),
      ...all.filter((child) =>
        child.dev === dev && child.parent && child.handle !== "0:" && !isIngress(child)
      )
        .map((child) => JSON.stringify([child.kind, child.handle, child.parent, settings(child.options)])),
    ];
    return [{
      interface: dev as string,
      parent,
      type: kind as string,
      hash: hashOf(
        JSON.stringify([
          kind,
          handle,
          settings(options),
          ...more.filter((one) => one !== "" && one !== "[]"),
        ]),
      ),
    }];
  });
}

function isIngress({ kind }: Printed): boolean {
  return kind === "ingress" || kind === "clsact";
}

function settings(options: unknown): [string, unknown][] {
  return Object.entries(options as object ?? {}).filter(([name]) => !COUNTERS.has(name));
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
