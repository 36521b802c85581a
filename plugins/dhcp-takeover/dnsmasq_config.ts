// The plan as dnsmasq reads it (dnsmasq(8)). Pure; every value is checked here once more, so that none can start a line or
// an option of its own, wherever it came from.
import { ipv4Number, isIpv4, isIpv6 } from "@otb/plugin";
import { LABEL, MAC } from "./config.ts";
import type { AnnouncerPlan } from "./ipv6.ts";
import type { ServedNetwork, ServePlan } from "./plan.ts";

/** Names that would make a device something else to others: a proxy (WPAD), a tunnel (ISATAP), this box, itself. */
const REFUSED_NAMES = ["wpad", "isatap", "otb", "localhost"];
/** The name of this box. */
const BOX_NAME = "otb.local";
/** Leases at most, however large the pool: bounded memory under a flood of invented devices. */
const MAX_LEASES = 1_000;
/** Option 114 has no name in dnsmasq 2.90 (RFC 8910). */
const CAPTIVE_PORTAL_OPTION = 114;

/** Attended, without files of its own, and nobody once it has its sockets. */
const COMMON = ["keep-in-foreground", "log-facility=-", "log-async=50", "pid-file", "user=dnsmasq"];

/**
 * The whole configuration.
 *
 * @param leaseFile path of the lease file
 * @throws RangeError when a value can't be a part of it
 */
export function dnsmasqConfig(plan: ServePlan, leaseFile: string): string {
  const addresses = plan.networks.flatMap(({ ranges }) => ranges)
    .reduce((sum, [first, last]) => sum + ipv4Number(last) - ipv4Number(first) + 1, plan.reservations.length);
  const lines = [
    ...COMMON,
    ...interfaceLines(plan.interface),
    "",
    "# A lease is in this file, and the file on the disk, before the device hears of it.",
    `dhcp-leasefile=${path(leaseFile)}`,
    `dhcp-lease-max=${Math.max(1, Math.min(MAX_LEASES, addresses))}`,
    "# The only server here: a device that comes back with an address of a range below keeps it, one with another is told at once.",
    "dhcp-authoritative",
    "# Who has which address is looked at before, by ARP: a ping holds everybody up for 3 s, and a firewall keeps it from telling.",
    "no-ping",
    ...REFUSED_NAMES.map((name) => `dhcp-name-match=set:refused,${name}`),
    "dhcp-ignore-names=tag:refused",
    ...plan.networks.flatMap((network, index) => networkLines(network, `n${index}`, plan)),
    ...(plan.renewSeconds ? [`dhcp-option=58,${whole(plan.renewSeconds)}`] : []),
    ...(plan.rebindSeconds ? [`dhcp-option=59,${whole(plan.rebindSeconds)}`] : []),
    ...(plan.captivePortalUrl
      ? [`dhcp-option=${CAPTIVE_PORTAL_OPTION},"${url(plan.captivePortalUrl)}"`]
      : []),
    ...hostLines(plan),
    "",
    ...dnsLines(plan),
  ];
  return `${lines.join("\n")}\n`;
}

function networkLines(
  { network, mask, own, router, dns, ranges }: ServedNetwork,
  tag: string,
  plan: ServePlan,
): string[] {
  return [
    // Beside the interface's own network, others lie on the same segment.
    ...(own ? [] : [`shared-network=${ipv4(plan.address)},${ipv4(network)}`]),
    ...ranges.map(([first, last]) =>
      `dhcp-range=set:${tag},${ipv4(first)},${ipv4(last)},${ipv4(mask)},${whole(plan.leaseSeconds)}`
    ),
    `dhcp-option=tag:${tag},option:router,${ipv4(router)}`,
    `dhcp-option=tag:${tag},option:dns-server,${ipv4(dns)}`,
  ];
}

/** One line a device: of two, dnsmasq would take either. */
function hostLines({ reservations, holds, names }: ServePlan): string[] {
  const given = new Map(names);
  const hosts = [...reservations, ...holds.map((hold) => ({ ...hold, name: given.get(hold.mac) }))];
  const told = new Set(hosts.map(({ mac }) => mac));
  return [
    ...hosts.map((
      { mac, address, name },
    ) => [macAddress(mac), ipv4(address), ...(name ? [label(name)] : [])]),
    ...names.filter(([mac]) => !told.has(mac)).map(([mac, name]) => [macAddress(mac), label(name)]),
  ].map((words) => `dhcp-host=${words.join(",")}`);
}

function dnsLines({ dns, address }: ServePlan): string[] {
  if (!dns) return ["port=0"];
  const domain = dns.domain.split(".").map(label).join(".");
  return [
    "# Nothing of this machine's own files: what the LAN is told comes from here alone.",
    "no-resolv",
    "no-hosts",
    "no-poll",
    ...dns.resolvers.map((resolver) => `server=${server(resolver)}`),
    `domain=${domain}`,
    `local=/${domain}/`,
    `host-record=${BOX_NAME},otb.${domain},${ipv4(address)}`,
    `local=/${BOX_NAME}/`,
    "domain-needed",
    "bogus-priv",
    // The box's own resolver keeps them out by itself, and takes no network of documentation for private.
    ...(dns.resolvers.every((resolver) => resolver.startsWith("127.")) ? [] : [
      "# No name of the Internet leads into this house, whoever was asked, but of domains that do so on purpose.",
      "stop-dns-rebind",
      ...dns.localDomains.map((name) => `rebind-domain-ok=/${name.split(".").map(label).join(".")}/`),
    ]),
    "cache-size=5000",
    "# An answer that ran out is given once more while a new one is fetched, or cannot be (RFC 8767); dnsmasq does not wait",
    "# for which, so it is not an old one.",
    "use-stale-cache=3600",
    "dns-forward-max=300",
    ...dns.sets.flatMap(({ domains, table, set4, set6 }) =>
      domains.map((name) =>
        `nftset=/${name.split(".").map(label).join(".")}/4#${nftTable(table)}#${nftName(set4)},6#${
          nftTable(table)
        }#${nftName(set6)}`
      )
    ),
  ];
}

/**
 * The configuration of a dnsmasq of its own that announces IPv6 and answers nothing but DHCPv6's questions for options: a
 * change of the rest does not silence it. Which prefix: the one of the interface's address, so that one which is taken away
 * is announced as deprecated, and the router as none, at once.
 * @throws RangeError when a value can't be a part of it
 */
export function announcerConfig({ interface: on, resolvers, timing }: AnnouncerPlan): string {
  const { everySeconds, routerSeconds, prefixSeconds } = timing;
  return [
    ...COMMON,
    "port=0",
    ...interfaceLines(on),
    "leasefile-ro",
    "enable-ra",
    `dhcp-range=::,constructor:${device(on)},ra-stateless,64,${whole(prefixSeconds)}`,
    "# Before a modem's own announcement (RFC 4191).",
    `ra-param=${device(on)},high,${whole(everySeconds)},${whole(routerSeconds)}`,
    `dhcp-option=option6:dns-server,${resolvers === "own" ? "[::]" : resolvers.map(ipv6).join(",")}`,
    "",
  ].join("\n");
}

function interfaceLines(on: string): string[] {
  return [`interface=${device(on)}`, "except-interface=lo", "bind-dynamic"];
}

function refuse(wanted: string, value: unknown): never {
  throw new RangeError(
    `Cannot tell dnsmasq as it must be ${wanted}: current value is ${JSON.stringify(value)}`,
  );
}

function matching(pattern: RegExp, wanted: string): (value: string) => string {
  return (value) => pattern.test(value) ? value : refuse(wanted, value);
}

const device = matching(/^[A-Za-z0-9_.-]{1,15}$/, "an interface name");
const path = matching(/^\/[A-Za-z0-9_./-]{1,250}$/, "a path");
const label = matching(LABEL, "one label of a name");
const macAddress = matching(MAC, "a MAC address");
const url = matching(/^https:\/\/[A-Za-z0-9.:/_~-]{1,200}$/, "an https address");
const nftName = matching(/^[A-Za-z_][A-Za-z0-9_]{0,31}$/, "an nftables name");

/** `inet otb_x` becomes `inet#otb_x`. */
function nftTable(table: string): string {
  const [family = "", name = "", rest] = table.split(" ");
  if (rest !== undefined || !["ip", "ip6", "inet"].includes(family)) refuse("an nftables table", table);
  return `${family}#${nftName(name)}`;
}

function ipv4(address: string): string {
  return isIpv4(address) ? address : refuse("an IPv4 address", address);
}

function ipv6(address: string): string {
  return isIpv6(address) ? `[${address}]` : refuse("an IPv6 address", address);
}

/** An address, for one of this box with its port. */
function server(text: string): string {
  const [, local, port] = /^(127\.[0-9.]+)#([1-9]\d{0,4})$/.exec(text) ?? [];
  return local && port ? `${ipv4(local)}#${port}` : ipv4(text);
}

function whole(seconds: number): string {
  return Number.isSafeInteger(seconds) && seconds > 0 ? String(seconds) : refuse("whole seconds", seconds);
}
