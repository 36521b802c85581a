// Listens to what the kernel tells of changes, and looks at what it tells nothing of: settings, MPTCP endpoints and limits.
import { setTimeout as delay } from "node:timers/promises";
import ipaddr from "ipaddr.js";
import { Errno, type Native, openNative, PollEvents } from "../native/ffi.ts";
import { canonicalAddress } from "../contract/address.ts";
import type { ResourceKind } from "./model.ts";
import {
  familyOf,
  familyQuestion,
  joined,
  type Known,
  type Message,
  messages,
  MPTCP,
  mptcpQuestion,
  neighbourKey,
  NETLINK,
  NFTABLES_GROUPS,
  nftChange,
  type PathManager,
  pathManagerOf,
  ROUTE_GROUPS,
  routeChange,
} from "./netlink.ts";
import { ANYTHING, type Change, type Observed, type Reread } from "./os.ts";

/** Changes come in bursts: one plugged cable makes a dozen of messages. */
const DEBOUNCE_MS = 100;
/** How often is looked at what nobody tells of: repaired within a second, and next to nothing on an idle machine. */
const LOOK_MS = 500;
const RETRY_MS = 1_000;
const BUFFER_BYTES = 65_536;

/** What was last read of the kernel, and what of it is wanted. */
export interface Seen {
  observed: Observed;
  staticSets: ReadonlySet<string>;
  /** Kinds that somebody claims. */
  kinds: ReadonlySet<ResourceKind>;
}

/** How the watch looks at the kernel. */
export interface WatchOptions {
  /** Path of the network namespace; absent: this one. */
  namespace?: string;
  seen(): Seen | undefined;
  readSysctls(names: string[]): Promise<Observed["sysctls"]>;
  /** Given who listens from now on, and undefined when nobody does any more. */
  listen(listener: Listener | undefined): void;
}

/** Hears what the kernel tells. */
export interface Listener {
  /** What it told since the last call; no kinds where that is nothing. */
  takeChange(): Change;
  /** MPTCP's endpoints and limits, asked now; undefined where the kernel has none or cannot be asked. */
  pathManager(
    interfaces: Observed["interfaces"],
  ): Pick<Observed, "mptcpEndpoints" | "mptcpLimits"> | undefined;
}

const NOTHING: Change = { kinds: new Set(), flapped: new Set() };

/** Calls back, debounced, after anything that somebody claims may have changed; runs until aborted. */
export async function watchKernel(
  options: WatchOptions,
  onChange: (change: Change) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      using watch = new Watch(openNative(), options);
      options.listen(watch);
      try {
        await watch.run(onChange, signal);
      } finally {
        options.listen(undefined);
      }
    } catch {
      // No descriptors or memory for the moment.
      await delay(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
}

class Watch implements Listener {
  /** What was heard and nobody has taken; what happened before it listened is unknown. */
  #heard: Change | undefined = ANYTHING;
  readonly #sockets: { fd: number; read: (message: Message, known: Known) => Change | undefined }[] = [];
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #generic: number;
  #family: number | undefined;

  constructor(private readonly native: Native, private readonly options: WatchOptions) {
    const open = (protocol: number, groups: number[]) =>
      native.netlinkOpen(protocol, groups, options.namespace);
    this.#generic = open(NETLINK.generic, []);
    this.#sockets.push({ fd: open(NETLINK.route, ROUTE_GROUPS), read: routeChange });
    try {
      this.#sockets.push({ fd: open(NETLINK.netfilter, NFTABLES_GROUPS), read: nftChange });
    } catch {
      // A kernel without nf_tables changes none.
    }
  }

  async run(onChange: (change: Change) => void, signal: AbortSignal): Promise<void> {
    const poll = this.native.poll();
    const events = new Uint32Array(2 * 8);
    const wake = () => poll.wake();
    signal.addEventListener("abort", wake, { once: true });
    try {
      for (const [index, { fd }] of this.#sockets.entries()) poll.add(fd, PollEvents.in, index);
      let lookedMs = performance.now();
      while (!signal.aborted) {
        if (!this.#heard) await poll.waitAsync(events, LOOK_MS);
        this.#hear();
        if (this.#heard) await delay(DEBOUNCE_MS, undefined, { signal }).catch(() => {});
        // When anything may have changed, everything is read anyway.
        const isAll = this.#heard && !this.#heard.kinds;
        if (performance.now() - lookedMs >= LOOK_MS && !isAll) {
          lookedMs = performance.now();
          const looked = await this.#look();
          if (looked) this.#heard = joined(this.#heard, looked);
        }
        this.#hear();
        const change = this.#heard;
        this.#heard = undefined;
        if (change && !signal.aborted) onChange(change);
      }
    } finally {
      signal.removeEventListener("abort", wake);
      poll.close();
    }
  }

  takeChange(): Change {
    this.#hear();
    const told = this.#heard ?? NOTHING;
    this.#heard = undefined;
    return told;
  }

  /** Reads all that waits. */
  #hear(): void {
    const seen = this.options.seen();
    const known: Known = {
      staticSets: seen?.staticSets ?? new Set(),
      neighbours: neighboursOf(seen?.observed),
    };
    for (const { fd, read } of this.#sockets) {
      for (;;) {
        const count = this.native.read(fd, this.#buffer, 0, BUFFER_BYTES);
        if (count === -Errno.EAGAIN) break;
        if (count === -Errno.ENOBUFS) {
          // Some were lost: anything may have changed.
          this.#heard = ANYTHING;
          continue;
        }
        if (count <= 0) throw new Error(`a netlink socket ended with ${count}`);
        for (const message of messages(this.#buffer.subarray(0, count))) {
          const one = read(message, known);
          if (one) this.#heard = joined(this.#heard, one);
        }
      }
    }
  }

  /**
   * Looks at what the kernel tells nothing of. It counts what differs from what was last read, not from the last look: what was
   * changed before the first look, or again as before right after it was put back, would go unseen.
   */
  async #look(): Promise<Change | undefined> {
    const seen = this.options.seen();
    if (!seen) return undefined;
    const kinds = new Set<"sysctl" | "mptcpEndpoint" | "mptcpLimits">();
    const { sysctls } = seen.observed;
    if (seen.kinds.has("sysctl")) {
      const now = await this.options.readSysctls(Object.keys(sysctls));
      if (Object.keys(sysctls).some((name) => now[name] !== sysctls[name])) kinds.add("sysctl");
    }
    if (seen.kinds.has("mptcpEndpoint") || seen.kinds.has("mptcpLimits")) {
      const now = this.pathManager(seen.observed.interfaces);
      if (now !== undefined && mptcpText(now) !== mptcpText(seen.observed)) {
        kinds.add("mptcpEndpoint").add("mptcpLimits");
      }
    }
    return kinds.size > 0 ? { kinds: kinds as Reread["kinds"], flapped: new Set() } : undefined;
  }

  pathManager(
    interfaces: Observed["interfaces"],
  ): Pick<Observed, "mptcpEndpoints" | "mptcpLimits"> | undefined {
    this.#family ??= familyOf(this.#ask(familyQuestion("mptcp_pm")));
    if (this.#family === undefined) return undefined;
    const endpoints: PathManager["endpoints"] = [];
    let limits: PathManager["limits"];
    for (const command of [MPTCP.endpoints, MPTCP.limits]) {
      for (let answer = this.#ask(mptcpQuestion(this.#family, command));; answer = this.#next()) {
        if (answer.length === 0) return undefined;
        const part = pathManagerOf(answer);
        endpoints.push(...part.endpoints);
        limits = part.limits ?? limits;
        if (part.isWhole) break;
      }
    }
    const names = new Map(interfaces.map(({ index, name }) => [index, name]));
    return {
      mptcpEndpoints: endpoints.map(({ id, address, index, flags }) => ({
        kind: "mptcpEndpoint",
        id,
        address: canonicalAddress(ipaddr.fromByteArray([...address]).toString())!,
        interface: index === 0 ? "" : names.get(index) ?? `if${index}`,
        flags,
      })),
      mptcpLimits: limits && { kind: "mptcpLimits", ...limits },
    };
  }

  /** The kernel answers within the call of write: nothing is waited for. */
  #ask(question: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    this.native.write(this.#generic, question, 0, question.length);
    return this.#next();
  }

  #next(): Uint8Array<ArrayBuffer> {
    const count = this.native.read(this.#generic, this.#buffer, 0, BUFFER_BYTES);
    return this.#buffer.slice(0, Math.max(0, count));
  }

  [Symbol.dispose](): void {
    this.native.close(this.#generic);
    for (const { fd } of this.#sockets) this.native.close(fd);
  }
}

/** The path manager's state, in any order, as text to compare. */
function mptcpText(
  { mptcpEndpoints, mptcpLimits }: Pick<Observed, "mptcpEndpoints" | "mptcpLimits">,
): string {
  const endpoints = mptcpEndpoints.map(({ id, address, interface: device, flags }) =>
    `${id} ${address} ${device} ${flags.join()}`
  );
  return `${endpoints.sort().join("; ")}; ${mptcpLimits?.subflows} ${mptcpLimits?.addAddrAccepted}`;
}

function neighboursOf(observed: Observed | undefined): ReadonlySet<string> {
  const numbers = new Map(observed?.interfaces.map(({ name, index }) => [name, index]));
  return new Set(
    observed?.neighbours.map(({ interface: device, address }) =>
      neighbourKey(numbers.get(device) ?? 0, new Uint8Array(ipaddr.parse(address).toByteArray()))
    ),
  );
}
