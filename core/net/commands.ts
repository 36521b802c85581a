// From an operation to the command lines that do it. Pure: used by os_linux to run them and by previews to show them.
import { type Family, lineIdentity, type Resource } from "./model.ts";
import { type Operation, OTB_PROTOCOL } from "./os.ts";

/** One line for one tool. */
export interface Command {
  /** `ip -4` and `ip -6` where the family does not follow from the words. */
  tool: "ip" | "ip -4" | "ip -6" | "tc" | "nft" | "sysctl";
  /** A batch line without the tool; for nft a script, for sysctl `name=value`. */
  line: string;
  /** Kernel answers that mean: it is already as we want it. */
  tolerated?: RegExp;
}

const EXISTS = /File exists|already assigned|duplicate one: -16/;
const GONE =
  /No such (process|file or directory|device)|not found|does not exist|Cannot (find device|assign requested address|delete qdisc with handle of zero)|Invalid handle/;

/** The command lines of one operation, in order. */
export function commandsOf({ verb, resource, was }: Operation): Command[] {
  const tolerated = verb === "delete" ? GONE : verb === "add" ? EXISTS : undefined;
  const command = (tool: Command["tool"], ...words: (string | number | undefined | false)[]): Command => ({
    tool,
    line: words.filter((word) => word !== undefined && word !== false && word !== "").join(" "),
    tolerated,
  });
  const ip = (family: Family): Command["tool"] => family === 4 ? "ip -4" : "ip -6";

  switch (resource.kind) {
    case "address": {
      // The address is configured by us alone, so waiting for duplicate detection would only delay binding to it.
      const nodad = verb !== "delete" && resource.cidr.includes(":") && "nodad";
      const plain = verb !== "delete" && resource.noPrefixRoute && "noprefixroute";
      return [command("ip", "address", verb, resource.cidr, "dev", resource.interface, nodad, plain)];
    }
    case "neighbour": {
      const { interface: device, address, mac } = resource;
      if (verb === "delete") return [command("ip", "neighbour", "delete", address, "dev", device)];
      // Not `add`: an entry that the kernel learned by itself would be in the way.
      const words = ["lladdr", mac, "dev", device, "nud", "permanent", "protocol", OTB_PROTOCOL];
      return [command("ip", "neighbour", "replace", address, ...words)];
    }
    case "route": {
      const { family, table, to, type, via, interface: device, source, metric, congestion, mtu } = resource;
      const selector = [
        type,
        to,
        ...option("via", via),
        ...option("dev", device),
        ...option("metric", metric),
        "table",
        table,
        "proto",
        OTB_PROTOCOL,
      ];
      if (verb === "delete") return [command(ip(family), "route", "delete", ...selector)];
      const attributes = [...option("src", source), ...option("mtu", mtu), ...option("congctl", congestion)];
      return [command(ip(family), "route", verb, ...selector, ...attributes)];
    }
    case "rule": {
      const words = (rule: typeof resource) => [
        ...option("from", rule.from),
        ...option("to", rule.to),
        ...option("iif", rule.inputInterface),
        ...option("fwmark", rule.mark),
        "priority",
        rule.priority,
        "lookup",
        rule.table,
        "protocol",
        OTB_PROTOCOL,
      ];
      const tool = ip(resource.family);
      if (verb !== "replace") return [command(tool, "rule", verb, ...words(resource))];
      // The new one first: there is no moment without a rule.
      const add = { ...command(tool, "rule", "add", ...words(resource)), tolerated: EXISTS };
      if (was?.kind !== "rule") return [add];
      return [add, { ...command(tool, "rule", "delete", ...words(was)), tolerated: GONE }];
    }
    case "mptcpEndpoint": {
      const { id, address, interface: device, flags } = resource;
      if (verb === "delete") return [command("ip", "mptcp", "endpoint", "delete", "id", id)];
      if (verb === "add") {
        return [command("ip", "mptcp", "endpoint", "add", address, "id", id, "dev", device, ...flags)];
      }
      const changeable = ["backup", "fullmesh"] as const;
      const words = changeable.map((flag) => flags.includes(flag) ? flag : `no${flag}`);
      return [command("ip", "mptcp", "endpoint", "change", "id", id, ...words)];
    }
    case "mptcpLimits": {
      const { subflows, addAddrAccepted } = resource;
      return [
        command("ip", "mptcp", "limits", "set", "subflows", subflows, "add_addr_accepted", addAddrAccepted),
      ];
    }
    case "sysctl":
      return [command("sysctl", `${resource.name}=${resource.value}`)];
    case "nftTable": {
      const table = `table ${resource.family} ${resource.name}`;
      // Adding before deleting makes the deletion valid in any case; the script is one transaction.
      const empty = `add ${table}\ndelete ${table}\n`;
      return [{ tool: "nft", line: verb === "delete" ? empty : `${empty}${table} {\n${resource.body}\n}\n` }];
    }
    case "qdisc": {
      const { interface: device, parent, spec, then = [] } = resource;
      if (verb === "delete") return [command("tc", "qdisc", "delete", "dev", device, parent)];
      if (verb === "replace" && was?.kind === "qdisc" && (then.length > 0 || was.then)) {
        return changedLines(device, was.then ?? [], then).map((words) => command("tc", ...words));
      }
      const qdisc = command("tc", "qdisc", verb, "dev", device, parent, ...spec);
      return [{ ...qdisc, tolerated: undefined }, ...then.map((words) => ({ ...command("tc", ...words) }))];
    }
    case "interfaceState":
      return [command("ip", "link", "set", "dev", resource.interface, resource.up ? "up" : "down")];
    case "interface": {
      const { name, type, parent, mac, up } = resource;
      if (verb === "delete") return [command("ip", "link", "delete", "dev", name)];
      const mode = type === "macvlan" ? ["mode", "bridge"] : [];
      const add = command(
        "ip",
        "link",
        "add",
        ...option("link", parent),
        "name",
        name,
        ...option("address", mac),
        "type",
        type,
        ...mode,
      );
      const set = command("ip", "link", "set", "dev", name, up ? "up" : "down");
      return verb === "add" ? [add, set] : [set];
    }
  }
}

/**
 * From some further lines of a qdisc to others, while packets flow: what goes, last things first; what changes, in place; what
 * comes. A class that changes keeps its queue and its counters (tc_ctl_tclass in the kernel's sch_api.c).
 */
function changedLines(device: string, former: string[][], next: string[][]): string[][] {
  const now = new Map(former.map((line) => [lineIdentity(line), line.join(" ")]));
  const wanted = new Set(next.map(lineIdentity));
  const gone = former.filter((line) => !wanted.has(lineIdentity(line))).reverse();
  return [
    ...gone.map((line) => {
      const place = line[0] === "class" ? "classid" : "parent";
      return [line[0]!, "delete", "dev", device, place, line[line.indexOf(place) + 1]!];
    }),
    ...next.flatMap((line) => {
      const was = now.get(lineIdentity(line));
      if (was === line.join(" ")) return [];
      if (was === undefined) return [line];
      // A child of the same kind is changed by `replace`, of another one exchanged.
      return [[line[0]!, line[0] === "class" ? "change" : "replace", ...line.slice(2)]];
    }),
  ];
}

/** An operation as a person would type it; several lines where it takes several. */
export function humanLines(operation: Operation): string[] {
  return commandsOf(operation).map(({ tool, line }) =>
    tool === "sysctl"
      ? `sysctl -w "${line}"`
      : tool === "nft"
      ? `nft -f - <<END\n${line}END`
      : `${tool} ${line}`
  );
}

/** A resource in a few words, for messages. */
export function describe(resource: Resource): string {
  switch (resource.kind) {
    case "address":
      return `address ${resource.cidr} on ${resource.interface}`;
    case "neighbour":
      return `neighbour ${resource.address} (${resource.mac}) on ${resource.interface}`;
    case "mptcpEndpoint":
      return `MPTCP endpoint ${resource.id} (${resource.address} on ${resource.interface})`;
    case "mptcpLimits":
      return "MPTCP limits";
    case "sysctl":
      return `setting ${resource.name}`;
    case "nftTable":
      return `nft table ${resource.family} ${resource.name}`;
    case "qdisc":
      return `${resource.parent} qdisc of ${resource.interface}`;
    case "interface":
      return `interface ${resource.name}`;
    case "interfaceState":
      return `interface ${resource.interface} switched ${resource.up ? "on" : "off"}`;
    case "route":
    case "rule":
      return `${resource.kind} ${
        commandsOf({ verb: "add", resource })[0]!.line.split(" ").slice(2).join(" ")
      }`;
  }
}

function option(word: string, value: string | number | undefined): (string | number)[] {
  return value === undefined ? [] : [word, value];
}
