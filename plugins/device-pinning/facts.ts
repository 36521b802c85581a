// What others are told that follows from rules and devices, by key. Pure.
import type { DomainRulesFact } from "@otb/plugin";
import { domainsOf, isForEveryTarget, macsOf } from "./rules/clauses.ts";
import { setNames, TABLE, type Wish } from "./rules/compile.ts";
import { multicastWays } from "./multicast.ts";
import { ruleOutcome } from "./rules/policy.ts";

/** Every fact to publish. */
export function factsOf({ config, numbers, ...situation }: Wish): Map<string, object> {
  const facts = new Map<string, object>();
  const byDomain: DomainRulesFact["rules"] = [];
  for (const rule of config.rules) {
    const domains = domainsOf(rule.match);
    const number = numbers.get(rule.name);
    if (!rule.enabled || number === undefined) continue;
    const outcome = ruleOutcome(rule, { config, ...situation });
    if (domains.length > 0) {
      facts.set(`dns-set/rule-${number}`, { table: `inet ${TABLE}`, ...setNames(number), domains });
    } else if (outcome.kind !== "bonded" || !isForEveryTarget(rule)) {
      // What leaves by a link or is refused never comes to the proxy.
      continue;
    }
    byDomain.push({
      rule: rule.name,
      domains,
      devices: macsOf(rule.match, config.devices),
      ports: rule.match.ports,
      way: outcome.kind === "refuse" ? "block" : outcome.kind,
      mark: outcome.kind === "link" ? outcome.way.mark : 0,
    });
  }
  for (const [mac, { name }] of Object.entries(config.devices)) {
    if (name !== undefined) facts.set(`device-name/${mac}`, { mac, name });
  }
  facts.set("domain-rules", { rules: byDomain.some(({ domains }) => domains.length > 0) ? byDomain : [] });
  for (const way of multicastWays({ config, ...situation })) facts.set(`multicast-way/${way.link}`, way);
  const own = Object.entries(config.devices).flatMap(([mac, { whenPeerGone }]) =>
    whenPeerGone ? [[mac, whenPeerGone]] : []
  );
  facts.set("when-peer-gone", { way: config.whenPeerGone, devices: Object.fromEntries(own) });
  return facts;
}
