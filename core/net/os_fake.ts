// An operating system in memory for tests: follows the kernel's rules that the planner relies on, and can be told to fail.
import { describe, humanLines } from "./commands.ts";
import { identity, type Resource, type RuleResource, type SysctlResource } from "./model.ts";
import { joined } from "./netlink.ts";
import {
  ANYTHING,
  ApplyError,
  type Change,
  type Observed,
  type ObservedInterface,
  type Operation,
  type Os,
  OTB_PROTOCOL,
  type Reread,
} from "./os.ts";

/** Behaves like Linux as far as claims can tell; every operation that reached it is in `history`. */
export class OsFake implements Os {
  readonly state: Observed;
  readonly history: Operation[] = [];
  #failAfter: number | undefined;
  #failure = "";
  #onChange: ((change: Change) => void) | undefined;
  #told: Change | undefined;
  #handle = 0x8000;

  /** Starts from the given state, by default a machine with only `lo`. */
  constructor(state: Partial<Observed> = {}) {
    this.state = {
      interfaces: [fakeInterface("lo", 1)],
      routes: [],
      rules: [],
      neighbours: [],
      mptcpEndpoints: [],
      mptcpLimits: { kind: "mptcpLimits", subflows: 2, addAddrAccepted: 0 },
      nftTables: [],
      qdiscs: [],
      sysctls: {},
      ...structuredClone(state),
    };
  }

  observe(about: Resource[] = [], only?: Reread): Promise<Observed> {
    const names = new Set(about.flatMap((one) => one.kind === "sysctl" ? [one.name] : []));
    const known = Object.entries(this.state.sysctls).filter(([name]) => names.has(name));
    const now = { ...this.state, sysctls: Object.fromEntries(known) };
    const anew = [...only?.kinds ?? []].map((kind) => {
      const field = kind === "mptcpLimits" ? kind : `${kind}s` as const;
      return [field, now[field]];
    });
    return Promise.resolve(structuredClone(only ? { ...only.former, ...Object.fromEntries(anew) } : now));
  }

  apply(operations: Operation[]): Promise<void> {
    for (const [index, operation] of operations.entries()) {
      const refused = this.#failAfter === 0 ? this.#failure : this.#run(operation);
      if (this.#failAfter !== undefined && --this.#failAfter < 0) this.#failAfter = undefined;
      if (refused) return Promise.reject(new ApplyError(index, humanLines(operation)[0]!, refused));
      this.history.push(operation);
    }
    return Promise.resolve();
  }

  takeChange(): Change | undefined {
    const told = this.#told ?? { kinds: new Set(), flapped: new Set() };
    this.#told = undefined;
    return this.#onChange && told;
  }

  /** Tells who watches of a change. */
  tell(change: Change): void {
    this.#told = joined(this.#told, change);
    this.#onChange?.(change);
  }

  watch(onChange: (change: Change) => void, signal: AbortSignal): Promise<void> {
    this.#onChange = onChange;
    // What happened before is unknown.
    this.tell(ANYTHING);
    const { promise, resolve } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve(this.#onChange = undefined), { once: true });
    return promise;
  }

  /** Lets the operation fail that comes after `count` more. */
  failAfter(count: number, text = "Error: out of luck."): void {
    this.#failAfter = count;
    this.#failure = text;
  }

  /** Plugs an interface in, up and with carrier. */
  plugIn(device: ObservedInterface): void {
    this.state.interfaces.push(device);
    this.tell({ flapped: new Set([device.index]) });
  }

  /** Pulls an interface out: its addresses, routes and qdiscs go with it, MPTCP endpoints stay as orphans. */
  pullOut(name: string): void {
    const { state } = this;
    const index = state.interfaces.find((device) => device.name === name)?.index;
    state.interfaces = state.interfaces.filter((device) => device.name !== name && device.parent !== name);
    state.routes = state.routes.filter((route) => route.interface !== name);
    state.neighbours = state.neighbours.filter((neighbour) => neighbour.interface !== name);
    state.qdiscs = state.qdiscs.filter((qdisc) => qdisc.interface !== name);
    for (const endpoint of state.mptcpEndpoints) {
      if (endpoint.interface === name) endpoint.interface = `if${index}`;
    }
    this.tell({ flapped: new Set(index === undefined ? [] : [index]) });
  }

  /** Does one operation; gives the kernel's objection, if any. */
  #run({ verb, resource, was }: Operation): string | undefined {
    const { state } = this;
    const device = "interface" in resource &&
      state.interfaces.find(({ name }) => name === resource.interface);
    const removing = verb === "delete";
    switch (resource.kind) {
      case "interface":
        if (removing) this.pullOut(resource.name);
        else {
          const { kind: _, ...shown } = resource;
          const there = state.interfaces.find(({ name }) => name === resource.name);
          if (there) this.#switch(there, resource.up);
          else {state.interfaces.push({
              ...fakeInterface(resource.name, state.interfaces.length + 100),
              ...shown,
            });}
        }
        return;
      case "interfaceState":
        if (!device) return removing ? undefined : "Cannot find device";
        this.#switch(device, resource.up);
        return;
      case "address": {
        if (!device) return removing ? undefined : "Cannot find device";
        const [address = "", length] = resource.cidr.split("/");
        const others = device.addresses.filter((a) => `${a.address}/${a.prefixLength}` !== resource.cidr);
        const wasThere = others.length < device.addresses.length;
        if (!removing && wasThere) return;
        device.addresses = removing ? others : [
          ...others,
          {
            ...{ family: address.includes(":") ? 6 : 4, address, prefixLength: Number(length) },
            ...resource.noPrefixRoute ? { noPrefixRoute: true } : {},
          },
        ];
        if (removing) state.routes = state.routes.filter((route) => route.source !== address);
        // With the last IPv4 address the kernel drops all IPv4 routes of the interface (fib_disable_ip).
        if (
          removing && wasThere && resource.cidr.includes(".") && others.every(({ family }) => family !== 4)
        ) {
          state.routes = state.routes.filter((route) =>
            route.family !== 4 || route.interface !== device.name
          );
        }
        return;
      }
      case "neighbour":
        if (!device) return removing ? undefined : "Cannot find device";
        state.neighbours = state.neighbours.filter((neighbour) => identity(neighbour) !== identity(resource));
        if (!removing) state.neighbours.push({ ...resource, protocol: OTB_PROTOCOL });
        return;
      case "route": {
        const id = identity(resource);
        if (removing) {
          state.routes = state.routes.filter((r) => identity(r) !== id || r.protocol !== OTB_PROTOCOL);
          return;
        }
        if (resource.interface && !device) return "Cannot find device";
        if (device && !device.up) return "RTNETLINK answers: Network is down";
        const { source } = resource;
        if (source && !state.interfaces.some((d) => d.addresses.some((a) => a.address === source))) {
          return "Error: Invalid prefsrc address.";
        }
        if (verb === "add" && state.routes.some((r) => identity(r) === id)) return;
        state.routes = state.routes.filter((r) => identity(r) !== id);
        state.routes.push({ ...resource, protocol: OTB_PROTOCOL });
        return;
      }
      case "rule": {
        const drop = (gone: RuleResource) => {
          const index = state.rules.findIndex((rule) =>
            rule.protocol === OTB_PROTOCOL && covers(
              {
                ...gone,
                inputInterface: gone.inputInterface ?? rule.inputInterface,
                mark: gone.mark ?? rule.mark,
              },
              rule,
            )
          );
          if (index >= 0) state.rules.splice(index, 1);
        };
        if (!removing && !state.rules.some((rule) => covers(resource, rule))) {
          state.rules.push({ ...resource, protocol: OTB_PROTOCOL });
        }
        if (removing) drop(resource);
        if (was?.kind === "rule") drop(was);
        return;
      }
      case "mptcpEndpoint": {
        const others = state.mptcpEndpoints.filter(({ id }) => id !== resource.id);
        if (verb === "add" && others.some(({ address }) => address === resource.address)) {
          return "Error: too many addresses or duplicate one: -17.";
        }
        if (!removing && !device) return "Error: device does not exist";
        const { generation: _, ...shown } = resource;
        state.mptcpEndpoints = removing ? others : [...others, shown];
        return;
      }
      case "mptcpLimits":
        state.mptcpLimits = resource;
        return;
      case "sysctl":
        return this.#write(resource);
      case "nftTable": {
        const { family, name, body } = resource;
        state.nftTables = state.nftTables.filter((table) => table.family !== family || table.name !== name);
        if (!removing) state.nftTables.push({ family, name, hash: body });
        return;
      }
      case "qdisc": {
        const { interface: on, parent, spec } = resource;
        if (!device) return removing ? undefined : "Cannot find device";
        state.qdiscs = state.qdiscs.filter((qdisc) => qdisc.interface !== on || qdisc.parent !== parent);
        const hash = `${spec.join(" ")} ${(this.#handle++).toString(16)}:`;
        if (!removing) state.qdiscs.push({ interface: on, parent, type: spec[0] ?? "ingress", hash });
        return;
      }
    }
  }

  /** The kernel drops the routes of an interface that is switched off. */
  #switch(device: ObservedInterface, up: boolean): void {
    device.up = up;
    if (!up) this.state.routes = this.state.routes.filter((route) => route.interface !== device.name);
  }

  #write(resource: SysctlResource): string | undefined {
    if (!(resource.name in this.state.sysctls)) return `${describe(resource)}: No such file or directory`;
    this.state.sysctls[resource.name] = resource.value;
  }
}

/** An interface that is up, with carrier and the given addresses in CIDR. */
export function fakeInterface(name: string, index: number, cidrs: string[] = []): ObservedInterface {
  return {
    name,
    index,
    hardware: 1,
    mtu: 1500,
    up: true,
    carrier: true,
    addresses: cidrs.map((cidr) => {
      const [address = "", length] = cidr.split("/");
      return { family: address.includes(":") ? 6 : 4, address, prefixLength: Number(length) };
    }),
  };
}

/** The kernel's notion of "this rule is there": a source or destination that is not given matches any; on deletion, all. */
function covers(given: RuleResource, rule: RuleResource): boolean {
  return given.family === rule.family && given.priority === rule.priority && given.table === rule.table &&
    given.inputInterface === rule.inputInterface && given.mark === rule.mark &&
    (!given.from || given.from === rule.from) && (!given.to || given.to === rule.to);
}
