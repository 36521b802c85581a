// The running plugin: joins settings, links and the peer's state to the kernel's table, and answers why.
import { openNative } from "../../core/native/ffi.ts";
import {
  CONNECTION_MARK,
  type Context,
  DEVICE,
  DEVICE_NAME,
  type DeviceFact,
  DNS_SET,
  DOMAIN_HITS,
  DOMAIN_RULES,
  type DomainHitsFact,
  INTERFACE,
  type InterfaceFact,
  type Json,
  LINK_RESOLVER,
  LINK_WAY,
  type LinkResolverFact,
  type LinkWayFact,
  MULTICAST_WAY,
  nearOf,
  OtbError,
  PATH,
  type PathFact,
  PEER,
  type PeerFact,
  RULE_SHIFT,
  TCP_WAY,
  type TcpWayFact,
  TUNNEL,
  type TunnelFact,
  type View,
  WHEN_PEER_GONE,
} from "@otb/plugin";
import { shadowed } from "./check.ts";
import { macsOf } from "./rules/clauses.ts";
import { compile, MAX_RULE_NUMBER, setNames, TABLE, type Wish } from "./rules/compile.ts";
import type { Config } from "./config.ts";
import { Ending } from "./flows/ending.ts";
import { factsOf } from "./facts.ts";
import { type Carried, findConnection, NOTHING, readTable, type Tracked } from "./flows/kernel.ts";
import { MoveWatch } from "./flows/moving.ts";
import { namesSentence, resolversOf } from "./names.ts";
import { number, type Numbering } from "./rules/numbers.ts";
import { besideTunnel } from "./near.ts";
import { isTunnelDead, ruleOutcome } from "./rules/policy.ts";
import { type Words, words } from "./texts/mod.ts";
import { LinkWatch, PeerWatch, TunnelWatch } from "./watch.ts";
import {
  decide,
  deviceSentences,
  findDevice,
  type Named,
  nearSentence,
  parseFlow,
  type Running,
  runningSentence,
  verdictJson,
  verdictSentences,
} from "./why.ts";

/** How often links and peer are judged, and how often hit counts are read. */
const LOOK_MS = 500, COUNT_MS = 10_000;
/** The store is written at most this often: hit counts of the last minute may be lost with the power. */
const SAVE_MS = 60_000;

const DNS_PORT = 53;

/** Keeps the table as settings, links and peer want it. */
export class Pinning {
  readonly #ways: View<ReadonlyMap<string, LinkWayFact>>;
  readonly #paths: View<ReadonlyMap<string, PathFact>>;
  readonly #peers: View<ReadonlyMap<string, PeerFact>>;
  readonly #seen: View<ReadonlyMap<string, DeviceFact>>;
  readonly #tunnels: View<TunnelFact | undefined>;
  readonly #interfaces: View<ReadonlyMap<string, InterfaceFact>>;
  readonly #tcpWays: View<TcpWayFact | undefined>;
  readonly #resolvers: View<ReadonlyMap<string, LinkResolverFact>>;
  readonly #linkWatch = new LinkWatch();
  /** Of the peer for the proxy, and of the peer for anything. */
  readonly #proxyWatch = new PeerWatch();
  readonly #peerWatch = new PeerWatch();
  readonly #tunnelWatch = new TunnelWatch();
  readonly #moveWatch = new MoveWatch();
  readonly #ending: Ending;
  #config: Config;
  #numbering: Numbering = { numbers: {}, last: 0 };
  /** What was claimed last, without what it carried over. */
  #claimed = "";
  #wish: Wish | undefined;
  #counted: Carried = NOTHING;
  #savedMs = 0;
  /** Connections that the proxy decided by their server's name. */
  readonly #named: View<DomainHitsFact | undefined>;
  /** Counts the settings taken, so that they need not be compared. */
  #generation = 0;
  #work: Promise<void> = Promise.resolve();
  #waiting: Promise<void> | undefined;

  constructor(private readonly ctx: Context<Config, Words>) {
    this.#config = ctx.config;
    this.#ending = new Ending(ctx, openNative());
    this.#ways = ctx.facts.watch(LINK_WAY);
    this.#paths = ctx.facts.watch(PATH);
    this.#peers = ctx.facts.watch(PEER);
    this.#seen = ctx.facts.watch(DEVICE);
    this.#named = ctx.facts.watch(DOMAIN_HITS);
    this.#tunnels = ctx.facts.watch(TUNNEL);
    this.#tcpWays = ctx.facts.watch(TCP_WAY);
    this.#resolvers = ctx.facts.watch(LINK_RESOLVER);
    this.#interfaces = ctx.facts.watch(INTERFACE);
  }

  async start(): Promise<void> {
    const { ctx } = this;
    this.#numbering = await ctx.store.get<Numbering & Json>("numbering") ?? this.#numbering;
    const hits = await ctx.store.get<{ [name: string]: { packets: number; bytes: number } }>("counters");
    // What the kernel still has is newer than what was saved; after a boot only the latter is there.
    this.#counted = await readTable(TABLE) ?? { ...NOTHING, counters: new Map(Object.entries(hits ?? {})) };
    ctx.defer(async () => {
      await this.#work.catch(() => {});
      await this.#count();
      await this.#save();
    });
    await this.#look();
    const soon = () => void this.#again().catch((error) => this.#complain(error));
    const looking = setInterval(soon, LOOK_MS);
    const counting = setInterval(() => void this.#tell().catch((error) => this.#complain(error)), COUNT_MS);
    ctx.defer(() => {
      clearInterval(looking);
      clearInterval(counting);
    });
    for (const view of [this.#ways, this.#peers, this.#tcpWays, this.#resolvers, ctx.links, ctx.network]) {
      ctx.defer(view.subscribe(soon));
    }
    let isUp = this.#isTunnelUp();
    const tunnelChanged = () => {
      if (isUp === (isUp = this.#isTunnelUp())) return;
      soon();
    };
    for (const view of [this.#tunnels, this.#interfaces]) ctx.defer(view.subscribe(tunnelChanged));
    await this.#tell();
  }

  async reload(next: Config): Promise<void> {
    this.#config = next;
    this.#generation++;
    await this.#again();
    await this.#tell();
  }

  /** Looks once more when the former look is done; calls while one waits share it. */
  #again(): Promise<void> {
    if (this.#waiting) return this.#waiting;
    const done = this.#work.then(async () => {
      this.#waiting = undefined;
      if (!this.ctx.signal.aborted) await this.#look();
    });
    this.#work = done.catch(() => {});
    return this.#waiting = done;
  }

  #complain(error: unknown): void {
    this.ctx.log.error("Cannot keep the rules in force", { reason: String(error) });
  }

  /** Judges, and claims the table anew when it must differ. */
  async #look(): Promise<void> {
    const { ctx } = this;
    const former = this.#wish;
    const wish = this.#want();
    this.#wish = wish;
    if (!wish) {
      await ctx.claim("rules", []);
      this.#claimed = "";
      return;
    }
    const key = this.#keyOf(wish);
    if (key !== this.#claimed) {
      await this.#ending.before(former, wish);
      this.#counted = await readTable(TABLE) ?? this.#counted;
      await ctx.claim("rules", [
        { kind: "nftTable", family: "inet", name: TABLE, body: compile(wish, this.#counted) },
        // Nothing is passed on while there are no rules; the plan sets up tables first and takes them away last.
        { kind: "sysctl", name: "net/ipv4/ip_forward", value: "1" },
        ...besideTunnel(wish),
      ]);
      this.#claimed = key;
      await this.#save();
      this.#publish(wish);
    }
    await this.#ending.follow(former, wish);
  }

  /** Everything that the table follows from, as it is now. */
  #want(): Wish | undefined {
    const { ctx } = this;
    const { lan } = ctx.network.current;
    if (!lan) return undefined;
    const links = ctx.links.current, nowMs = ctx.clock.monotonicMs();
    const peers = [...this.#peers.current.values()];
    const waits = {
      goneMs: this.#config.peerGoneAfterSeconds * 1000,
      backMs: this.#config.peerBackAfterSeconds * 1000,
    };
    const { way: tcpWay = "proxy", isTaking = false } = this.#tcpWays.current ?? {};
    // Once the proxy takes connections again they are not to be refused until the wait is over.
    const proxyGone = this.#proxyWatch.look(peers, nowMs, waits) && !isTaking;
    const tunnelUp = this.#isTunnelUp();
    // Whoever has a tunnel to it has the peer.
    const peerGone = this.#peerWatch.look(tunnelUp ? [{ state: "up" }] : peers, nowMs, waits);
    const answers = links.flatMap(({ health }) => health?.answers ?? []);
    const tunnel = this.#tunnelWatch.look(
      this.#tunnels.current,
      tunnelUp,
      nowMs,
      answers.length > 0 ? answers.reduce((sum, { peer, internet }) => sum + peer + internet, 0) : undefined,
    );
    const ways = this.#linkWatch.look({
      links,
      ways: [...this.#ways.current.values()],
      paths: [...this.#paths.current.values()],
    }, nowMs);
    const isDead = isTunnelDead({ peerGone, tunnel });
    const isWished = this.#config.nonTcp === "tunnel";
    const moving = this.#moveWatch.look({ isDead, isWished, isUp: tunnel.state === "up" }, nowMs);
    this.#numbering = number(this.#config.rules.map(({ name }) => name), this.#numbering, MAX_RULE_NUMBER);
    return {
      config: this.#config,
      lan,
      ways,
      proxyGone,
      peerGone,
      tunnel,
      resolvers: resolversOf(this.#resolvers.current),
      moving,
      tcpWay,
      interfaces: links.map((link) => link.interface),
      near: links.flatMap(({ observed }) => nearOf(observed)),
      numbers: new Map(Object.entries(this.#numbering.numbers)),
    };
  }

  /** The tunnel carries, as far as it says and its interface is there: of who died, the last word stays for a while. */
  #isTunnelUp(): boolean {
    const fact = this.#tunnels.current;
    return fact?.state === "up" && this.#interfaces.current.has(fact.interface);
  }

  /** Equal for wishes that make equal tables; cheaper than making them. */
  #keyOf({ config: _, numbers: __, tcpWay: ___, ways, tunnel, ...rest }: Wish): string {
    const withoutReason = <T extends { reason?: string }>({ reason: _, ...thing }: T) => thing;
    return JSON.stringify([this.#generation, rest, withoutReason(tunnel), ways.map(withoutReason)]);
  }

  /** Facts that follow from the settings. */
  #publish(wish: Wish): void {
    const { facts } = this.ctx;
    const { sets, names, rules, ways, whenPeerGone } = factsOf(wish);
    facts.publishAll(DNS_SET, sets);
    facts.publishAll(DEVICE_NAME, names);
    facts.publish(DOMAIN_RULES, { rules });
    facts.publishAll(MULTICAST_WAY, ways);
    facts.publish(WHEN_PEER_GONE, whenPeerGone);
  }

  async #count(): Promise<void> {
    const read = await readTable(TABLE, { answers: false });
    if (read) this.#counted = { counters: read.counters, answers: this.#counted.answers };
  }

  async #save(): Promise<void> {
    this.#savedMs = this.ctx.clock.monotonicMs();
    await this.ctx.store.keep("numbering", this.#numbering as unknown as Json);
    await this.ctx.store.keep("counters", Object.fromEntries(this.#counted.counters) as Json);
  }

  /** Says how things are, for people. */
  async #tell(): Promise<void> {
    await this.#count();
    if (this.ctx.clock.monotonicMs() - this.#savedMs > SAVE_MS) await this.#save();
    const { ctx } = this;
    const wish = this.#wish;
    const hidden = shadowed(this.#config);
    if (hidden.length > 0) {
      const more = hidden.length > 1 ? words.phrase("and-more", { count: hidden.length - 1 }) : "";
      ctx.health.raise("rule-shadowed", { ...hidden[0]!, more });
    } else ctx.health.clear("rule-shadowed");
    const isKept = this.#config.whenPeerGone === "block";
    if (wish?.peerGone) {
      ctx.health.raise("past-the-peer", { how: words.phrase(isKept ? "kept-in" : "let-out") });
    } else ctx.health.clear("past-the-peer");
    const { tunnel } = wish ?? {};
    if (wish && tunnel?.state === "down" && !wish.peerGone && this.#config.nonTcp === "tunnel") {
      ctx.health.raise("past-the-tunnel", {
        reason: tunnel.reason ?? "",
        how: words.phrase(isKept ? "refused" : "leaves"),
      });
    } else ctx.health.clear("past-the-tunnel");
    ctx.publishStatus({
      peer: wish?.peerGone ? "gone" : "there",
      tunnel: tunnel?.state ?? "down",
      whenPeerGone: this.#config.whenPeerGone,
      nonTcp: this.#config.nonTcp,
      links: Object.fromEntries(
        (wish?.ways ?? []).map(({ link, usable, reason }) => [
          link,
          usable ? reason ? `waits: ${reason}` : "alive" : `dead: ${reason}`,
        ]),
      ),
      refused: this.#counted.counters.get("refused")?.packets ?? 0,
      rules: this.rules(),
    });
  }

  /** The rules in their order, with what each comes to now and how many connections it decided. */
  rules() {
    const wish = this.#wish;
    const named = this.#named.current;
    return this.#config.rules.map((rule) => {
      const outcome = wish && ruleOutcome(rule, wish);
      return {
        name: rule.name,
        enabled: rule.enabled,
        now: !rule.enabled || !outcome
          ? "off"
          : outcome.kind === "link"
          ? `link ${outcome.way.link}`
          : outcome.kind,
        hits: (this.#counted.counters.get(`rule_${this.#numbering.numbers[rule.name]}`)?.packets ?? 0) +
          (named?.rules[rule.name] ?? 0),
      };
    });
  }

  /** The same with everything that is set of them. */
  shownRules() {
    const now = this.rules();
    return this.#config.rules.map((rule, index) => ({ ...rule, ...now[index]! }));
  }

  devices() {
    const macs = [
      ...new Set([
        ...Object.keys(this.#config.devices),
        ...[...this.#seen.current.values()].map(({ mac }) => mac),
      ]),
    ].sort();
    return macs.map((mac) => {
      const fact = this.#seen.current.get(mac), own = this.#config.devices[mac];
      return {
        mac,
        name: own?.name ?? fact?.name ?? null,
        addresses: fact?.addresses ?? [],
        groups: own?.groups ?? [],
        whenPeerGone: own?.whenPeerGone ?? this.#config.whenPeerGone,
        rules: this.#config.rules.filter(({ enabled, match }) =>
          enabled && macsOf(match, this.#config.devices)?.includes(mac)
        ).map(({ name }) => name),
      };
    });
  }

  /** @throws OtbError `device-unknown`, `lan-missing` */
  async why(of: string): Promise<Json> {
    const wish = this.#wish;
    if (!wish) {
      throw new OtbError(
        "lan-missing",
        "Cannot say why as the box has no LAN",
        "otb lan set --interface IF --address CIDR",
      );
    }
    const flow = parseFlow(of);
    const device = findDevice(flow?.source ?? of.trim(), wish, this.#seen.current.values());
    if (!flow) {
      if (device) {
        const names = namesSentence(device.mac, wish, wish.resolvers ?? []);
        const sentences = [...deviceSentences(device.mac, wish), ...names ? [names] : []];
        return { device, sentences } as unknown as Json;
      }
      throw new OtbError(
        "device-unknown",
        `Cannot say why as it must be a device, or a flow like "192.168.100.20 -> 203.0.113.5:443/tcp": current value is "${of}"`,
        "otb device list",
      );
    }
    const answers = await readTable(TABLE);
    const named: Named = (rule, address) => {
      const { set4, set6 } = setNames(wish.numbers.get(rule) ?? 0);
      return [set4, set6].some((set) => answers?.answers.get(set)?.some((one) => one.address === address));
    };
    const isName = flow.target === wish.lan.address.split("/")[0] && flow.port === DNS_PORT;
    const near = (isName ? namesSentence(device?.mac, wish, wish.resolvers ?? []) : undefined) ??
      nearSentence(flow.target, wish);
    if (near) {
      return {
        flow: of,
        ...device ? { device } : {},
        now: { way: "near" },
        sentences: [near],
      } as unknown as Json;
    }
    const verdict = decide({ mac: device?.mac, ...flow }, wish, named);
    const source = device?.addresses.find((one) => one.includes(":") === flow.target.includes(":")) ??
      flow.source;
    const tracked = /^[0-9a-f.:]+$/.test(flow.target) && /^[0-9a-f]*[.:][0-9a-f.:]+$/.test(source)
      ? await findConnection({ ...flow, source })
      : undefined;
    const sentences = verdictSentences(verdict, wish);
    if (!device) {
      sentences.push(`Which device ${flow.source} is, is not known: rules for single devices were left out.`);
    }
    const running = tracked && this.#running(tracked, wish);
    if (running) sentences.push(runningSentence(running));
    return {
      flow: of,
      ...device ? { device } : {},
      ...verdictJson(verdict),
      ...running ? { running } : {},
      sentences,
    } as unknown as Json;
  }

  #running({ mark, leavesAs }: Tracked, { ways }: Wish): Running {
    const ruleNumber = mark >>> RULE_SHIFT;
    const link = ways.find((way) => way.mark === (mark & CONNECTION_MARK.link))?.link ?? null;
    return {
      rule: Object.entries(this.#numbering.numbers).find(([, number]) => number === ruleNumber)?.[0] ?? null,
      link,
      forWantOfBond: (mark & CONNECTION_MARK.open) !== 0,
      throughTunnel: (mark & CONNECTION_MARK.tunnelled) !== 0,
      decided: (mark & CONNECTION_MARK.decided) !== 0,
      // What goes to the peer leaves that one, and not as the device that is tracked here.
      ...link === null ? {} : { leavesAs },
    };
  }
}
