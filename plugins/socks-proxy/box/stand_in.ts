// While the peer's proxy does not answer, the tunnel stands in for it: new TCP of the LAN is left alone and goes there.
import {
  type Context,
  type InterfaceFact,
  PEER,
  type PeerFact,
  TCP_WAY,
  type TcpWayFact,
  TUNNEL,
  type TunnelFact,
  type View,
} from "@otb/plugin";
import type { Config } from "../config.ts";
import { ProxyReach } from "./proxy_reach.ts";
import type { OutboundCounters } from "./outbound.ts";
import type { Words } from "../texts/mod.ts";

/** How often it is judged; while there is doubt the peer is asked this often. */
const JUDGE_EVERY_MS = 500, ASK_EVERY_MS = 1_000;

/** What is looked at. */
export interface StandInSettings {
  ctx: Context<Config, Words>;
  counters: OutboundCounters;
  /** The peer's name. */
  peer: string;
  interfaces: View<ReadonlyMap<string, InterfaceFact>>;
  /** Whether the peer's port takes a connection. */
  ask(): Promise<boolean>;
}

/** Follows whether the tunnel stands in, until the plugin stops. */
export class StandIn {
  #now = false;
  readonly #peers: View<ReadonlyMap<string, PeerFact>>;
  readonly #tunnels: View<TunnelFact | undefined>;
  readonly #reach = new ProxyReach();
  readonly #observers = new Set<() => Promise<void>>();
  #reached = 0;
  #unreachable = 0;
  #askedMs = -Infinity;
  #isHandingBack = false;
  #way: TcpWayFact["way"] = "proxy";

  constructor(private readonly settings: StandInSettings) {
    const { ctx } = settings;
    this.#peers = ctx.facts.watch(PEER);
    this.#tunnels = ctx.facts.watch(TUNNEL);
    this.#tell({ way: "proxy", isTaking: true });
    const timer = setInterval(() => this.#judge(), JUDGE_EVERY_MS);
    ctx.defer(() => clearInterval(timer));
  }

  /** New connections are for the tunnel. */
  get now(): boolean {
    return this.#now;
  }

  /** Which way new connections take, as the kernel does it: a change takes it a moment. */
  get way(): TcpWayFact["way"] {
    return this.#way;
  }

  /** @param onChange resolves once the kernel does as it says */
  subscribe(onChange: () => Promise<void>): () => void {
    this.#observers.add(onChange);
    return () => this.#observers.delete(onChange);
  }

  #judge(): void {
    const { ctx, counters, peer } = this.settings;
    const nowMs = performance.now();
    if (counters.reached > this.#reached) this.#reach.heard(true, nowMs);
    else if (counters.unreachable > this.#unreachable) this.#reach.heard(false, nowMs);
    ({ reached: this.#reached, unreachable: this.#unreachable } = counters);
    const out = this.#reach.isOut(this.#peers.current.get(peer)?.state, nowMs);
    if (this.#reach.doubtful && nowMs - this.#askedMs >= ASK_EVERY_MS) {
      this.#askedMs = nowMs;
      this.#ask().catch((error) => ctx.log.error("Cannot ask the peer", { reason: String(error) }));
    }
    const now = out && this.#isTunnelUp();
    if (now === this.#now) {
      if (!now && !this.#isHandingBack) this.#tell({ way: "proxy", isTaking: !out });
      return;
    }
    this.#now = now;
    ctx.log.warn(now ? "The tunnel stands in for the proxy" : "The proxy takes new connections again");
    if (now) ctx.health.raise("tunnel-carries-tcp");
    else ctx.health.clear("tunnel-carries-tcp");
    if (now) this.#tell({ way: "tunnel", isTaking: false });
    this.#apply(out).catch((error) => {
      this.#isHandingBack = false;
      ctx.log.error("Cannot change the way of new connections", { reason: String(error) });
    });
  }

  /** The way through the tunnel is given up by others only once the proxy takes what comes: nothing is refused in between. */
  async #apply(out: boolean): Promise<void> {
    this.#isHandingBack = !this.#now;
    await Promise.all([...this.#observers].map((onChange) => onChange()));
    this.#way = this.#now ? "tunnel" : "proxy";
    this.#isHandingBack = false;
    if (!this.#now) this.#tell({ way: "proxy", isTaking: !out });
  }

  #tell(fact: TcpWayFact): void {
    this.settings.ctx.facts.publish(TCP_WAY, fact);
  }

  async #ask(): Promise<void> {
    const { ctx, counters, ask } = this.settings;
    const answered = await ask();
    if (ctx.signal.aborted) return;
    this.#reach.heard(answered, performance.now());
    if (answered) counters.unreachable = 0;
  }

  /** It carries, as far as it says and its interface is there: of who died, the last word stays for a while. */
  #isTunnelUp(): boolean {
    const fact = this.#tunnels.current;
    return fact?.state === "up" && this.settings.interfaces.current.has(fact.interface);
  }
}
