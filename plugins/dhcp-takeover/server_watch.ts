// What is heard of the LAN's other DHCP servers, and when everybody is asked anew who serves: discovery asks and tells, by facts.
import {
  type Context,
  DHCP_PROBE,
  DHCP_PROBE_WANTED,
  DHCP_SERVER,
  type DhcpProbeFact,
  type DhcpServerFact,
} from "@otb/plugin";
import type { Config } from "./config.ts";
import { serverOf } from "./facts.ts";
import type { Event } from "./machine.ts";

/** What was asked for and not done by then, nobody does. */
const PROBE_MISSED_MS = 15_000;

/** When a server was heard: as the fact says, and when that and its last offer were by the machine's clock. */
interface Dates {
  lastSeenMs: number;
  seenMs: number;
  offeredMs: number;
}

/** Whether a date is later than the former one by more than two readings of clocks differ. */
function isNews(formerMs = -Infinity, ms: number): boolean {
  return ms > formerMs + 250;
}

/** Turns facts into events of the machine. */
export class ServerWatch {
  /** When each server was last told of, as it was told and by our own clock. */
  #heardAt = new Map<string, Dates>();
  #probedAt: number | undefined;
  #wantedMs: number | undefined;

  /** @param now the machine's clock */
  constructor(
    private readonly ctx: Pick<Context<Config>, "clock" | "facts" | "network">,
    private readonly now: () => number,
    private readonly onEvent: (event: Event) => void,
  ) {}

  /** Follows the facts until the returned function is called. */
  start(): () => void {
    const servers = this.ctx.facts.watch(DHCP_SERVER);
    const probes = this.ctx.facts.watch(DHCP_PROBE);
    // What was heard before this run is told again if it still holds.
    for (const [mac, fact] of servers.current) this.#heardAt.set(mac, this.#datesOf(fact));
    const unsubscribe = [
      servers.subscribe((facts) => this.#takeServers(facts)),
      probes.subscribe((facts) => this.#takeProbes(facts)),
    ];
    return () => {
      for (const stop of unsubscribe) stop();
    };
  }

  /** Has everybody asked who serves, when it is time. @param dueMs undefined: not at all */
  askIfDue(dueMs: number | undefined): void {
    const { lan } = this.ctx.network.current;
    if (!lan || dueMs === undefined || dueMs > this.now()) return this.forgetAsking();
    this.#wantedMs ??= this.now();
    this.ctx.facts.publish(DHCP_PROBE_WANTED, { interface: lan.interface, atMs: this.ctx.clock.now() });
  }

  /** What was asked for is wanted no more. */
  forgetAsking(): void {
    this.#wantedMs = undefined;
  }

  /** Nobody does what was asked for. */
  get nobodyLooks(): boolean {
    return this.#wantedMs !== undefined && this.now() - this.#wantedMs > PROBE_MISSED_MS;
  }

  #takeServers(facts: ReadonlyMap<string, DhcpServerFact>): void {
    const own = this.ctx.network.current.lan?.address.split("/")[0];
    for (const [mac, fact] of facts) {
      const former = this.#heardAt.get(mac), dates = this.#datesOf(fact);
      if (former?.lastSeenMs === dates.lastSeenMs) continue;
      this.#heardAt.set(mac, dates);
      if (!isNews(former?.seenMs, dates.seenMs)) continue;
      const server = serverOf(fact);
      const isRefusal = !isNews(former?.offeredMs, dates.offeredMs);
      if (server && fact.onLan && server.server !== own) this.onEvent({ kind: "heard", server, isRefusal });
    }
    for (const mac of this.#heardAt.keys()) if (!facts.has(mac)) this.#heardAt.delete(mac);
  }

  /** Whoever set the system's clock let nobody be heard: the dates of all change together then. */
  #datesOf({ lastSeenMs, offeredMs }: DhcpServerFact): Dates {
    const own = (ms: number) => this.now() - (this.ctx.clock.now() - ms);
    return {
      lastSeenMs,
      seenMs: own(lastSeenMs),
      offeredMs: offeredMs === undefined ? -Infinity : own(offeredMs),
    };
  }

  #takeProbes(facts: ReadonlyMap<string, DhcpProbeFact>): void {
    const { lan } = this.ctx.network.current;
    const atMs = lan && facts.get(lan.interface)?.atMs;
    if (atMs === undefined || atMs === this.#probedAt) return;
    this.#probedAt = atMs;
    this.forgetAsking();
    this.onEvent({ kind: "probed" });
  }
}
