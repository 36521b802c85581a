// Which devices have their multicast from which link: those that a rule pins to one, such as an operator's TV box. Pure.
import type { MulticastWayFact } from "@otb/plugin";
import { macsOf, rangeOf } from "./rules/clauses.ts";
import type { Rule } from "./config.ts";
import { exceptions, ruleOutcome, type Situation } from "./rules/policy.ts";

/** IPv4 multicast (RFC 5771). */
const MULTICAST = rangeOf("224.0.0.0/4")!.span;

/**
 * One entry per link that some device's multicast belongs to. The first rule decides that is about the device and about what
 * multicast is: UDP, of no port and no name in particular. What would be bonded, or another operator's, is nobody's:
 * channels are there on their own link alone.
 */
export function multicastWays(situation: Situation): MulticastWayFact[] {
  const { config } = situation;
  const closed = new Set(exceptions(config).closed);
  const decided = new Set<string>();
  const found = new Map<string, MulticastWayFact>();
  for (const rule of config.rules) {
    if (!rule.enabled || !isAboutMulticast(rule)) continue;
    const macs = macsOf(rule.match, config.devices);
    // Whoever comes after a rule for everybody is decided; and nobody fetches channels for everybody.
    if (!macs) break;
    const outcome = ruleOutcome(rule, situation);
    for (const mac of macs) {
      if (decided.has(mac)) continue;
      decided.add(mac);
      if (closed.has(mac) || outcome.kind !== "link" || outcome.way.link !== rule.link) continue;
      const { link, interface: on } = outcome.way;
      const way = found.get(link) ?? { link, interface: on, devices: [] };
      way.devices.push(mac);
      found.set(link, way);
    }
  }
  return [...found.values()].map((way) => ({ ...way, devices: way.devices.sort() }));
}

function isAboutMulticast({ match }: Pick<Rule, "match">): boolean {
  const { addresses, domains, application, ports, protocol } = match;
  if (domains !== undefined || application !== undefined || ports !== undefined || protocol === "tcp") {
    return false;
  }
  return addresses === undefined || addresses.some((text) => {
    const range = rangeOf(text);
    return range?.family === 4 && range.span.from <= MULTICAST.to && MULTICAST.from <= range.span.to;
  });
}
