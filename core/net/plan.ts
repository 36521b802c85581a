// The pure difference between what is desired, what the kernel has and what we remember to have put there.
// In one file, though long: the rules of who may change what are only right together, and it must import nothing but the model.
import {
  type Family,
  identity,
  type InterfaceResource,
  lineIdentity,
  type QdiscResource,
  type Resource,
  type ResourceKind,
  type SysctlResource,
} from "./model.ts";
import type { Observed, Operation } from "./os.ts";

/** Who wants something, and under which of the owner's keys. */
export interface Holder {
  owner: string;
  key: string;
}

/** A desired resource with who wants it. */
export interface Owned extends Holder {
  resource: Resource;
  /** Left by a former run, and not yet claimed again. */
  inherited?: boolean;
  /** Who else wants the very same. */
  others?: Holder[];
}

/** What we remember of one resource that we put into the kernel, or found there and use. */
export interface JournalEntry extends Owned {
  /** The value found before ours, put back on release (settings and limits). */
  previous?: Resource;
  /** It was there before us: we use it and never delete it. */
  foreign: boolean;
  /** The kernel took it; false between the intent and its success. */
  applied: boolean;
  /** Hash of how the kernel shows it, for what cannot be compared with the wish (nft tables, qdiscs). */
  fingerprint?: string;
}

/** One operation, on whose behalf, and what it means for the journal. */
export interface Step {
  operation: Operation;
  owned: Owned;
  /** `hold`: note it before, confirm it after; `drop`: takes away, and is forgotten once a plan sees it gone. */
  effect: "hold" | "drop";
  previous?: Resource;
}

/** Two that want one thing; `the system` is who set something that is not in our journal. */
export interface Conflict {
  wanted: Owned;
  other: string;
}

/** What to do, in the order in which the kernel accepts it. */
export interface Plan {
  steps: Step[];
  /** Resources whose interface or address is not there yet: they wait, they do not fail. */
  deferred: { owned: Owned; reason: string }[];
  conflicts: Conflict[];
  /** Journal entries to write without touching the kernel: found as wished, or owned by another key now. */
  adopted: JournalEntry[];
  /** Identities that left the kernel on their own or are not ours to delete: forget them. */
  gone: string[];
}

/** The owner of what is in the kernel and not in our journal. */
export const THE_SYSTEM = "the system";

/**
 * Kinds in the order in which one needs the other; taken away in reverse. A firewall stands before anything can pass it, and
 * is the last to go but for interfaces, which it may name.
 */
const ORDER: ResourceKind[] = [
  "interface",
  "interfaceState",
  "nftTable",
  "sysctl",
  "address",
  "neighbour",
  "route",
  "rule",
  "mptcpLimits",
  "mptcpEndpoint",
  "qdisc",
];

/** What the kernel has at an identity. */
interface Present {
  /** Absent where the kernel's view cannot be told as a resource (nft tables, qdiscs): compare by `hash`. */
  resource?: Resource;
  hash?: string;
  /** Carries otb's own mark: routing protocol or table name. */
  marked: boolean;
}

/**
 * Computes the steps from `observed` to `desired`, one wish an identity, all resources canonical. Pure.
 *
 * `protocol` is the routing protocol number that marks our routes and rules.
 */
export function plan(desired: Owned[], observed: Observed, journal: JournalEntry[], protocol: number): Plan {
  const result: Plan = { steps: [], deferred: [], conflicts: [], adopted: [], gone: [] };
  const kernel = index(observed, protocol);
  const entries = new Map(journal.map((entry) => [identity(entry.resource), entry]));
  const wanted = new Map(desired.map((owned) => [identity(owned.resource), owned]));
  const leaving = new Set(
    [...entries].filter(([id, entry]) => !wanted.has(id) && !entry.foreign).map(([id]) => id),
  );
  const waitsFor = waiting([...wanted.values()], observed, leaving);

  for (const [id, owned] of wanted) {
    const entry = entries.get(id);
    const all = kernel.get(id) ?? [];
    const same = all.find((present) => isSame(owned.resource, present, entry));
    // A route of a table of its own outlives the address that it sends from; nothing can go by it then.
    const reason = same && owned.resource.kind !== "route" ? undefined : waitsFor(owned.resource);
    if (same && !(reason && same.marked)) {
      adopt(result, owned, entry, same);
      if (owned.resource.kind === "rule") {
        // A rule may be there twice, with two tables, after a crash in the middle of a change.
        for (const stray of all) {
          if (stray !== same && stray.marked) result.steps.push(remove(owned, stray.resource!));
        }
      }
      continue;
    }
    const was = same ?? all[0];
    if (was && !isOurs(owned.resource, was, entry)) {
      result.conflicts.push({ wanted: owned, other: THE_SYSTEM });
      continue;
    }
    if (reason) {
      result.deferred.push({ owned, reason });
      if (was && isRemovable(owned.resource)) {
        result.steps.push(remove(owned, was.resource ?? owned.resource));
      }
      // It left with its interface: who puts it there next owns it.
      if (!was && entry) result.gone.push(id);
      continue;
    }
    if (owned.resource.kind === "sysctl" && owned.resource.optional && !was) continue;
    put(result, owned, was, entry);
  }

  for (const [id, entry] of entries) {
    if (!wanted.has(id)) giveBack(result, entry, kernel.get(id) ?? []);
  }
  result.steps = inKernelOrder(result.steps);
  return result;
}

/** Adding or changing one resource, in as few and as gentle operations as its kind allows. */
function put(result: Plan, owned: Owned, was: Present | undefined, entry: JournalEntry | undefined): void {
  const { resource } = owned;
  const hold = (operation: Operation): Step => ({
    operation,
    owned,
    effect: "hold",
    previous: entry && !entry.foreign ? entry.previous : isSetting(resource) ? was?.resource : undefined,
  });
  if (!was) result.steps.push(hold({ verb: "add", resource }));
  else if (isReplaceable(resource, was.resource ?? entry?.resource, entry, was.hash)) {
    const from = was.resource ?? (resource.kind === "qdisc" ? entry?.resource : undefined);
    result.steps.push(hold({ verb: "replace", resource, was: from }));
  } else {
    result.steps.push(remove(owned, was.resource ?? resource), hold({ verb: "add", resource }));
  }
}

/** What nobody wants any more: back to what was before us, or away. */
function giveBack(result: Plan, entry: JournalEntry, all: Present[]): void {
  const { resource, previous } = entry;
  if (isSetting(resource)) {
    const now = all[0]?.resource;
    if (!entry.foreign && previous && now && text(now) !== text(previous)) {
      const operation: Operation = { verb: "replace", resource: previous, was: resource };
      result.steps.push({ operation, owned: entry, effect: "drop" });
    } else result.gone.push(identity(resource));
    return;
  }
  const ours = entry.foreign ? [] : all.filter((present) => isOurs(resource, present, entry, true));
  if (ours.length === 0) result.gone.push(identity(resource));
  for (const present of ours) result.steps.push(remove(entry, present.resource ?? resource));
}

function remove(owned: Owned, resource: Resource): Step {
  return { operation: { verb: "delete", resource }, owned, effect: "drop" };
}

/** Takes over what is already as wished; what nobody noted before us stays foreign. */
function adopt(
  result: Plan,
  { owner, key, resource, others }: Owned,
  entry: JournalEntry | undefined,
  same: Present,
) {
  if (
    entry?.applied && entry.owner === owner && entry.key === key &&
    JSON.stringify(entry.others) === JSON.stringify(others) && text(entry.resource) === text(resource)
  ) return;
  result.adopted.push({
    owner,
    key,
    resource,
    others,
    previous: entry?.previous,
    foreign: entry ? entry.foreign : !same.marked,
    applied: true,
    fingerprint: entry?.fingerprint,
  });
}

/** Whether the kernel already has exactly what is wished. */
function isSame(desired: Resource, present: Present, entry: JournalEntry | undefined): boolean {
  switch (desired.kind) {
    case "nftTable":
    case "qdisc":
      return !!entry && entry.applied && text(entry.resource) === text(desired) &&
        (entry.fingerprint === undefined || entry.fingerprint === present.hash);
    case "mptcpEndpoint": {
      const noted = entry?.resource.kind === "mptcpEndpoint" ? entry : undefined;
      const generation = noted?.resource.kind === "mptcpEndpoint" ? noted.resource.generation : undefined;
      // An unconfirmed entry may name a generation that the kernel never saw.
      if (noted && !noted.foreign && (!noted.applied || generation !== desired.generation)) return false;
      return content(desired) === content(present.resource);
    }
    case "address":
      // Ours is as it was asked for; one that was there before us is taken as it is.
      return entry && !entry.foreign
        ? text(desired) === text(present.resource!)
        : content(desired) === content(present.resource);
    case "interface": {
      // Where nobody asks for an address, any will do.
      const { mac: _, ...anyAddress } = present.resource as InterfaceResource;
      return content(desired) === content(desired.mac ? present.resource : anyAddress as Resource);
    }
    default:
      return content(desired) === content(present.resource);
  }
}

/** Whether we may change or delete what is there; `leaving` when nobody wants it any more. */
function isOurs(
  resource: Resource,
  present: Present,
  entry: JournalEntry | undefined,
  leaving = false,
): boolean {
  if (isSetting(resource) || present.marked) return true;
  if (!entry || entry.foreign) return false;
  // Somebody else's route or rule may have taken the place of ours; without our mark it is not ours to delete.
  if (leaving && (resource.kind === "route" || resource.kind === "rule")) {
    return content(resource) === content(present.resource);
  }
  return true;
}

/** Settings exist always: they change value and get the former one back. */
function isSetting(resource: Resource): boolean {
  return resource.kind === "sysctl" || resource.kind === "mptcpLimits" || resource.kind === "interfaceState";
}

function isRemovable(resource: Resource): boolean {
  return !isSetting(resource) && resource.kind !== "interface" && resource.kind !== "qdisc";
}

/** Whether one operation can change it in place, without a moment of absence. */
function isReplaceable(
  to: Resource,
  from: Resource | undefined,
  entry: JournalEntry | undefined,
  hash: string | undefined,
): boolean {
  switch (to.kind) {
    case "mptcpEndpoint": {
      if (from?.kind !== "mptcpEndpoint" || entry?.resource.kind !== "mptcpEndpoint") return false;
      const fixed = (flags: string[]) =>
        flags.filter((flag) => flag === "subflow" || flag === "signal").join();
      return entry.applied && entry.resource.generation === to.generation && from.address === to.address &&
        from.interface === to.interface && fixed(from.flags) === fixed(to.flags);
    }
    case "address":
      // The kernel does not change the flag of one that is there.
      return false;
    case "interface":
      return from?.kind === "interface" && from.type === to.type && from.parent === to.parent &&
        (to.mac === undefined || from.mac === to.mac);
    case "qdisc":
      if (from?.kind !== "qdisc" || to.parent !== "root") return false;
      // The same kind without children keeps its queue.
      if (!from.then && !to.then) return from.spec.find(isKind) === to.spec.find(isKind);
      // With children, what is there must be known to the last one.
      return !!entry?.applied && entry.fingerprint !== undefined && entry.fingerprint === hash &&
        haveSameFrame(from, to);
    default:
      return true;
  }
}

/** Whether two differ only in classes and child qdiscs, which can come, go and change one by one. */
function haveSameFrame(from: QdiscResource, to: QdiscResource): boolean {
  const filters = ({ then = [] }: QdiscResource) =>
    JSON.stringify(then.filter(([object]) => object === "filter"));
  const isClear = ({ then = [] }: QdiscResource) => new Set(then.map(lineIdentity)).size === then.length;
  return from.spec.join(" ") === to.spec.join(" ") && filters(from) === filters(to) && isClear(from) &&
    isClear(to);
}

/** The word of a tc spec that names the qdisc: the first that is neither `handle` nor its value. */
function isKind(word: string): boolean {
  return word !== "handle" && !word.endsWith(":");
}

/** Says why a resource must wait, given all that is or will be there. */
function waiting(desired: Owned[], observed: Observed, leaving: Set<string>) {
  const up = new Map<string, boolean>();
  const addresses = new Set<string>();
  const families = new Set<string>();
  const familyOf = (address: string): Family => address.includes(":") ? 6 : 4;
  const has = (device: string, address: string) => {
    addresses.add(address).add(`${device} ${address}`);
    families.add(`${device} ${familyOf(address)}`);
  };
  for (const device of observed.interfaces) {
    if (!leaving.has(`interface ${device.name}`)) up.set(device.name, device.up);
  }
  for (const { resource } of desired) {
    if (resource.kind === "interface" && (!resource.parent || up.has(resource.parent))) {
      up.set(resource.name, resource.up);
    }
    if (resource.kind === "interfaceState" && up.has(resource.interface)) {
      up.set(resource.interface, resource.up);
    }
  }
  for (const device of observed.interfaces) {
    if (!up.has(device.name)) continue;
    for (const { address, prefixLength } of device.addresses) {
      const id = identity({
        kind: "address",
        interface: device.name,
        cidr: `${address}/${prefixLength}`,
      });
      if (!leaving.has(id)) has(device.name, address);
    }
  }
  for (const { resource } of desired) {
    if (resource.kind === "address" && up.has(resource.interface)) {
      has(resource.interface, resource.cidr.split("/")[0]!);
    }
  }
  const missing = (device: string) => up.has(device) ? undefined : `interface ${device} is not there`;
  const down = (device: string) =>
    missing(device) ?? (up.get(device) ? undefined : `interface ${device} is switched off`);

  return (resource: Resource): string | undefined => {
    switch (resource.kind) {
      case "address":
      case "neighbour":
      case "qdisc":
      case "interfaceState":
        return missing(resource.interface);
      case "interface":
        return resource.parent && missing(resource.parent);
      case "route": {
        const { interface: device, source, via, family } = resource;
        if (device && down(device)) return down(device);
        if (source && !addresses.has(source)) return `address ${source} is not there`;
        if (device && via && !families.has(`${device} ${family}`)) {
          return `interface ${device} has no IPv${family} address`;
        }
        return undefined;
      }
      case "mptcpEndpoint":
        return down(resource.interface) ??
          (addresses.has(`${resource.interface} ${resource.address}`)
            ? undefined
            : `address ${resource.address} is not on interface ${resource.interface}`);
      case "sysctl": {
        const device = interfaceOfSysctl(resource);
        return device && missing(device);
      }
      default:
        return undefined;
    }
  };
}

/** The interface that a setting like `net/ipv4/conf/wan1/rp_filter` belongs to. */
function interfaceOfSysctl({ name }: SysctlResource): string | undefined {
  const [, device] = /^net\/ipv[46]\/(?:conf|neigh)\/([^/]+)\//.exec(name) ?? [];
  return device === "all" || device === "default" ? undefined : device;
}

/** All that the kernel has, by identity. */
function index(observed: Observed, protocol: number): Map<string, Present[]> {
  const kernel = new Map<string, Present[]>();
  const add = (id: string, present: Present) => {
    const all = kernel.get(id);
    if (all) all.push(present);
    else kernel.set(id, [present]);
  };
  const addResource = (resource: Resource, marked = false) => add(identity(resource), { resource, marked });
  for (const device of observed.interfaces) {
    const { name, type, parent, mac, up } = device;
    addResource({
      kind: "interface",
      name,
      type: (type ?? "physical") as "ifb",
      ...(type === "macvlan" ? { parent, mac } : {}),
      up,
    });
    addResource({ kind: "interfaceState", interface: name, up });
    for (const { address, prefixLength, noPrefixRoute } of device.addresses) {
      addResource({ kind: "address", interface: name, cidr: `${address}/${prefixLength}`, noPrefixRoute });
    }
  }
  for (const { protocol: by, ...route } of observed.routes) addResource(route, by === protocol);
  for (const { protocol: by, ...rule } of observed.rules) addResource(rule, by === protocol);
  for (const { protocol: by, ...neighbour } of observed.neighbours) addResource(neighbour, by === protocol);
  for (const endpoint of observed.mptcpEndpoints) addResource(endpoint);
  if (observed.mptcpLimits) addResource(observed.mptcpLimits);
  for (const [name, value] of Object.entries(observed.sysctls)) addResource({ kind: "sysctl", name, value });
  for (const { family, name, hash } of observed.nftTables) {
    add(identity({ kind: "nftTable", family, name, body: "" }), { hash, marked: name.startsWith("otb_") });
  }
  for (const { interface: device, parent, hash } of observed.qdiscs) {
    add(identity({ kind: "qdisc", interface: device, parent, spec: [] }), { hash, marked: false });
  }
  return kernel;
}

/** Everything that leaves first, last things first; then everything that comes, foundations first. */
function inKernelOrder(steps: Step[]): Step[] {
  const rank = ({ operation: { resource } }: Step) =>
    ORDER.indexOf(resource.kind) * 8 + specificity(resource);
  const leaves = (step: Step) => step.effect === "drop";
  return [
    ...steps.filter(leaves).sort((a, b) => rank(b) - rank(a)),
    ...steps.filter((step) => !leaves(step)).sort((a, b) => rank(a) - rank(b)),
  ];
}

/** Among resources of one kind, the lower comes first and leaves last. */
function specificity(resource: Resource): number {
  // A gateway must be reachable by a route without one.
  if (resource.kind === "route") return resource.via ? 1 : 0;
  // The kernel deletes the first rule that has what is given, and adds none that it finds that way (fib_nl2rule).
  if (resource.kind === "rule") {
    const { from, to, inputInterface, mark } = resource;
    return [from, to, inputInterface, mark].filter(Boolean).length;
  }
  return 0;
}

/** What the kernel can show of a resource, as comparable text. */
function content(resource: Resource | undefined): string {
  if (!resource) return "";
  const { generation: _, optional: __, noPrefixRoute: ___, ...rest } = resource as Resource & {
    generation?: number;
    optional?: boolean;
    noPrefixRoute?: boolean;
  };
  return text(rest);
}

/** Members sorted, so that the order in which somebody wrote them does not matter. */
function text(value: object): string {
  return JSON.stringify(Object.entries(value).filter(([, member]) => member !== undefined).sort());
}
