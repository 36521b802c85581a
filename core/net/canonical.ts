// One spelling per resource: checks every word that will reach a command line, and writes it the way the kernel prints it.
import { canonicalAddress, canonicalRange } from "../contract/address.ts";
import { OtbError } from "../contract/mod.ts";
import type { Family, Resource } from "./model.ts";

/** The metric that the kernel gives an IPv6 route when nobody says one (IP6_RT_PRIO_USER). */
export const IPV6_DEFAULT_METRIC = 1024;

const INTERFACE = /^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}$/;
const CONGESTION = /^[a-z0-9_]{1,15}$/;
const SYSCTL = /^[a-z0-9_]+(\/[A-Za-z0-9_-][A-Za-z0-9_.@-]*)+$/;
const SYSCTL_VALUE = /^[\x20-\x7e\t]{1,256}$/;
const NFT_NAME = /^otb_[a-z0-9_]{1,40}$/;
// Whitespace, quotes, backslash, `#` and `;` mean something to the batch readers of ip and tc.
const TC_WORD = /^[!$-&(-:<-\[\]-~]{1,128}$/;
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
const MARK = /^(0x[0-9a-f]{1,8}|\d{1,10})(\/(0x[0-9a-f]{1,8}|\d{1,10}))?$/i;

/** A claim comes as JSON from another process: a pattern would take a list of one word, or nothing, for its text. */
function is(pattern: RegExp, text: unknown): boolean {
  return typeof text === "string" && pattern.test(text);
}

function refuse(resource: Resource, rule: string, value: unknown): never {
  throw new OtbError(
    "resource-invalid",
    `Cannot use ${resource.kind} resource as ${rule}: current value is ${JSON.stringify(value)}`,
    "Correct the claim of the plugin; no command was run.",
  );
}

/**
 * The same resource in the one spelling that the kernel uses too, so that equal things are equal text.
 * @throws OtbError `resource-invalid`
 */
export function canonical(resource: Resource): Resource {
  const must = (holds: boolean, rule: string, value: unknown) => holds || refuse(resource, rule, value);
  const integer = (value: number, from: number, to: number, name: string) =>
    must(Number.isInteger(value) && value >= from && value <= to, `${name} must be ${from} to ${to}`, value);
  const device = (name: string) =>
    must(is(INTERFACE, name), "an interface name has 1 to 15 plain characters", name);
  const address = (text: string, family?: Family) =>
    canonicalAddress(text, family) ??
      refuse(resource, `an address must be IPv${family ?? "4 or IPv6"}`, text);
  const flag = (value: unknown, name: string) =>
    must(value === undefined || typeof value === "boolean", `${name} must be true or false`, value);
  const words = (value: unknown, name: string) =>
    must(
      Array.isArray(value) && value.every((word) => typeof word === "string"),
      `${name} must be words`,
      value,
    );
  const mac = (text: string) => {
    must(typeof text === "string", "mac must be text", text);
    const lower = text.toLowerCase();
    // The lowest bit of the first byte marks groups of stations (IEEE 802).
    const single = MAC.test(lower) && (parseInt(lower.slice(0, 2), 16) & 1) === 0;
    must(single && lower !== "00:00:00:00:00:00", "mac must be one station's address", text);
    return lower;
  };
  const prefix = (text: string, family: Family) =>
    canonicalPrefix(text, family) ?? refuse(resource, `a prefix must be IPv${family} in CIDR`, text);

  switch (resource.kind) {
    case "address": {
      device(resource.interface);
      flag(resource.noPrefixRoute, "noPrefixRoute");
      must(typeof resource.cidr === "string", "an address must be in CIDR", resource.cidr);
      const [text = "", length = ""] = resource.cidr.split("/");
      const host = address(text);
      must(
        /^\d{1,3}$/.test(length) && Number(length) <= (host.includes(":") ? 128 : 32),
        "an address needs its prefix length",
        resource.cidr,
      );
      return compact({
        kind: "address",
        interface: resource.interface,
        cidr: `${host}/${Number(length)}`,
        noPrefixRoute: resource.noPrefixRoute || undefined,
      });
    }
    case "neighbour":
      device(resource.interface);
      return {
        kind: "neighbour",
        interface: resource.interface,
        address: address(resource.address),
        mac: mac(resource.mac),
      };
    case "route": {
      const { family, table, interface: dev, via, source, metric, mtu, congestion } = resource;
      must(family === 4 || family === 6, "family must be 4 or 6", family);
      integer(table, 1, 0xffffffff, "table");
      if (metric !== undefined) integer(metric, 0, 0xffffffff, "metric");
      if (mtu !== undefined) integer(mtu, 68, 65535, "mtu");
      if (congestion !== undefined) {
        must(is(CONGESTION, congestion), "congestion must name an algorithm", congestion);
      }
      const type = resource.type ?? "unicast";
      must(["unicast", "local", "unreachable", "blackhole"].includes(type), "type must be known", type);
      const forwards = type === "unicast" || type === "local";
      must(
        !forwards || dev !== undefined || via !== undefined,
        "a route needs an interface or via",
        resource.to,
      );
      must(
        forwards || (dev ?? via) === undefined,
        `a route of type ${type} has no interface nor via`,
        dev ?? via,
      );
      if (dev !== undefined) device(dev);
      return compact({
        kind: "route",
        family,
        table,
        to: resource.to === "default" ? "default" : wholeIsNothing(prefix(resource.to, family)) ?? "default",
        type: type === "unicast" ? undefined : type,
        via: via && address(via, family),
        interface: dev,
        source: source && address(source, family),
        metric: family === 6 ? metric || IPV6_DEFAULT_METRIC : metric || undefined,
        congestion,
        mtu,
      });
    }
    case "rule": {
      must(resource.family === 4 || resource.family === 6, "family must be 4 or 6", resource.family);
      integer(resource.priority, 1, 32765, "priority");
      integer(resource.table, 1, 0xffffffff, "table");
      if (resource.inputInterface !== undefined) device(resource.inputInterface);
      if (resource.mark !== undefined) {
        must(is(MARK, resource.mark), "mark must be value or value/mask", resource.mark);
      }
      return compact({
        kind: "rule",
        family: resource.family,
        priority: resource.priority,
        from: resource.from && wholeIsNothing(prefix(resource.from, resource.family)),
        to: resource.to && wholeIsNothing(prefix(resource.to, resource.family)),
        inputInterface: resource.inputInterface,
        mark: resource.mark && canonicalMark(resource.mark),
        table: resource.table,
      });
    }
    case "mptcpEndpoint": {
      integer(resource.id, 1, 255, "id");
      device(resource.interface);
      words(resource.flags, "flags");
      const unknown = resource.flags.find((f) => !["subflow", "signal", "backup", "fullmesh"].includes(f));
      must(unknown === undefined, "flags must be known to ip-mptcp(8)", unknown);
      must(
        !(resource.flags.includes("signal") && resource.flags.includes("fullmesh")),
        "signal and fullmesh exclude each other",
        resource.flags.join(" "),
      );
      if (resource.generation !== undefined) {
        integer(resource.generation, 0, Number.MAX_SAFE_INTEGER, "generation");
      }
      return compact({
        kind: "mptcpEndpoint",
        id: resource.id,
        address: address(resource.address),
        interface: resource.interface,
        flags: [...new Set(resource.flags)].sort(),
        generation: resource.generation,
      });
    }
    case "mptcpLimits":
      integer(resource.subflows, 0, 8, "subflows");
      integer(resource.addAddrAccepted, 0, 8, "addAddrAccepted");
      return {
        kind: "mptcpLimits",
        subflows: resource.subflows,
        addAddrAccepted: resource.addAddrAccepted,
      };
    case "sysctl":
      must(is(SYSCTL, resource.name), "a setting is a path under /proc/sys", resource.name);
      flag(resource.optional, "optional");
      must(is(SYSCTL_VALUE, resource.value), "a setting's value is one printable line", resource.value);
      return compact({
        kind: "sysctl",
        name: resource.name,
        value: canonicalSysctlValue(resource.value),
        optional: resource.optional || undefined,
      });
    case "nftTable":
      must(
        ["ip", "ip6", "inet", "netdev"].includes(resource.family),
        "family must be ip, ip6, inet or netdev",
        resource.family,
      );
      must(is(NFT_NAME, resource.name), "a table's name starts with otb_", resource.name);
      must(
        typeof resource.body === "string" && isBalanced(resource.body),
        "a table's body must close every brace it opens, and no more",
        resource.body,
      );
      return { kind: "nftTable", family: resource.family, name: resource.name, body: resource.body };
    case "qdisc": {
      device(resource.interface);
      must(["root", "ingress"].includes(resource.parent), "parent must be root or ingress", resource.parent);
      words(resource.spec, "spec");
      must(Array.isArray(resource.then ?? []), "then must be lines", resource.then);
      for (const line of resource.then ?? []) words(line, "a further line");
      for (const word of [...resource.spec, ...(resource.then ?? []).flat()]) {
        must(is(TC_WORD, word), "a word of tc has no space, quote, # or ;", word);
      }
      must(
        resource.parent === "ingress" || resource.spec.length > 0,
        "spec must name a qdisc",
        resource.spec,
      );
      for (const line of resource.then ?? []) {
        const [object = "", verb = "", dev, name] = line;
        must(
          ["qdisc", "class", "filter"].includes(object) && ["add", "replace"].includes(verb) &&
            dev === "dev" && name === resource.interface,
          `a further line starts with qdisc|class|filter add|replace dev ${resource.interface}`,
          line.join(" "),
        );
      }
      return compact({
        kind: "qdisc",
        interface: resource.interface,
        parent: resource.parent,
        spec: resource.spec,
        then: resource.then?.length ? resource.then : undefined,
      });
    }
    case "interfaceState":
      device(resource.interface);
      must(typeof resource.up === "boolean", "up must be true or false", resource.up);
      return { kind: "interfaceState", interface: resource.interface, up: resource.up };
    case "interface":
      device(resource.name);
      must(typeof resource.up === "boolean", "up must be true or false", resource.up);
      must(
        ["ifb", "dummy", "macvlan"].includes(resource.type),
        "type must be ifb, dummy or macvlan",
        resource.type,
      );
      must(resource.type !== "macvlan" || !!resource.parent, "a macvlan needs a parent", resource.parent);
      if (resource.type === "macvlan") device(resource.parent!);
      return compact({
        kind: "interface",
        name: resource.name,
        type: resource.type,
        parent: resource.type === "macvlan" ? resource.parent : undefined,
        mac: resource.type === "macvlan" && resource.mac !== undefined ? mac(resource.mac) : undefined,
        up: resource.up,
      });
    default:
      return refuse(resource, "its kind must be known", (resource as { kind: unknown }).kind);
  }
}

/** A prefix as the kernel prints it: host bits cleared, `/32` and `/128` left out; undefined when malformed. */
export function canonicalPrefix(text: string, family: Family): string | undefined {
  if (typeof text !== "string") return undefined;
  const range = canonicalRange(text);
  if (range === undefined || range.includes(":") !== (family === 6)) return undefined;
  return range.replace(family === 4 ? /\/32$/ : /\/128$/, "");
}

/** `0x1/0xff` in lower case; a mask of all bits is left out. */
export function canonicalMark(text: string): string {
  const [value = "0", mask] = text.split("/");
  const hex = (word: string) => `0x${(Number(word) >>> 0).toString(16)}`;
  return mask === undefined || hex(mask) === "0xffffffff" ? hex(value) : `${hex(value)}/${hex(mask)}`;
}

/** A setting's value as /proc/sys gives it back, tabs made spaces. */
export function canonicalSysctlValue(text: string): string {
  return text.trim().replaceAll(/\s+/g, " ");
}

/** Everything, `/0`, is no selector in a rule and `default` in a route. */
function wholeIsNothing(prefix: string): string | undefined {
  return prefix.endsWith("/0") ? undefined : prefix;
}

function isBalanced(body: string): boolean {
  let depth = 0;
  for (const [token] of body.matchAll(/"[^"\n]*"|#[^\n]*|[{}]/g)) {
    if (token === "{") depth++;
    if (token === "}" && --depth < 0) return false;
  }
  return depth === 0;
}

/** Drops undefined members, so that equal resources are equal JSON. */
function compact<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}
