// What others are told that follows from rules and devices. Pure.
import type {
  DeviceNameFact,
  DnsSetFact,
  DomainRulesFact,
  MulticastWayFact,
  WhenPeerGoneFact,
} from "@otb/plugin";
import { domainsOf, isForEveryTarget, macsOf } from "./rules/clauses.ts";
import { setNames, TABLE, type Wish } from "./rules/compile.ts";
import { multicastWays } from "./multicast.ts";
import { ruleOutcome } from "./rules/policy.ts";

/** Sets by rule, names by MAC address, multicast ways by link. */
export interface Told {
  sets: Map<string, DnsSetFact>;
  names: Map<string, DeviceNameFact>;
  ways: Map<string, MulticastWayFact>;
  rules: DomainRulesFact["rules"];
  whenPeerGone: WhenPeerGoneFact;
}

/** Every fact to publish. */
export function factsOf({ config, numbers, ...situation }: Wish): Told {
  const sets: Told["sets"] = new Map(), names: Told["names"] = new Map();
  const byDomain: DomainRulesFact["rules"] = [];
  for (const rule of config.rules) {
    const domains = domainsOf(rule.match);
    const number = numbers.get(rule.name);
    if (!rule.enabled || number === undefined) continue;
    const outcome = ruleOutcome(rule, { config, ...situation });
    if (domains.length > 0) {
      sets.set(`rule-${number}`, { table: `inet ${TABLE}`, ...setNames(number), domains });
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
    if (name !== undefined) names.set(mac, { mac, name });
  }
  const own = Object.entries(config.devices).flatMap(([mac, { whenPeerGone }]) =>
    whenPeerGone ? [[mac, whenPeerGone]] : []
  );
  return {
    ...{ sets, names },
    ways: new Map(multicastWays({ config, ...situation }).map((way) => [way.link, way])),
    rules: byDomain.some(({ domains }) => domains.length > 0) ? byDomain : [],
    whenPeerGone: { way: config.whenPeerGone, devices: Object.fromEntries(own) },
  };
}
