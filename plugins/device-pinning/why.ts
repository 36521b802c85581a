// Why a connection goes where it goes: the same rules as the kernel's table, walked one by one, in words. Pure.
import type { DeviceFact, Json, Lan } from "@otb/plugin";
import { type Clause, clausesOf, domainsOf, macsOf, rangeOf } from "./rules/clauses.ts";
import type { Rule } from "./config.ts";
import type { Family } from "./flows/kernel.ts";
import {
  bestWay,
  bondedOutcome,
  isClosed,
  type Outcome,
  ruleOutcome,
  type Situation,
} from "./rules/policy.ts";

/** A connection in question. */
export interface Flow {
  mac?: string;
  /** An address, or a name where only that is known. */
  target: string;
  protocol: string;
  port?: number;
}

/** Whether DNS answered this address for the domains of a rule. */
export type Named = (rule: string, address: string) => boolean;

/** What becomes of a connection that begins now. */
export interface Verdict {
  /** Absent when no rule matched. */
  rule?: Rule;
  outcome: Outcome;
  /** The same if the link that it takes were dead; absent when it takes none. */
  ifDead?: Outcome;
}

/** Decides about a new connection as the kernel's table does. */
export function decide(flow: Flow, situation: Situation, named: Named): Verdict {
  const rule = situation.config.rules.find((rule) => rule.enabled && matches(rule, flow, situation, named));
  const outcome = outcomeOf(rule, flow, situation);
  if (outcome.kind !== "link") return { rule, outcome };
  const ways = situation.ways.map((way) =>
    way.link === outcome.way.link ? { ...way, usable: false, reason: "supposed to be dead" } : way
  );
  return { rule, outcome, ifDead: outcomeOf(rule, flow, { ...situation, ways }) };
}

function outcomeOf(rule: Rule | undefined, flow: Flow, situation: Situation): Outcome {
  const { config } = situation;
  const first: Outcome = rule ? ruleOutcome(rule, situation) : { kind: "bonded" };
  if (first.kind === "refuse") return first;
  if (first.kind === "link" && config.devices[flow.mac ?? ""]?.whenPeerGone !== "block") return first;
  return bondedOutcome(flow.protocol === "tcp", isClosed(config, flow.mac), situation);
}

/** Whether a rule matches; a target known by name only can match only by name. */
function matches(rule: Rule, flow: Flow, { config }: Situation, named: Named): boolean {
  const address = rangeOf(flow.target);
  const families: Family[] = address ? [address.family] : [4];
  const domains = domainsOf(rule.match);
  const holds = (clause: Clause) =>
    (clause.mac === undefined || clause.mac === flow.mac) &&
    (!clause.address ||
      address !== undefined && clause.address.from <= address.span.from &&
        address.span.to <= clause.address.to) &&
    (!clause.named || (address ? named(rule.name, flow.target) : isBelow(flow.target, domains))) &&
    (!clause.ports ||
      clause.ports.protocol === flow.protocol && clause.ports.from <= (flow.port ?? 0) &&
        (flow.port ?? 0) <= clause.ports.to);
  return families.some((family) => clausesOf(rule, family, config).some(holds));
}

/** A sentence on a target that is near: no rule decides about it; undefined when it is not, or known by name only. */
export function nearSentence(
  target: string,
  { lan, near }: { lan: Lan; near: string[] },
): string | undefined {
  const address = rangeOf(target);
  const network = address && [lan.address, ...near].find((cidr) => {
    const range = rangeOf(cidr);
    return range?.family === address.family && range.span.from <= address.span.from &&
      address.span.to <= range.span.to;
  });
  return network &&
    `${target} is on the network ${network} of ${
      network === lan.address ? "the LAN" : "a modem"
    }: it is reached there, in clear and not through the peer, and no rule decides about it.`;
}

/** Whether a name is one of some domains, or below one. */
export function isBelow(name: string, domains: string[]): boolean {
  return domains.some((domain) => name === domain || name.endsWith(`.${domain}`));
}

/** `DEVICE -> TARGET:PORT/PROTOCOL` as its parts; undefined when it is not written so. */
export function parseFlow(
  text: string,
): { source: string; target: string; protocol: string; port?: number } | undefined {
  const [, source, target, port, protocol] =
    /^\s*(\S{1,64})\s*->\s*(\[[0-9a-f:.]{2,45}\]|[^\s/:]{1,253})(?::(\d{1,5}))?(?:\/([a-z0-9]{1,10}))?\s*$/i
      .exec(
        text,
      ) ?? [];
  if (!source || !target || Number(port ?? 1) > 65_535) return undefined;
  return {
    source: source.toLowerCase(),
    target: target.replace(/^\[|\]$/g, "").toLowerCase(),
    protocol: (protocol ?? "tcp").toLowerCase(),
    ...port ? { port: Number(port) } : {},
  };
}

/** A device by MAC address, given name, own name or address. */
export function findDevice(
  text: string,
  { config: { devices } }: Situation,
  seen: Iterable<DeviceFact>,
): { mac: string; name?: string; addresses: string[] } | undefined {
  const wanted = text.toLowerCase();
  const facts = [...seen];
  const named = Object.keys(devices).find((mac) => mac === wanted || devices[mac]!.name === wanted);
  const fact = facts.find(({ mac, name, addresses }) =>
    mac === (named ?? wanted) || !named && (name?.toLowerCase() === wanted || addresses.includes(wanted))
  );
  const mac = named ?? fact?.mac ?? (/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(wanted) ? wanted : undefined);
  return mac ? { mac, name: devices[mac]?.name ?? fact?.name, addresses: fact?.addresses ?? [] } : undefined;
}

/** Sentences on a verdict. */
export function verdictSentences(
  { rule, outcome, ifDead }: Verdict,
  { tunnel }: Pick<Situation, "tunnel">,
): string[] {
  return [
    rule
      ? `Rule "${rule.name}" is the first that matches: ${conditions(rule)}; it says ${wish(rule)}.`
      : "No rule matches, so it is bonded.",
    `A connection that begins now ${outcomeText(outcome)}.`,
    ...outcome.kind === "bonded" && outcome.by === "tunnel" && tunnel.state === "waiting"
      ? [`The tunnel is not up now (${tunnel.reason}), and is given a moment before that counts.`]
      : [],
    ...ifDead && outcome.kind === "link"
      ? [
        `If link "${outcome.way.link}" died, it would end at once, and a new one ${
          conditional(outcomeText(ifDead))
        }.`,
      ]
      : [],
  ];
}

/** Sentences on a device as a whole: the rules that can match it, in order, and what holds otherwise. */
export function deviceSentences(mac: string, situation: Situation): string[] {
  const { config, peerGone, tunnel } = situation;
  const concerned = config.rules.filter(({ enabled, match }) =>
    enabled && (macsOf(match, config.devices)?.includes(mac) ?? true)
  );
  const flow = { mac, target: "", port: 0 };
  return [
    ...concerned.map((rule) =>
      `Rule "${rule.name}": ${conditions(rule)}: ${wish(rule)}; now it ${
        outcomeText(outcomeOf(rule, { ...flow, protocol: "tcp" }, situation))
      }.`
    ),
    `Everything else: TCP ${outcomeText(bondedOutcome(true, isClosed(config, mac), situation))}; the rest ${
      outcomeText(bondedOutcome(false, isClosed(config, mac), situation))
    }.`,
    ...config.nonTcp === "tunnel" && !peerGone
      ? [
        `${tunnel.state === "down" ? "The tunnel is down now" : "When the tunnel is down"}: ${
          pastThePeer(mac, situation, "the rest")
        }.`,
      ]
      : [],
    `${peerGone ? "No peer answers now" : "When no peer answers"}: ${pastThePeer(mac, situation, "all")}.`,
  ];
}

/** What becomes of what cannot go to the peer. */
function pastThePeer(mac: string, { config, ways }: Situation, what: "all" | "the rest"): string {
  if (isClosed(config, mac)) {
    return what === "all"
      ? "the kill-switch is on, nothing of this device leaves past the peer"
      : `the kill-switch is on, ${what} is refused`;
  }
  const way = bestWay(ways);
  return `${what === "all" ? "it" : what} leaves by the best link${way ? `, now "${way.link}"` : ""}`;
}

/** The answer of `why` in data. */
export function verdictJson({ rule, outcome, ifDead }: Verdict): { [key: string]: Json } {
  const data = (outcome: Outcome): Json =>
    outcome.kind === "link"
      ? { way: "link", link: outcome.way.link, interface: outcome.way.interface, forWantOfBond: outcome.open }
      : outcome.kind === "refuse"
      ? { way: "refused", reason: outcome.reason }
      : { way: "bonded", ...outcome.by ? { by: outcome.by } : {} };
  return { rule: rule?.name ?? null, now: data(outcome), ...ifDead ? { ifDead: data(ifDead) } : {} };
}

function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case "bonded":
      return outcome.by === "tunnel"
        ? `goes over all links through the tunnel to the peer${
          outcome.because ? `, as ${outcome.because}` : ""
        }`
        : "goes over all links through the peer";
    case "link":
      return `leaves by link "${outcome.way.link}"${
        outcome.open ? `, as ${outcome.because ?? "nothing bonded is there"}` : " alone"
      }, with that link's public address`;
    case "refuse":
      return `is refused: ${outcome.reason}`;
  }
}

/** A connection that runs, by what the kernel remembers of it. */
export interface Running {
  /** By which it was decided when it began. */
  rule: string | null;
  link: string | null;
  forWantOfBond: boolean;
  throughTunnel: boolean;
  decided: boolean;
  /** The box's address on the link; absent where it goes to the peer. */
  leavesAs?: string;
}

/** Which way it goes, and with whose address others see it: the link's public one, or the peer's. */
export function runningSentence({ rule, link, throughTunnel, decided, leavesAs }: Running): string {
  if (!decided) return "One such connection runs; it began before the rules and goes its own way.";
  const way = link
    ? `by link "${link}", with that link's public address (the box has ${leavesAs} there)`
    : `through the ${throughTunnel ? "tunnel to the peer" : "peer"}, with the peer's address`;
  return `One such connection runs: it was decided by ${
    rule ? `rule "${rule}"` : "no rule"
  } when it began and goes ${way}.`;
}

function conditional(text: string): string {
  return text.replace(/^goes/, "would go").replace(/^leaves/, "would leave").replace(
    /^is refused/,
    "would be refused",
  );
}

function conditions({ match }: Rule): string {
  const parts = [
    match.device && `device ${match.device}`,
    match.group && `group ${match.group}`,
    match.application && `application ${match.application}`,
    match.domains && match.addresses
      ? `${list(match.domains)} or ${list(match.addresses)}`
      : match.domains
      ? list(match.domains)
      : match.addresses && list(match.addresses),
    match.protocol,
    match.ports && `port ${list(match.ports)}`,
  ].filter(Boolean);
  return parts.length > 0 ? parts.join(", ") : "everything";
}

function list(words: string[]): string {
  return words.length <= 3
    ? words.join(", ")
    : `${words.slice(0, 3).join(", ")} and ${words.length - 3} more`;
}

function wish({ way, link, ifDead }: Rule): string {
  if (way === "bonded") return "bonded";
  if (way === "block") return "block";
  return `link "${link}", and ${ifDead === "other-link" ? "another link" : ifDead} while that is dead`;
}
