// The running watch over all links: evidence in, rounds of probes where evidence is missing, health and preflights out.
import type { Native } from "../../../core/native/ffi.ts";
import {
  type Context,
  INTERFACE,
  type InterfaceFact,
  type Json,
  type Link,
  LINK_HEALTH,
  LINK_WAY,
  type LinkWayFact,
  OtbError,
  PATH,
  type PathFact,
  PEER,
  type PeerFact,
  ROUTER_ADVERTISEMENT,
  TUNNEL,
  TUNNEL_PATH,
  type TunnelFact,
  type TunnelPathFact,
  type View,
} from "@otb/plugin";
import type { Bytes } from "../frames/addresses.ts";
import type { Config } from "../config.ts";
import { kindOf } from "../search/interfaces.ts";
import { ProbeSockets, type Way } from "./probe_sockets.ts";
import { PREFLIGHT, type Preflight, preflight } from "./preflight.ts";
import { MODEM_MS, round, type Targets } from "./rounds.ts";
import { RoundTrip } from "./round_trip.ts";
import { LinkHealth, type PathEvidence, type Seen, type Verdict } from "./verdict.ts";

const BEAT_MS = 250, IDLE_BEAT_MS = 1_000;
/** A link is looked at anew this long after the last time. */
const PREFLIGHT_MS = 24 * 3_600_000;
/** After a preflight that could not be had. */
const PREFLIGHT_RETRY_MS = 60_000;
/** Rates above this are traffic that was acknowledged, not a keep-alive. */
const CARRYING_BITS = 1_000;

/** What is remembered of one link. */
interface Watched {
  health: LinkHealth;
  roundTrip: RoundTrip;
  asking: boolean;
  turn: number;
  said?: string;
  /** The same without what changes all the time, for the log. */
  heard?: string;
  preflightUntilMs: number;
  looking?: Promise<Preflight>;
  preflight?: Preflight;
  unprovedSinceMs?: number;
  /** The fastest it was seen, bits per second. */
  fastestRx: number;
  fastestTx: number;
}

/** The watch; `describe` says everything of one link, `preflight` looks anew. */
export interface HealthWatch {
  readonly links: readonly Link[];
  pathOf(link: string): PathFact | undefined;
  describe(link: string): Json;
  preflight(link: string): Promise<Json>;
}

/** Starts to watch; ends with the context. */
export async function startHealth(ctx: Context<Config>, native: Native): Promise<HealthWatch> {
  const watch = new Watch(ctx, native);
  await watch.start();
  return watch;
}

class Watch implements HealthWatch {
  readonly #probes: ProbeSockets;
  readonly #links = new Map<string, Watched>();
  readonly #paths: View<ReadonlyMap<string, PathFact>>;
  readonly #ways: View<ReadonlyMap<string, LinkWayFact>>;
  readonly #peers: View<ReadonlyMap<string, PeerFact>>;
  readonly #tunnels: View<TunnelFact | undefined>;
  readonly #tunnelPaths: View<ReadonlyMap<string, TunnelPathFact>>;
  readonly #routers: View<ReadonlyMap<string, { interface: string }>>;
  readonly #interfaces: View<ReadonlyMap<string, InterfaceFact>>;
  readonly #random: (bytes: number) => Bytes;
  #stored: { [link: string]: Preflight } = {};
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isPeerMissed = false;
  #isTunnelMissed = false;
  #missedSinceMs = 0;
  #rounds = new Set<Promise<void>>();

  constructor(private readonly ctx: Context<Config>, native: Native) {
    this.#probes = new ProbeSockets(native);
    this.#random = (bytes) => native.random(new Uint8Array(bytes));
    this.#paths = ctx.facts.watch(PATH);
    this.#ways = ctx.facts.watch(LINK_WAY);
    this.#peers = ctx.facts.watch(PEER);
    this.#tunnels = ctx.facts.watch(TUNNEL);
    this.#tunnelPaths = ctx.facts.watch(TUNNEL_PATH);
    this.#routers = ctx.facts.watch(ROUTER_ADVERTISEMENT);
    this.#interfaces = ctx.facts.watch(INTERFACE);
  }

  async start(): Promise<void> {
    const { ctx } = this;
    // Echo requests without the right to send anything at all (icmp(7)).
    await ctx.claim("echo", [{
      kind: "sysctl",
      name: "net/ipv4/ping_group_range",
      value: "0\t0",
      optional: true,
    }]);
    this.#stored = await ctx.store.get<never>("preflights") ?? {};
    ctx.defer(async () => {
      clearTimeout(this.#timer);
      await this.#probes.close();
      await Promise.allSettled(this.#rounds);
    });
    for (const view of [this.#paths, this.#ways, this.#peers]) {
      ctx.defer(view.subscribe(() => this.#beat()));
    }
    ctx.defer(ctx.links.subscribe(() => this.#beat()));
    this.#beat();
  }

  get links(): readonly Link[] {
    return this.ctx.links.current;
  }

  pathOf(link: string): PathFact | undefined {
    return this.#paths.current.get(link);
  }

  describe(name: string): Json {
    const { link, watched } = this.#known(name);
    const seconds = (watched.roundTrip.timeoutMs / 1000).toFixed(1);
    return JSON.parse(JSON.stringify({
      health: link.health ?? { state: "unknown", reason: `no answer within ${seconds} s yet` },
      preflight: watched.preflight,
      path: this.#paths.current.get(name),
      fastest: { downBitsPerSecond: watched.fastestRx, upBitsPerSecond: watched.fastestTx },
    }));
  }

  async preflight(name: string): Promise<Json> {
    const { link, watched } = this.#known(name);
    const way = this.#wayOf(link);
    if (!way) {
      throw new OtbError(
        "link-not-usable",
        `Cannot look at a link as it must have an address and a gateway: "${name}" is ${
          link.observed.reason ?? "not routed yet"
        }`,
        `otb link show ${name}`,
      );
    }
    await this.#look(link, watched, way);
    return this.describe(name);
  }

  /** @throws OtbError `link-unknown` */
  #known(name: string): { link: Link; watched: Watched } {
    const link = this.ctx.links.current.find((link) => link.name === name);
    const watched = this.#links.get(name);
    if (link && watched) return { link, watched };
    throw new OtbError(
      "link-unknown",
      `Cannot find a link as it must be one of ${
        [...this.#links.keys()].join(", ") || "none"
      }: current value is "${name}"`,
      "otb link list",
    );
  }

  #nowMs(): number {
    return this.ctx.clock.monotonicMs();
  }

  /** Exactly this link's way, as it is routed; absent while nobody routes it. */
  #wayOf({ name, observed: { state, address, gateway } }: Link): (Way & { gateway: string }) | undefined {
    const way = this.#ways.current.get(name);
    if (state !== "up" || !gateway || way?.source !== address) return undefined;
    return { interface: way!.interface, source: way!.source, mark: way!.mark, gateway };
  }

  #targets(): Targets & { stun: { name: string; port: number }[] } {
    const { dnsName, dnsAnswers, resolvers, portalPage, portalStatus, stunServers } = this.ctx.config;
    const [peer] = this.ctx.network.current.peers;
    return {
      peer: peer && { host: peer.address, port: peer.port },
      name: dnsName,
      answers: dnsAnswers,
      resolvers,
      page: { url: new URL(portalPage), status: portalStatus },
      stun: stunServers.map((server) => {
        const [name = "", port = "3478"] = server.split(":");
        return { name, port: Number(port) };
      }),
    };
  }

  #beat(): void {
    if (this.ctx.signal.aborted) return;
    clearTimeout(this.#timer);
    const names = new Set(this.ctx.links.current.map(({ name }) => name));
    for (const name of this.#links.keys()) {
      if (names.has(name)) continue;
      this.#links.delete(name);
      this.ctx.facts.publish(LINK_HEALTH, name, undefined);
      this.ctx.facts.publish(PREFLIGHT, name, undefined);
    }
    this.#lookForMissed();
    let calm = true;
    for (const link of this.ctx.links.current) calm = this.#consider(link) && calm;
    this.#timer = setTimeout(() => this.#beat(), calm ? IDLE_BEAT_MS : BEAT_MS);
  }

  /** Whether the peer and its tunnel are there, as far as others say. */
  #lookForMissed(): void {
    const peers = [...this.#peers.current.values()], tunnel = this.#tunnels.current;
    const isPeerMissed = peers.length > 0 && peers.every(({ state }) => state !== "up");
    // Of who died, the last word stays for a while.
    const isTunnelMissed = tunnel?.state !== "up" ||
      !this.#interfaces.current.has(tunnel.interface);
    if (isPeerMissed && !this.#isPeerMissed || isTunnelMissed && !this.#isTunnelMissed) {
      this.#missedSinceMs = this.#nowMs();
    }
    this.#isPeerMissed = isPeerMissed;
    this.#isTunnelMissed = isTunnelMissed;
  }

  #watched(name: string): Watched {
    let watched = this.#links.get(name);
    if (!watched) {
      watched = {
        health: new LinkHealth(this.#nowMs()),
        roundTrip: new RoundTrip(),
        asking: false,
        turn: 0,
        preflightUntilMs: 0,
        preflight: this.#stored[name],
        fastestRx: 0,
        fastestTx: 0,
      };
      this.#links.set(name, watched);
      if (watched.preflight) this.ctx.facts.publish(PREFLIGHT, name, watched.preflight);
    }
    return watched;
  }

  /** Judges a link, and asks where that is due; says whether it is well. */
  #consider(link: Link): boolean {
    const watched = this.#watched(link.name);
    const nowMs = this.#nowMs();
    const path = this.#paths.current.get(link.name);
    watched.fastestRx = Math.max(watched.fastestRx, path?.rxBitsPerSecond ?? 0);
    watched.fastestTx = Math.max(watched.fastestTx, path?.txBitsPerSecond ?? 0);
    const tunnelPath = this.#tunnelPaths.current.get(link.name);
    const isProved = tunnelPath === undefined || tunnelPath.state === "up";
    watched.unprovedSinceMs = isProved ? undefined : watched.unprovedSinceMs ?? nowMs;
    const seen = this.#see(link, nowMs, watched);
    const verdict = watched.health.judge(seen);
    this.#tell(link.name, watched, verdict);
    const way = this.#wayOf(link);
    if (!way) return true;
    // Resting links may cost money by the byte.
    const everyMs = this.ctx.config.checkSeconds * 1000 * (link.tier === "backup" ? 3 : 1);
    if (!watched.asking && nowMs >= watched.health.nextRoundMs(seen, everyMs)) this.#ask(link, watched, way);
    this.#preflightIfNew(link, watched, way, verdict, nowMs);
    return verdict.state === "up" || verdict.state === "degraded";
  }

  #see({ name, tier, observed }: Link, nowMs: number, { unprovedSinceMs }: Watched): Seen {
    const path = this.#paths.current.get(name);
    const peers = [...this.#peers.current.values()];
    const seen = evidence(path, tier === "never");
    return {
      nowMs,
      broken: observed.state === "up" ? undefined : observed.reason ?? "its interface is not there",
      // Of who is not reached over any link, no path says anything.
      path: this.#isPeerMissed && seen === "answers" ? "silent" : seen,
      missedSinceMs: this.#isPeerMissed || this.#isTunnelMissed ? this.#missedSinceMs : undefined,
      unprovedSinceMs,
      // A queue that is full loses too, and nothing is the matter with that link.
      loss: path?.lineLoss,
      peerGone: peers.length > 0 && peers.every(({ state }) => state === "down"),
    };
  }

  #ask(link: Link, watched: Watched, way: Way & { gateway: string }): void {
    watched.asking = true;
    const asked = (async () => {
      const { outcome, rttMs } = await round(this.#probes, way, this.#targets(), this.#random, {
        withinMs: watched.roundTrip.timeoutMs * watched.health.patience,
        turn: watched.turn++,
        page: watched.health.metPortal || watched.turn === 1 || watched.unprovedSinceMs !== undefined,
      });
      watched.asking = false;
      const now = this.ctx.links.current.find(({ name }) => name === link.name);
      if (this.ctx.signal.aborted || !now || this.#links.get(link.name) !== watched) return;
      if (rttMs !== undefined) watched.roundTrip.take(rttMs);
      // What was asked over an address that is gone says nothing of the link as it is now.
      const same = this.#wayOf(now)?.source === way.source;
      this.#tell(
        link.name,
        watched,
        watched.health.judge(this.#see(now, this.#nowMs(), watched), same ? outcome : undefined),
      );
    })().catch((error) => {
      watched.asking = false;
      this.ctx.log.error("Cannot look at a link", { link: link.name, reason: String(error) });
    });
    this.#rounds.add(asked);
    void asked.finally(() => this.#rounds.delete(asked));
  }

  #tell(name: string, watched: Watched, { state, reason, sinceMs }: Verdict): void {
    const { answers } = watched.health;
    const said = `${state} ${reason} ${sinceMs} ${answers.peer} ${answers.internet}`;
    if (said === watched.said) return;
    watched.said = said;
    const epochMs = Math.round(this.ctx.clock.now() - (this.#nowMs() - sinceMs));
    this.ctx.facts.publish(LINK_HEALTH, name, {
      state,
      reason,
      sinceMs: epochMs,
      answers: { ...answers },
    });
    const heard = `${state} ${reason}`;
    if (state === "unknown" || heard === watched.heard) return;
    watched.heard = heard;
    this.ctx.log.info(`Link "${name}" is ${state}`, { reason: reason ?? "" });
  }

  #preflightIfNew(
    link: Link,
    watched: Watched,
    way: Way & { gateway: string },
    { state }: Verdict,
    nowMs: number,
  ): void {
    if (state !== "up" && state !== "degraded" || watched.looking || nowMs < watched.preflightUntilMs) return;
    const former = watched.preflight;
    const same = former?.address === way.source && former.gateway === way.gateway;
    if (same && this.ctx.clock.now() - former.atMs < PREFLIGHT_MS) return;
    watched.preflightUntilMs = nowMs + PREFLIGHT_RETRY_MS;
    void this.#look(link, watched, way).catch((error) =>
      this.ctx.log.warn("Cannot look at a link", { link: link.name, reason: String(error) })
    );
  }

  /** Looks at a link; who asks while that is under way shares it. */
  async #look(link: Link, watched: Watched, way: Way & { gateway: string }): Promise<void> {
    watched.looking ??= preflight(
      this.#probes,
      way,
      this.#knownOf(link),
      this.#targets(),
      this.#random,
      this.ctx.clock.now(),
    ).finally(() => watched.looking = undefined);
    const found = await watched.looking;
    if (this.ctx.signal.aborted || this.#links.get(link.name) !== watched) return;
    watched.preflight = found;
    this.ctx.facts.publish(PREFLIGHT, link.name, found);
    const names = new Set(this.ctx.links.current.map(({ name }) => name));
    this.#stored = Object.fromEntries(
      [...Object.entries(this.#stored), [link.name, found] as const].filter(([name]) => names.has(name)),
    );
    await this.ctx.store.keep("preflights", JSON.parse(JSON.stringify(this.#stored)));
  }

  #knownOf({ name, interface: device, observed }: Link) {
    const facts = this.#interfaces.current.get(device);
    // A macvlan is as its port is.
    const port = facts?.parent ? this.#interfaces.current.get(facts.parent) : facts;
    const offered = [...this.#routers.current.values()].some((router) =>
      router.interface === device || router.interface === port?.name
    );
    return {
      name,
      gateway: observed.gateway!,
      interfaceKind: port ? kindOf(port) : "ethernet" as const,
      ipv6: offered,
    };
  }
}

/** What a path's fact says of its link. */
export function evidence(path: PathFact | undefined, unwatched: boolean): PathEvidence {
  if (!path || unwatched) return "unwatched";
  // What an interface sends into the void is no sign of life.
  if (path.acknowledgedBitsPerSecond > CARRYING_BITS && path.state !== "suspect") {
    return "acknowledged";
  }
  // A path that nobody has heard of yet is called active, too.
  const standing = path.state === "active" || path.state === "standby";
  // Nor is one believed whose answers come from nearer than any peer can be.
  return standing && path.rttMs !== undefined && path.rttMs > MODEM_MS ? "answers" : "silent";
}
