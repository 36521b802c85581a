// Which devices ask a link's own resolver for names: those that a rule pins whole to that link, such as an operator's TV box,
// which needs what only that operator knows. Pure.
import type { LinkResolverFact } from "@otb/plugin";
import { domainsOf, macsOf } from "./rules/clauses.ts";
import type { Match } from "./config.ts";
import { isClosed, ruleOutcome, type Situation } from "./rules/policy.ts";

/** Links whose own resolver can be asked. */
export type Resolvers = readonly LinkResolverFact[];

/** Where a pinned device's questions to the box go: to a link's resolver, or through the peer like all others, and why. */
export type NamesWay = LinkResolverFact | { because: string };

/** By MAC address, for every device that some rule pins whole to a link. The first such rule decides. */
export function namesWays(situation: Situation, resolvers: Resolvers): Map<string, NamesWay> {
  const { config } = situation;
  const ways = new Map<string, NamesWay | undefined>();
  /** Rules whose domains are learned from what the box is asked; for everybody, and by device. */
  let learning: string | undefined;
  const learningOf = new Map<string, string>();
  for (const rule of config.rules) {
    if (!rule.enabled) continue;
    const macs = macsOf(rule.match, config.devices);
    if (domainsOf(rule.match).length > 0) {
      if (!macs) learning ??= rule.name;
      for (const mac of macs ?? []) if (!learningOf.has(mac)) learningOf.set(mac, rule.name);
    }
    if (!isWhole(rule.match)) continue;
    // Whoever comes after a rule for everybody is decided.
    if (!macs) break;
    for (const mac of macs) {
      if (ways.has(mac)) continue;
      if (rule.way !== "link") {
        ways.set(mac, undefined);
        continue;
      }
      const before = learning ?? learningOf.get(mac);
      const outcome = ruleOutcome(rule, situation);
      const isThere = outcome.kind === "link" && outcome.way.link === rule.link;
      ways.set(
        mac,
        isClosed(config, mac)
          ? { because: "the kill-switch lets no question leave past it" }
          : before
          ? { because: `rule "${before}", which stands before, needs to know which addresses they have` }
          : !isThere
          ? { because: `link "${rule.link}" is dead` }
          : resolvers.find(({ link }) => link === rule.link) ??
            { because: `no resolver of link "${rule.link}" is known` },
      );
    }
  }
  return new Map([...ways].flatMap(([mac, way]) => way ? [[mac, way] as const] : []));
}

/** The devices of each link's resolver. */
export function askers(situation: Situation, resolvers: Resolvers): { port: number; macs: string[] }[] {
  const found = new Map<number, string[]>();
  for (const [mac, way] of namesWays(situation, resolvers)) {
    if ("port" in way) found.set(way.port, [...found.get(way.port) ?? [], mac]);
  }
  return [...found].sort(([a], [b]) => a - b).map(([port, macs]) => ({ port, macs: macs.sort() }));
}

/** A sentence on a device's names; undefined for one that is pinned to nothing. */
export function namesSentence(
  mac: string | undefined,
  situation: Situation,
  resolvers: Resolvers,
): string | undefined {
  const way = namesWays(situation, resolvers).get(mac ?? "");
  if (!way) return undefined;
  return "port" in way
    ? `Names that it asks the box for are asked of link "${way.link}"'s own resolver (${
      way.servers.join(", ")
    }) over that link, in clear and not through the peer; those of the LAN, and what that one does not know, of the box.`
    : `Names that it asks the box for are asked through the peer, as ${way.because}.`;
}

function isWhole({ domains, addresses, protocol, ports, application }: Match): boolean {
  return [domains, addresses, protocol, ports, application].every((one) => one === undefined);
}

/** Facts of another plugin, as far as they are what they should be, in an order that stays. */
export function resolversOf(facts: ReadonlyMap<string, LinkResolverFact>): LinkResolverFact[] {
  return [...facts.values()].filter(({ port }) => Number.isInteger(port) && port > 0 && port < 65_536)
    .sort((a, b) => a.port - b.port);
}
