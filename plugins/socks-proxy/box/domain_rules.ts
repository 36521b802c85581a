// Which way a connection to a named server goes: the first rule that fits its device, port and name. Pure.
import type { DomainRulesFact } from "@otb/plugin";

/** One rule; without domains it is for every name, so that what stands after it is not reached. */
export type DomainRule = DomainRulesFact["rules"][number];

/** Where names are said in clear. */
const NAMED_PORTS = [80, 443];

/** A connection before its name is known. */
export interface Asked {
  /** MAC address of the device, where it is known. */
  device?: string;
  port: number;
}

/** The rules that a connection may meet; empty when its name makes no difference. */
export function candidates(rules: readonly DomainRule[], { device, port }: Asked): DomainRule[] {
  const fitting = rules.filter(({ devices, ports }) =>
    (devices === undefined || device !== undefined && devices.includes(device)) &&
    (ports === undefined ? NAMED_PORTS.includes(port) : ports.some((range) => inRange(port, range)))
  );
  const last = fitting.findIndex(({ domains }) => domains.length === 0);
  return last < 0 ? fitting : fitting.slice(0, last);
}

/** The rule for a name, among the candidates. */
export function ruleFor(rules: readonly DomainRule[], name: string): DomainRule | undefined {
  return rules.find(({ domains }) =>
    domains.some((domain) => name === domain || name.endsWith(`.${domain}`))
  );
}

function inRange(port: number, range: string): boolean {
  const [from = 0, to = from] = range.split("-").map(Number);
  return port >= from && port <= to;
}
