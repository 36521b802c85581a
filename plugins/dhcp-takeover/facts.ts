// Facts of other plugins as this one uses them: looked at first, as anything may stand in them. Pure.
import {
  type DeviceNameFact,
  type DhcpServerFact,
  type DnsSetFact,
  ipv4Network,
  isIpv4,
  type ResolverFact,
} from "@otb/plugin";
import { LABEL, MAC } from "./config.ts";
import type { Server } from "./machine.ts";

const MAX_NAMES = 1_024, MAX_SETS = 64, MAX_DOMAINS = 2_000;

/** A server, without what is not what it should be; undefined when it can't be told from others. */
export function serverOf(fact: DhcpServerFact): Omit<Server, "heardMs"> | undefined {
  const { mac, server, router, network, vendor } = fact;
  if (!MAC.test(String(mac)) || !isIpv4(String(server))) return undefined;
  // deno-lint-ignore no-control-regex
  const said = typeof vendor === "string" ? vendor.replace(/[\x00-\x1f\x7f-\x9f]/g, "").slice(0, 60) : "";
  return {
    mac,
    server,
    ...(typeof router === "string" && isIpv4(router) ? { router } : {}),
    ...(typeof network === "string" && ipv4Network(network) ? { network } : {}),
    ...(said ? { vendor: said } : {}),
  };
}

/** Names that a person gave, as host names; one that cannot be one is left out. */
export function deviceNames(facts: ReadonlyMap<string, DeviceNameFact>): Map<string, string> {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  for (const { mac, name } of [...facts.values()].slice(0, MAX_NAMES)) {
    const host = String(name).toLowerCase().replace(/[^a-z0-9-]+/g, "-").replace(/^-+|-+$/g, "");
    if (!MAC.test(String(mac)) || !LABEL.test(host) || taken.has(host)) continue;
    taken.add(host);
    names.set(mac, host);
  }
  return names;
}

/** Sets that our DNS fills; domains that are none are left out. */
export function dnsSets(facts: ReadonlyMap<string, DnsSetFact>): DnsSetFact[] {
  const name = /^[A-Za-z_][A-Za-z0-9_]{0,31}$/;
  let left = MAX_DOMAINS;
  return [...facts].sort(([a], [b]) => a < b ? -1 : 1).slice(0, MAX_SETS).flatMap(([, fact]) => {
    const { table, set4, set6 } = fact;
    if (
      !/^(ip|ip6|inet) [A-Za-z_][A-Za-z0-9_]{0,31}$/.test(String(table)) || !name.test(set4) ||
      !name.test(set6)
    ) return [];
    const domains = (Array.isArray(fact.domains) ? fact.domains : []).map((domain) =>
      String(domain).toLowerCase()
    )
      .filter(isDomain)
      .slice(0, left);
    left -= domains.length;
    return domains.length > 0 ? [{ table, set4, set6, domains }] : [];
  });
}

/** The box's own resolver as dnsmasq names a server: `127.0.0.1#5335`; undefined when there is none on a loopback address. */
export function resolverOf(fact: ResolverFact | undefined): string | undefined {
  const { address, port } = fact ?? {};
  const usable = isIpv4(String(address)) && String(address).startsWith("127.") &&
    Number.isInteger(port) && port! > 0 && port! < 65_536;
  return usable ? `${address}#${port}` : undefined;
}

/** The domains that the box's own resolver lets lead into the LAN. */
export function localDomainsOf(fact: ResolverFact | undefined): string[] {
  const { localDomains } = fact ?? {};
  return (Array.isArray(localDomains) ? localDomains.map(String) : []).filter(isDomain).slice(0, MAX_SETS);
}

function isDomain(text: string): boolean {
  return text.length <= 253 && text.split(".").every((label) => LABEL.test(label));
}
