// Turns a rule into the plain conditions that it stands for, and tells whether two of them can meet in one packet. Pure.
import ipaddr from "ipaddr.js";
import type { Family } from "../flows/kernel.ts";
import { APPLICATIONS } from "./applications.ts";
import type { Config, Match, Rule } from "../config.ts";

/** Whole numbers from one to another, both included: addresses, or ports. */
export interface Span<T extends bigint | number = bigint> {
  from: T;
  to: T;
}

/** Ports of one protocol. */
export interface Ports extends Span<number> {
  protocol: "tcp" | "udp";
}

/** One conjunction of simple conditions; what is absent matches everything. */
export interface Clause {
  rule: string;
  mac?: string;
  address?: Span;
  /** The addresses that the LAN's DNS answered for the rule's domains, in place of `address`. */
  named?: boolean;
  ports?: Ports;
}

/** The MAC addresses that a rule is about; undefined when it is about every device. */
export function macsOf({ device, group }: Match, devices: Config["devices"]): string[] | undefined {
  if (device === undefined && group === undefined) return undefined;
  return [...new Set([...device === undefined ? [] : [device], ...Object.keys(devices)])].filter((mac) =>
    /^[0-9a-f:]{17}$/.test(mac) &&
    (device === undefined || mac === device || devices[mac]?.name === device) &&
    (group === undefined || devices[mac]?.groups.includes(group))
  );
}

/** Whether a rule holds wherever a TCP connection of its devices and ports goes. */
export function isForEveryTarget(
  { match: { addresses, domains, application, protocol } }: { match: Match },
): boolean {
  return addresses === undefined && domains === undefined && application === undefined && protocol !== "udp";
}

/** The domains that a rule follows. */
export function domainsOf({ domains, application }: Match): string[] {
  return domains ?? APPLICATIONS.get(application ?? "")?.domains ?? [];
}

/** A rule for one address family, as clauses of which any suffices. */
export function clausesOf({ name: rule, match }: Rule, family: Family, config: Config): Clause[] {
  const macs = macsOf(match, config.devices);
  const application = APPLICATIONS.get(match.application ?? "");
  const targets: Pick<Clause, "address" | "named">[] = (match.addresses ?? []).flatMap((range) => {
    const address = rangeOf(range);
    return address && address.family === family ? [{ address: address.span }] : [];
  });
  if (domainsOf(match).length > 0) targets.push({ named: true });
  const anywhere = match.addresses === undefined && match.domains === undefined;
  const alternatives: Pick<Clause, "address" | "named" | "ports">[] = application
    ? [...targets, ...(application.ports ?? []).flatMap((list) => portsOf([list.ports], list.protocol))]
    : product(anywhere ? [{}] : targets, portsOf(match.ports, match.protocol));
  const devices: Pick<Clause, "mac">[] = macs ? macs.map((mac) => ({ mac })) : [{}];
  return product(devices, alternatives).map((clause) => ({ rule, ...clause }));
}

/** How many clauses a rule has at most, without making them. */
export function sizeOf({ match }: Rule, config: Config): number {
  const macs = macsOf(match, config.devices)?.length ?? 1;
  const ports = portsOf(match.ports, match.protocol).length;
  const application = APPLICATIONS.get(match.application ?? "")?.ports?.length ?? 0;
  return macs * (((match.addresses?.length ?? 0) + 1) * ports + application);
}

/** Whether some packet can match both. */
export function meet(a: Clause, b: Clause): boolean {
  return (a.mac === undefined || b.mac === undefined || a.mac === b.mac) &&
    (!a.address || !b.address || a.address.from <= b.address.to && b.address.from <= a.address.to) &&
    (!a.ports || !b.ports ||
      a.ports.protocol === b.ports.protocol && a.ports.from <= b.ports.to && b.ports.from <= a.ports.to);
}

/** Whether every packet that matches `b` matches `a`. */
export function covers(a: Clause, b: Clause): boolean {
  return (a.mac === undefined || a.mac === b.mac) &&
    (a.named ? a.rule === b.rule && b.named === true : !a.address ||
      b.address !== undefined && a.address.from <= b.address.from && b.address.to <= a.address.to) &&
    (!a.ports ||
      b.ports !== undefined && a.ports.protocol === b.ports.protocol && a.ports.from <= b.ports.from &&
        b.ports.to <= a.ports.to);
}

/** An address or CIDR range with its family, host bits cleared; undefined when it is none. */
export function rangeOf(text: string): { family: Family; span: Span } | undefined {
  const [address = "", length, rest] = text.split("/");
  // ipaddr.js also takes octal and short forms, which mean something else elsewhere.
  const four = ipaddr.IPv4.isValidFourPartDecimal(address);
  if (rest !== undefined || !four && !(address.includes(":") && ipaddr.IPv6.isValid(address))) {
    return undefined;
  }
  const family = four ? 4 : 6, bits = four ? 32 : 128;
  if (length !== undefined && Number(length) > bits) return undefined;
  const value = BigInt(
    `0x${ipaddr.parse(address).toByteArray().map((byte) => byte.toString(16).padStart(2, "0")).join("")}`,
  );
  const size = 1n << BigInt(bits - Number(length ?? bits));
  const from = value / size * size;
  return { family, span: { from, to: from + size - 1n } };
}

/** An address from its value. */
export function addressText(value: bigint, family: Family): string {
  const bytes = Array.from(
    { length: family === 4 ? 4 : 16 },
    (_, index, bits = BigInt((family === 4 ? 24 : 120) - 8 * index)) => Number(value >> bits & 0xffn),
  );
  return ipaddr.fromByteArray(bytes).toString();
}

/** `5060` or `8000-8100` as numbers; undefined when they are no ports. */
export function portRange(text: string): Span<number> | undefined {
  const [from = 0, to = from] = text.split("-").map(Number);
  return from >= 1 && from <= to && to <= 65_535 ? { from, to } : undefined;
}

function portsOf(ranges: string[] | undefined, protocol: string | undefined): Pick<Clause, "ports">[] {
  if (!ranges && !protocol) return [{}];
  const spans = ranges ? ranges.flatMap((range) => portRange(range) ?? []) : [{ from: 0, to: 65_535 }];
  const protocols = protocol ? [protocol as Ports["protocol"]] : ["tcp", "udp"] as const;
  return protocols.flatMap((protocol) => spans.map((span) => ({ ports: { protocol, ...span } })));
}

function product<A extends object, B extends object>(left: A[], right: B[]): (A & B)[] {
  return left.flatMap((a) => right.map((b) => ({ ...a, ...b })));
}
