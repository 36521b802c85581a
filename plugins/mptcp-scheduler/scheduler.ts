// The box's running scheduler: looks at every path each beat, judges it, and has the kernel follow.
import type { Native } from "../../core/native/ffi.ts";
import {
  CONGESTION,
  type Context,
  FIRST_PATH,
  type Json,
  LINK_WAY,
  PATH,
  type PathFact,
  PEER,
  type Peer,
  type PeerFact,
  say,
  TUNNEL_PATH,
  type TunnelPathFact,
} from "@otb/plugin";
import { counters } from "./carried.ts";
import type { Config } from "./config.ts";
import { Counting } from "./counting.ts";
import { type Conditions, oddNetworks, strippedLinks } from "./conditions.ts";
import { chooseCongestion } from "./congestion.ts";
import { endpoints } from "./endpoints.ts";
import { firstPaths } from "./first_path.ts";
import { LinkMemory, weightOf } from "./link_memory.ts";
import { pathFact, pathState, totalRate } from "./path_fact.ts";
import { PeerReach } from "./peer_reach.ts";
import { Prober } from "./prober.ts";
import { Connections, repair } from "./repair.ts";
import {
  assignSlots,
  isUsed,
  linkWays,
  redirects,
  routedLinks,
  routes,
  type UsableLink,
  wayOut,
} from "./routing.ts";
import { loadOf, Overflow } from "./secondary.ts";
import { type PathSample, Telemetry } from "./telemetry.ts";
import { TunnelView } from "./tunnel_view.ts";
import { type Words, words } from "./texts/mod.ts";

/** Beat while traffic flows, more rarely the more sockets there are to look at; and while nothing does. */
const BUSY_MS = 100, BUSY_MS_PER_SOCKET = 0.2, IDLE_MS = 1_000;
/** While the peer seems to be gone: what it carries must not be ended because nobody looked. */
const DOUBTFUL_MS = 250;
/** Below this a path carries no stream worth drawing conclusions from. */
const QUIET_BITS = 100_000;
/** While the peer seems to be gone, it is looked for this often over every link. */
const DOUBTFUL_PROBE_MS = 2_000;
/** Facts for people are published, and tiers reconsidered, this often. */
const PUBLISH_MS = 500;

/** A link that nobody has looked at yet. */
const NOTHING = { rx: 0, tx: 0, acknowledged: 0 };

/** Beats: looks at every path, judges it, and has the kernel follow. */
export class Scheduler {
  readonly #telemetry = new Telemetry();
  readonly #counting: Counting;
  readonly #prober: Prober;
  readonly #overflow = new Overflow();
  readonly #peerReach = new PeerReach();
  readonly #tunnel = new TunnelView();
  readonly #memories = new Map<string, LinkMemory>();
  #slots = new Map<string, number>();
  readonly #connections = new Connections();
  #lastBeatMs = performance.now();
  #lastPublishMs = 0;
  /** What was last claimed under each key, as text. */
  readonly #claimed = new Map<string, string>();
  #claiming: Promise<void> = Promise.resolve();
  /** Links whose routes and endpoints are claimed, each with the address that they are for. */
  #claimedFor: ReadonlyMap<string, string> = new Map();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #peerFact: PeerFact = { state: "unknown", sinceMs: 0 };

  constructor(private readonly ctx: Context<Config, Words>, private readonly native: Native) {
    this.#prober = new Prober(native);
    this.#counting = new Counting(native, ctx.log, (link, rates) => this.#memory(link).carries(rates));
  }

  async start(): Promise<void> {
    const { ctx } = this;
    const stored = await ctx.store.get<{ [name: string]: number }>("slots");
    this.#slots = new Map(Object.entries(stored ?? {}));
    const generations = await ctx.store.get<{ [name: string]: number }>("generations") ?? {};
    for (const [name, generation] of Object.entries(generations)) {
      this.#memory(name).verdict.generation = generation;
    }
    ctx.defer(async () => {
      clearTimeout(this.#timer);
      await this.#prober.close();
    });
    // Before the first look: a link that comes while its wishes are claimed would never be told again.
    ctx.defer(
      ctx.links.subscribe(() =>
        void this.#linksChanged().catch((error) =>
          ctx.log.error("Cannot follow the links", { reason: String(error) })
        )
      ),
    );
    const tunnelPaths = ctx.facts.watch(TUNNEL_PATH);
    ctx.defer(tunnelPaths.subscribe((facts) => this.#tunnelTold(facts.values())));
    this.#tunnelTold(tunnelPaths.current.values());
    await this.#linksChanged();
    this.#beat();
  }

  #tunnelTold(facts: Iterable<TunnelPathFact>): void {
    for (const name of this.#tunnel.take(facts, performance.now())) {
      const memory = this.#memories.get(name);
      if (!memory) continue;
      // What was connected by the former address is lost, and the kernel does not know: its subflows are made anew.
      memory.verdict.generation++;
      this.ctx.log.info(`Link "${name}" has a new public address`, {
        address: this.#tunnel.publicAddress(name)!,
      });
    }
  }

  get #peer(): Peer {
    return this.ctx.network.current.peers[0]!;
  }

  #memory(name: string): LinkMemory {
    let memory = this.#memories.get(name);
    if (!memory) {
      memory = new LinkMemory(this.ctx.config.congestion === "bbr" ? "bbr" : "cubic");
      this.#memories.set(name, memory);
    }
    return memory;
  }

  #routed(): UsableLink[] {
    const nowMs = performance.now();
    return routedLinks(
      this.ctx.links.current,
      this.#slots,
      (name) => this.#memory(name).congestion,
      (name) => this.#tunnel.mtu(name, nowMs),
    );
  }

  #usable(): UsableLink[] {
    return this.#routed().filter(isUsed);
  }

  /** What can be told of a link holds: others send over it at once, and its routes take the kernel a moment. */
  #isReady({ link, address }: UsableLink): boolean {
    return this.#claimedFor.get(link.name) === address;
  }

  async #linksChanged(): Promise<void> {
    // Those that carry come first; a link that is never used has its own way out all the same.
    const names = [...this.ctx.links.current].sort((a, b) =>
      Number(a.tier === "never") - Number(b.tier === "never")
    ).map(({ name }) => name);
    const slots = assignSlots(names, this.#slots);
    if (JSON.stringify([...slots]) !== JSON.stringify([...this.#slots])) {
      this.#slots = slots;
      await this.ctx.store.keep("slots", Object.fromEntries(slots));
    }
    for (const name of [...this.#memories.keys()]) if (!names.includes(name)) this.#memories.delete(name);
    this.#tunnel.keep(new Set(names));
    this.#tell(oddNetworks(this.ctx.links.current));
    await this.#apply();
    this.#publish(performance.now());
  }

  /** Raises what is the matter and takes back what is not. */
  #tell(conditions: Conditions): void {
    for (const [code, condition] of Object.entries(conditions)) {
      if (condition) this.ctx.health.raise(...condition);
      else this.ctx.health.clear(code as keyof Conditions);
    }
  }

  /** Claims what is wanted now; unchanged wishes cost nothing. */
  #apply(): Promise<void> {
    const links = this.#usable(), routed = this.#routed();
    const wishes: ["counters" | "endpoints" | "redirects" | "routes" | "ways", ReturnType<typeof routes>][] =
      [
        ["redirects", redirects(this.ctx.network.current.lan)],
        ["ways", linkWays([...this.#slots.values()])],
        ["counters", counters(routed, this.ctx.network.current.lan)],
        ["routes", routes(routed)],
        ["endpoints", endpoints(links, (name) => this.#memory(name).verdict)],
      ];
    const changed = wishes.flatMap(([key, resources]) => {
      const text = JSON.stringify(resources);
      if (text === this.#claimed.get(key)) return [];
      this.#claimed.set(key, text);
      return [{ key, resources }];
    });
    if (changed.length === 0) return this.#claiming;
    const claimedFor = new Map(routed.map(({ link, address }) => [link.name, address]));
    const generations: { [name: string]: Json } = {};
    for (const [name, { verdict }] of this.#memories) generations[name] = verdict.generation;
    this.#claiming = this.#claiming.catch(() => {}).then(async () => {
      for (const { key, resources } of changed) {
        try {
          await this.ctx.claim(key, resources);
        } catch (error) {
          // Each stands alone: an endpoint that the kernel refuses must not cost the routes.
          this.ctx.log.error(`Cannot apply ${key}`, { reason: String(error) });
          this.ctx.health.raise(`${key}-refused`, { reason: (error as Error).message });
          continue;
        }
        this.ctx.health.clear(`${key}-refused`);
      }
      this.#claimedFor = claimedFor;
      await this.ctx.store.keep("generations", generations);
    });
    return this.#claiming;
  }

  #beat(): void {
    let nextMs = IDLE_MS;
    try {
      nextMs = this.#look();
    } catch (error) {
      this.ctx.log.error("Cannot look at the paths", { reason: String(error) });
    }
    if (!this.ctx.signal.aborted) this.#timer = setTimeout(() => this.#beat(), nextMs);
  }

  /** One look at everything; answers when the next is due. */
  #look(): number {
    const nowMs = performance.now();
    const links = this.#usable();
    const byAddress = new Map(links.map(({ address, link }) => [address, link.name]));
    const samples = this.native.tcpDiag({ remotePort: this.#peer.port }).filter(({ remote }) =>
      remote.host === this.#peer.address
    );
    const paths = this.#telemetry.beat(
      samples,
      nowMs - this.#lastBeatMs,
      ({ local }) => byAddress.get(local.host),
    );
    const weight = weightOf(nowMs - this.#lastBeatMs);
    this.#lastBeatMs = nowMs;
    const routed = this.#routed(), { lan } = this.ctx.network.current;
    this.#counting.look(routed, lan, nowMs);
    const tokens = new Set([...paths.values()].flatMap(({ tokens }) => [...tokens]));
    const total = totalRate(paths);
    for (const { link } of links) {
      this.#judge(link.name, paths.get(link.name), total, nowMs, links.length, weight);
    }
    this.#repair(links, paths, this.#connections.look(tokens, nowMs), nowMs);
    const publishing = nowMs - this.#lastPublishMs >= PUBLISH_MS;
    if (publishing) {
      void this.#counting.lookShared(routed, lan);
      this.#secondaries(links);
    }
    this.#chooseCongestion(links, paths);
    // What is told of a path holds: its routes come first.
    this.#apply().then(() => publishing && !this.ctx.signal.aborted && this.#publish(nowMs)).catch((error) =>
      this.ctx.log.error("Cannot tell of the paths", { reason: String(error) })
    );
    const carried = routed.reduce(
      (sum, { link }) => sum + this.#memory(link.name).rx + this.#memory(link.name).tx,
      0,
    );
    const busy = total > QUIET_BITS || carried > QUIET_BITS ||
      [...this.#memories.values()].some(({ verdict }) => verdict.out);
    const { doubtful } = this.#peerReach;
    // At once, and not with the facts for people.
    if (doubtful) this.#publishPeer(nowMs);
    const idleMs = doubtful ? DOUBTFUL_MS : IDLE_MS;
    return busy ? Math.min(idleMs, BUSY_MS + BUSY_MS_PER_SOCKET * samples.length) : idleMs;
  }

  #judge(
    name: string,
    sample: PathSample | undefined,
    total: number,
    nowMs: number,
    count: number,
    weight: number,
  ): void {
    const memory = this.#memory(name);
    memory.sample = sample;
    const rate = sample ? sample.rxBitsPerSecond + sample.txBitsPerSecond : 0;
    memory.acknowledged += (rate - memory.acknowledged) * weight;
    if (rate > 0) {
      memory.lastHeardMs = nowMs;
      this.#peerReach.heard("answered", nowMs);
    }
    if (rate > QUIET_BITS) memory.lastBusyMs = nowMs;
    const quietMs = nowMs - memory.lastBusyMs;
    const { out, probeWithinMs } = memory.suspicion.beat({
      nowMs,
      rttMs: sample?.rttMs ?? memory.probedRttMs,
      heard: rate > 0,
      silentMs: sample?.silentMs ?? 0,
      backoff: sample?.backoff ?? 0,
      wentQuiet: rate === 0 && quietMs > 100 && quietMs < 3_000 && total > QUIET_BITS,
      stale: nowMs - memory.lastHeardMs >
        (this.#peerReach.doubtful ? DOUBTFUL_PROBE_MS : this.ctx.config.probeIdleSeconds * 1000),
      isOnly: [...this.#memories].every(([other, { verdict }]) => other === name || verdict.out),
    });
    // With a single link there is nothing to move to; taking it out would only add a wound.
    memory.verdict.out = (out || this.#reportedDown(name)) && count > 1;
    if (probeWithinMs !== undefined) {
      this.#probe(name, memory, probeWithinMs).catch((error) =>
        this.ctx.log.error("Cannot probe a link", { link: name, reason: String(error) })
      );
    }
  }

  /** Who watches the links says that this one is down, though the peer may answer over it: a captive portal, for one. */
  #reportedDown(name: string): boolean {
    return this.ctx.links.current.find((link) => link.name === name)?.health?.state === "down";
  }

  async #probe(name: string, memory: LinkMemory, withinMs: number): Promise<void> {
    const source = this.ctx.links.current.find((link) => link.name === name)?.observed.address;
    const startedMs = performance.now();
    const answered = source === undefined
      ? undefined
      : await this.#prober.probe({ host: this.#peer.address, port: this.#peer.port }, source, withinMs);
    if (this.ctx.signal.aborted || this.#memories.get(name) !== memory) return;
    const nowMs = performance.now();
    const rttMs = answered?.rttMs;
    if (rttMs !== undefined) {
      memory.probedRttMs = rttMs;
      memory.lastHeardMs = nowMs;
    }
    const wasOut = memory.verdict.out;
    // A probe may wait longer in a queue than its time, behind data that does get through.
    const alive = rttMs !== undefined || !wasOut && memory.lastHeardMs > startedMs;
    this.#peerReach.heard(answered?.refused ? "refused" : alive ? "answered" : "silent", nowMs);
    const back = memory.suspicion.probed(alive, nowMs);
    if (back) {
      // Subflows that the kernel closed are not made again by themselves.
      memory.verdict = {
        ...memory.verdict,
        out: this.#reportedDown(name),
        generation: memory.verdict.generation + 1,
      };
      memory.lastHeardMs = nowMs;
      this.ctx.log.info(`Link "${name}" answers again`, { rttMs: Math.round(rttMs!) });
      await this.#apply();
      this.#publish(nowMs);
    } else if (!alive && !wasOut && memory.suspicion.isOut) {
      // The verdict falls now, not a beat later.
      memory.verdict.out = this.#usable().length > 1;
      this.ctx.log.warn(`Link "${name}" stopped answering`, { withinMs: Math.round(withinMs) });
      await this.#apply();
      this.#publish(nowMs);
    }
  }

  #repair(links: UsableLink[], paths: Map<string, PathSample>, grown: number[], nowMs: number): void {
    // Connections of striped streams are plain by intention.
    const isPlainMeant = this.ctx.config.transport === "striped";
    for (const { link } of links) {
      repair(this.#memory(link.name), paths.get(link.name), grown, isPlainMeant, nowMs);
    }
    const stripped = links.filter(({ link }) => this.#memory(link.name).stripped);
    this.#tell(strippedLinks(stripped.map(({ link }) => link.name), links.length));
  }

  #secondaries(links: UsableLink[]): void {
    const { promoteSecondaryAbove, demoteSecondaryBelow } = this.ctx.config;
    const primaries = links.filter(({ link }) =>
      link.tier === "primary" && !this.#memory(link.name).verdict.out
    );
    const load = loadOf(primaries.map(({ link }) => ({
      ...link,
      carried: this.#memory(link.name),
    })));
    const promoted = this.#overflow.beat(load, promoteSecondaryAbove, demoteSecondaryBelow);
    for (const { link } of links) this.#memory(link.name).verdict.promoted = promoted;
  }

  #chooseCongestion(links: UsableLink[], paths: Map<string, PathSample>): void {
    if (this.ctx.config.congestion !== "auto") return;
    for (const { link } of links) {
      const memory = this.#memory(link.name);
      memory.congestion = chooseCongestion(memory.congestion, paths.get(link.name) ?? {});
    }
  }

  #publish(nowMs: number): void {
    this.#lastPublishMs = nowMs;
    const { ctx } = this;
    const routed = this.#routed().filter((link) => this.#isReady(link)), usable = routed.filter(isUsed);
    const total = routed.reduce(
      (sum, { link }) => sum + this.#memory(link.name).rx + this.#memory(link.name).tx,
      0,
    );
    const paths = new Map<string, PathFact>();
    for (const link of ctx.links.current) {
      const memory = this.#memories.get(link.name);
      const used = usable.some((candidate) => candidate.link.name === link.name);
      const state = pathState(link.tier, used, memory?.verdict);
      const reason = link.tier === "never" ? "its tier is never" : !used
        ? link.observed.reason ??
          (this.#slots.has(link.name) ? "its routes are being made" : "it has no slot: 8 links are the limit")
        : memory?.verdict.out
        ? link.health?.state === "down" ? link.health.reason ?? "it is down" : "it stopped answering"
        : memory?.stripped
        ? "Multipath TCP does not pass it"
        : undefined;
      // What was last counted of a link that is gone is over.
      const rates = memory && routed.some((one) => one.link.name === link.name) ? memory : NOTHING;
      const fact = pathFact(
        link.name,
        this.#peer.name,
        state,
        memory?.sample,
        rates,
        total,
        ctx.config.transport,
      );
      paths.set(link.name, {
        ...fact,
        reason,
        protocol: memory?.stripped ? "tcp" : fact.protocol,
        rttMs: fact.rttMs ?? memory?.probedRttMs,
        congestion: fact.congestion || memory?.congestion || "",
      });
    }
    ctx.facts.publishAll(PATH, paths);
    ctx.facts.publishAll(LINK_WAY, new Map(routed.map((link) => [link.link.name, wayOut(link)])));
    this.#publishPeer(nowMs);
    ctx.facts.publish(CONGESTION, { wish: ctx.config.congestion });
    ctx.facts.publish(FIRST_PATH, {
      transport: ctx.config.transport,
      ...firstPaths(
        usable.filter(({ link }) => !this.#memory(link.name).verdict.out).map(({ link, address }) => {
          const memory = this.#memory(link.name);
          return {
            link: link.name,
            interface: link.interface,
            source: address,
            tier: link.tier,
            rttMs: memory.sample?.minRttMs ?? memory.probedRttMs,
            capacity: link.downMbps ? link.downMbps * 1e6 : memory.peak > 1e6 ? memory.peak : undefined,
            stripped: memory.stripped,
            publicAddress: this.#tunnel.publicAddress(link.name),
          };
        }),
      ),
    });
    ctx.publishStatus({
      links: usable.length,
      secondariesJoined: this.#overflow.promoted,
      congestion: Object.fromEntries(usable.map(({ link, congestion }) => [link.name, congestion])),
    });
  }

  #publishPeer(nowMs: number): void {
    const answers = this.ctx.links.current.flatMap(({ health }) => health?.answers?.internet ?? []);
    const { state, why } = this.#peerReach.state(
      nowMs,
      answers.length > 0 ? answers.reduce((sum, count) => sum + count, 0) : undefined,
    );
    const { health, facts } = this.ctx;
    const { name, address, port } = this.#peer;
    if (state !== this.#peerFact.state) this.#peerFact = { state, sinceMs: this.ctx.clock.now() };
    facts.publishAll(PEER, new Map([[name, { ...this.#peerFact, reason: why && say(words, why) }]]));
    if (state === "down") {
      health.raise("peer-gone", { address, port, why: why ?? "" });
    } else health.clear("peer-gone");
  }
}
