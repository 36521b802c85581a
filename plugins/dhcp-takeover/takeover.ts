// The running takeover: facts, time and a person's words into the machine; its state onto the disk, into dnsmasq, and out
// as facts, status and conditions. The only part with I/O.
import {
  type Context,
  type DeviceFact,
  type DeviceNameFact,
  type DhcpProbeFact,
  type DhcpServerFact,
  type DnsSetFact,
  type InterfaceFact,
  type Json,
  type LanPrefixFact,
  OtbError,
  type ResolverFact,
  type RouterAdvertisementFact,
  type View,
} from "../../core/plugin.ts";
import { Announcer } from "./announcer.ts";
import type { Config } from "./config.ts";
import { devices } from "./devices.ts";
import { Dnsmasq } from "./dnsmasq.ts";
import { dnsmasqConfig } from "./dnsmasq_config.ts";
import { deviceNames, dnsSets, resolverOf, serverOf } from "./facts.ts";
import { type Hold, holdsWith, quarantineWith, type Refused } from "./holds.ts";
import { contains, networkOf, toNumber, toText } from "./ipv4.ts";
import { announcement, leaks } from "./ipv6.ts";
import { LeaseFile } from "./lease_file.ts";
import { type Lease, parseLeases } from "./leases.ts";
import {
  answering,
  type Event,
  initial,
  lasting,
  nextProbeMs,
  receiver,
  resume,
  type Rules,
  serving,
  type State,
  step,
} from "./machine.ts";
import { type Neighbour, neighbours, Nudger } from "./neighbours.ts";
import { planGivingBack, planServing, type ServePlan } from "./plan.ts";
import { readRecipes } from "./recipes.ts";
import { CODES, conditions, type Situation, statusOf } from "./words.ts";

const TICK_MS = 1_000;
/** Leases are looked at this soon after dnsmasq wrote them: a burst becomes one look. */
const SETTLE_MS = 20;
/** dnsmasq is started anew for what is not urgent at most this often. */
const CALM_MS = 10_000;
/** Addresses nudged a tick before serving, and how many ticks one takes at other times. */
const NUDGES_BEFORE = 256, TICKS_PER_NUDGE = 2;
/** Addresses nudged in one round. */
const MAX_NUDGED = 512;
/** What was asked for and not done by then, nobody does. */
const PROBE_MISSED_MS = 15_000;
const WATCH_FACT = "dhcp-probe-wanted";
const PREFIX_FACT = "lan-prefix";
/** Before the first address is given, everybody is asked by ARP for this long: somebody may have one that no file knows of. */
const LOOK_FIRST_MS = 1_500;
/** A trial that is not ended by then is ended by timeout(1): we hang. */
const HANG_MS = 60_000;

/** Everything the plugin does. */
export class Takeover {
  readonly #recipes = readRecipes(new URL("recipes/", import.meta.url));
  readonly #leaseFile: LeaseFile;
  readonly #dnsmasq: Dnsmasq;
  readonly #announcer: Announcer;
  readonly #nudger = new Nudger();
  readonly #prefixes: View<ReadonlyMap<string, LanPrefixFact>>;
  readonly #routers: View<ReadonlyMap<string, RouterAdvertisementFact>>;
  readonly #interfaces: View<ReadonlyMap<string, InterfaceFact>>;
  readonly #names: View<ReadonlyMap<string, DeviceNameFact>>;
  readonly #sets: View<ReadonlyMap<string, DnsSetFact>>;
  readonly #resolvers: View<ReadonlyMap<string, ResolverFact>>;
  /** Kept while the resolver's plugin starts anew. */
  #resolver: string | undefined;
  readonly #epochMs: number;
  readonly #startMs: number;
  #config: Config;
  #state: State;
  #stored = "";
  #heardAt = new Map<string, number>();
  #probedAt: number | undefined;
  #wantedMs: number | undefined;
  #leases: Lease[] = [];
  #seen: Neighbour[] = [];
  #holds: Hold[] = [];
  #refused: Refused[] = [];
  #devices = new Map<string, DeviceFact>();
  #plan: ServePlan | undefined;
  #configured: string | undefined;
  #configuredMs = -Infinity;
  #failure: string | undefined;
  /** Why nobody can tell who is on the LAN. */
  #blind: string | undefined;
  #nudged: number[] = [];
  #ticks = 0;
  #following: Promise<void> | undefined;
  #again = false;
  #raised = new Set<string>();
  #status = "";
  #settle: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly ctx: Context<Config>) {
    this.#config = ctx.config;
    this.#epochMs = ctx.clock.now();
    this.#startMs = ctx.clock.monotonicMs();
    this.#state = initial(this.#epochMs);
    this.#names = ctx.facts.watch<DeviceNameFact>("device-name/");
    this.#sets = ctx.facts.watch<DnsSetFact>("dns-set/");
    this.#prefixes = ctx.facts.watch<LanPrefixFact>(PREFIX_FACT);
    this.#routers = ctx.facts.watch<RouterAdvertisementFact>("router-advertisement/");
    this.#interfaces = ctx.facts.watch<InterfaceFact>("interface/");
    this.#resolvers = ctx.facts.watch<ResolverFact>("resolver");
    this.#leaseFile = new LeaseFile(ctx.directory);
    this.#dnsmasq = new Dnsmasq({
      onStart: () => this.#leaseFile.restore(),
      onReady: () => {
        this.#failure = undefined;
        this.#publish();
      },
      onLine: (line) => this.#takeLine(line),
      onEnd: (reason) => {
        this.#failure = reason;
        ctx.log.warn("dnsmasq ended", { reason });
        this.#publish();
      },
    });
    this.#announcer = new Announcer(ctx);
  }

  async start(): Promise<void> {
    const { ctx } = this;
    const stored = await ctx.store.get<Json>("state");
    if (stored) this.#state = resume(stored as unknown as State, this.#nowMs);
    this.#stored = JSON.stringify(lasting(this.#state));
    const addresses = await ctx.store.get<Json>("addresses") as
      | { holds?: Hold[]; refused?: Refused[] }
      | undefined;
    this.#holds = addresses?.holds ?? [];
    this.#refused = addresses?.refused ?? [];
    // Who comes back with a lease is nobody to hold an address for.
    this.#leases = parseLeases(this.#leaseFile.readBoth());

    const servers = ctx.facts.watch<DhcpServerFact>("dhcp-server/");
    const probes = ctx.facts.watch<DhcpProbeFact>("dhcp-probe/");
    // What was heard before this run is told again if it still holds.
    for (const [key, { lastSeenMs }] of servers.current) this.#heardAt.set(key, lastSeenMs);
    const timer = setInterval(() => this.#tick(), TICK_MS);
    const watcher = Deno.watchFs(ctx.directory, { recursive: false });
    const unsubscribe = [
      servers.subscribe((facts) => this.#takeServers(facts)),
      probes.subscribe((facts) => this.#takeProbes(facts)),
      this.#names.subscribe(() => this.#follow()),
      this.#sets.subscribe(() => this.#follow()),
      this.#prefixes.subscribe(() => this.#follow()),
      this.#interfaces.subscribe(() => this.#follow()),
      this.#resolvers.subscribe(() => this.#follow()),
      ctx.links.subscribe(() => this.#follow()),
      ctx.network.subscribe(() => this.#follow()),
    ];
    ctx.defer(async () => {
      for (const stop of unsubscribe) stop();
      clearInterval(timer);
      clearTimeout(this.#settle);
      watcher.close();
      await this.#following;
      await Promise.all([this.#dnsmasq.apply(undefined), this.#announcer.close()]);
      this.#nudger.close();
    });
    void this.#watchLeases(watcher);
    this.#tick();
    await this.#following;
  }

  /** Takes new settings; what does not concern dnsmasq leaves it running. */
  async reload(next: Config): Promise<void> {
    this.#config = next;
    this.#step({ kind: "tick" });
    await this.#follow(true);
  }

  /** What a person wants. @throws OtbError `lan-missing`, `dhcp-does-not-fit` */
  async act(kind: "takeover" | "recheck" | "confirm" | "undo"): Promise<object> {
    const { lan } = this.ctx.network.current;
    if (!lan || !networkOf(lan.address)) {
      throw new OtbError(
        "lan-missing",
        `Cannot serve addresses as the box has no IPv4 LAN: current value is "${lan?.address ?? "none"}"`,
        "otb lan set --interface IF --address CIDR",
      );
    }
    const before = this.#state;
    this.#step({ kind });
    if (this.#state === before) {
      throw new OtbError(
        "dhcp-does-not-fit",
        `Cannot ${kind} as that does not fit the state of the LAN's DHCP: current value is "${before.phase}"`,
        "otb dhcp status",
      );
    }
    await this.#follow(true);
    if (this.#stored !== JSON.stringify(lasting(this.#state))) {
      throw new OtbError(
        "dhcp-not-stored",
        `Cannot ${kind} as it must be on the disk first: current value is "${this.#failure ?? "no answer"}"`,
        "otb doctor",
      );
    }
    return this.#situationNow();
  }

  leases(): object[] {
    const reserved = new Set(Object.keys(this.#config.reservations));
    const names = deviceNames(this.#names.current);
    return this.#leases.map(({ mac, address, name, expiresSeconds }) => ({
      ...{ mac, address, name: names.get(mac) ?? name ?? "", expiresMs: expiresSeconds * 1000 },
      reserved: reserved.has(mac),
    }));
  }

  get #nowMs(): number {
    return Math.round(this.#epochMs + this.ctx.clock.monotonicMs() - this.#startMs);
  }

  get #rules(): Rules {
    const { mode, silenceSeconds, confirmSeconds, watchSeconds } = this.#config;
    // Without a LAN there is nothing that the settings could start.
    const { lan } = this.ctx.network.current;
    const isLan = lan && networkOf(lan.address);
    return {
      mode: isLan ? mode : "off",
      silenceMs: silenceSeconds * 1000,
      confirmMs: confirmSeconds * 1000,
      watchMs: watchSeconds * 1000,
    };
  }

  #step(event: Event): void {
    const before = this.#state;
    this.#state = step(before, event, this.#nowMs, this.#rules);
    if (this.#state === before) return;
    if (this.#state.phase !== before.phase) {
      this.#nudged = [];
      this.#wantedMs = undefined;
      this.ctx.log.info(`The LAN's DHCP: ${before.phase} -> ${this.#state.phase}`, { because: event.kind });
    }
    void this.#follow(this.#state.phase !== before.phase);
  }

  #tick(): void {
    this.#ticks++;
    this.#step({ kind: "tick" });
    this.#askForProbe();
    void this.#lookAround().then(() => this.#blind = undefined, (error) => this.#blind = String(error))
      .then(() => this.#follow());
  }

  /** Has everybody asked who serves, when it is time. */
  #askForProbe(): void {
    const { lan } = this.ctx.network.current;
    const dueMs = nextProbeMs(this.#state, this.#rules);
    if (!lan || dueMs === undefined) return void (this.#wantedMs = undefined);
    if (dueMs > this.#nowMs) return void (this.#wantedMs = undefined);
    this.#wantedMs ??= this.#nowMs;
    this.ctx.facts.publish(WATCH_FACT, { interface: lan.interface, atMs: this.ctx.clock.now() });
  }

  #takeServers(facts: ReadonlyMap<string, DhcpServerFact>): void {
    const own = this.ctx.network.current.lan?.address.split("/")[0];
    for (const [key, fact] of facts) {
      if (this.#heardAt.get(key) === fact.lastSeenMs) continue;
      this.#heardAt.set(key, fact.lastSeenMs);
      const server = serverOf(fact);
      if (server && fact.onLan && server.server !== own) this.#step({ kind: "heard", server });
    }
    for (const key of this.#heardAt.keys()) if (!facts.has(key)) this.#heardAt.delete(key);
  }

  #takeProbes(facts: ReadonlyMap<string, DhcpProbeFact>): void {
    const { lan } = this.ctx.network.current;
    const atMs = lan && facts.get(`dhcp-probe/${lan.interface}`)?.atMs;
    if (atMs === undefined || atMs === this.#probedAt) return;
    this.#probedAt = atMs;
    this.#wantedMs = undefined;
    this.#step({ kind: "probed" });
  }

  /** Who is on the LAN; before ours serves and while it does, everybody in the pool is nudged in turn. */
  async #lookAround(): Promise<void> {
    const { lan } = this.ctx.network.current;
    if (!lan || this.#state.phase === "off") return;
    const isServing = serving(this.#state) !== "no";
    if (this.#nudged.length === 0) this.#nudged = this.#toNudge();
    // All at once only where it is about to matter: each question is a broadcast.
    const isUrgent = this.#state.phase === "checking" || this.#configured === undefined && isServing;
    const count = isUrgent ? NUDGES_BEFORE : this.#ticks % TICKS_PER_NUDGE === 0 ? 1 : 0;
    for (const address of this.#nudged.splice(0, count)) this.#nudger.nudge(toText(address));
    if (!isUrgent && this.#ticks % 5 !== 0) return;
    this.#seen = (await neighbours()).filter((one) => one.interface === lan.interface);
    const holds = holdsWith(this.#holds, this.#seen, this.#leases, this.#nowMs);
    if (holds === this.#holds) return;
    this.#holds = holds;
    await this.#storeAddresses();
  }

  #toNudge(): number[] {
    const plan = this.#plan ?? this.#planNow("trial");
    const leased = new Set(this.#leases.map(({ address }) => toNumber(address)));
    return (plan?.networks ?? []).filter(({ own }) => own).flatMap(({ ranges }) => ranges).flatMap(
      ([first, last]) => {
        const length = Math.min(MAX_NUDGED, toNumber(last) - toNumber(first) + 1);
        return Array.from({ length }, (_, index) => toNumber(first) + index);
      },
    ).filter((address) => !leased.has(address)).slice(0, MAX_NUDGED);
  }

  #takeLine(line: string): void {
    const declined =
      /^dnsmasq-dhcp\[\d+\]: DHCPDECLINE\(\S+\) (\d+\.\d+\.\d+\.\d+) (([0-9a-f]{2}:){5}[0-9a-f]{2})(\s|$)/
        .exec(line);
    if (declined) return this.#quarantine(declined[1]!, declined[2]!);
    if (/^dnsmasq\S*: (failed|cannot|warning|illegal|bad|duplicate)/i.test(line)) {
      this.ctx.log.warn(line.slice(0, 300));
    }
  }

  #quarantine(address: string, mac: string): void {
    const isOurs = this.#plan?.networks.some(({ ranges }) =>
      ranges.some(([first, last]) =>
        contains({ first: toNumber(first), last: toNumber(last) }, toNumber(address))
      )
    );
    if (!isOurs) return;
    this.#refused = quarantineWith(this.#refused, { address, mac }, this.#nowMs);
    this.ctx.log.warn("A device refused an address as somebody else has it; it rests", { address, mac });
    void this.#storeAddresses();
    void this.#follow();
  }

  async #storeAddresses(): Promise<void> {
    await this.ctx.store.set("addresses", { holds: this.#holds, refused: this.#refused } as unknown as Json);
  }

  async #watchLeases(watcher: Deno.FsWatcher): Promise<void> {
    for await (const { paths } of watcher) {
      if (paths.includes(this.#leaseFile.path)) {
        this.#settle ??= setTimeout(() => void this.#takeLeases(), SETTLE_MS);
      }
    }
  }

  async #takeLeases(): Promise<void> {
    this.#settle = undefined;
    try {
      const text = await this.#leaseFile.keep();
      if (text === undefined) {
        return void (this.#settle ??= setTimeout(() => void this.#takeLeases(), SETTLE_MS));
      }
      this.#leases = parseLeases(text);
      this.#publish();
    } catch (error) {
      this.ctx.log.error("Cannot keep a copy of the leases", { reason: String(error) });
    }
  }

  /** Makes everything follow the state; calls while one is under way are answered by another round. */
  #follow(atOnce = false): Promise<void> {
    if (atOnce) this.#configuredMs = -Infinity;
    this.#again = true;
    return this.#following ??= (async () => {
      while (this.#again && !this.ctx.signal.aborted) {
        this.#again = false;
        try {
          await this.#followOnce();
        } catch (error) {
          this.#failure = (error as Error).message;
          this.ctx.log.error("Cannot follow the state of the LAN's DHCP", { reason: String(error) });
        }
      }
      this.#following = undefined;
    })();
  }

  async #followOnce(): Promise<void> {
    const isServing = serving(this.#state);
    // Silence at once, whatever the disk says; serving only when the disk knows.
    if (isServing === "no") {
      this.#plan = undefined;
      this.#configured = undefined;
      this.#failure = undefined;
      await this.#dnsmasq.apply(undefined);
    }
    await this.#announce();
    await this.#store();
    if (this.ctx.signal.aborted || serving(this.#state) !== isServing) {
      return void (this.#again ||= !this.ctx.signal.aborted);
    }
    if (isServing !== "no") await this.#serve(isServing);
    this.#publish();
  }

  /** IPv6 comes with our serving, and goes with it; what goes wrong with it leaves IPv4 alone. */
  async #announce(): Promise<void> {
    const { lan } = this.ctx.network.current;
    const isOurs = this.#state.phase === "trial" || this.#state.phase === "confirmed";
    const nowMs = this.ctx.clock.now();
    const wanted = lan && isOurs
      ? announcement(this.#prefixes.current.get(PREFIX_FACT), {
        lan,
        nowMs,
        device: this.#interfaces.current.get(`interface/${lan.interface}`),
        routers: leaks(this.#routers.current, nowMs),
        dns: this.#config.dns,
      })
      : undefined;
    try {
      await this.#announcer.follow(wanted);
    } catch (error) {
      this.ctx.log.error("Cannot announce IPv6 on the LAN", { reason: String(error) });
    }
  }

  async #store(): Promise<void> {
    const state = lasting(this.#state);
    const text = JSON.stringify(state);
    if (text === this.#stored) return;
    await this.ctx.store.set("state", JSON.parse(text));
    this.#stored = text;
  }

  async #serve(how: "trial" | "confirmed" | "for-modem"): Promise<void> {
    const plan = this.#planNow(how);
    if (!plan) return await this.#dnsmasq.apply(undefined);
    const nowMs = this.ctx.clock.monotonicMs();
    if (nowMs - this.#startMs < LOOK_FIRST_MS) return;
    const text = dnsmasqConfig(plan, this.#leaseFile.path);
    if (text === this.#configured) return;
    // What is merely better waits for its turn: a flood of it must not keep the server from serving.
    if (this.#configured !== undefined && nowMs - this.#configuredMs < CALM_MS) return;
    this.#configuredMs = nowMs;
    this.#configured = text;
    this.#plan = plan;
    this.#failure = undefined;
    const { trialSinceMs } = this.#state;
    // A trial ends in time even where we hang.
    const withinMs = how === "trial" && trialSinceMs !== undefined
      ? trialSinceMs + this.#rules.confirmMs - this.#nowMs + HANG_MS
      : undefined;
    await this.#dnsmasq.apply(text, withinMs);
    await this.#takeLeases();
  }

  #planNow(how: "trial" | "confirmed" | "for-modem"): ServePlan | undefined {
    const { lan } = this.ctx.network.current;
    if (!lan || !networkOf(lan.address)) return undefined;
    const nowMs = this.#nowMs;
    const around = {
      lan,
      links: this.ctx.links.current,
      servers: this.#state.servers,
      holds: this.#holds,
      refused: this.#refused.filter(({ untilMs }) => untilMs > nowMs).map(({ address }) => address),
      names: [...deviceNames(this.#names.current)],
      sets: dnsSets(this.#sets.current),
      resolver: this.#resolver = resolverOf(this.#resolvers.current.get("resolver")) ?? this.#resolver,
    };
    if (how !== "for-modem") return planServing(how, this.#config, around);
    const modem = receiver(this.#state.servers);
    return modem && planGivingBack(modem, this.#config, around);
  }

  #situationNow(): Situation {
    const nowMs = this.#nowMs;
    const state = this.#state;
    const ranges = (this.#plan?.networks ?? []).flatMap(({ ranges }) => ranges)
      .map(([first, last]) => ({ first: toNumber(first), last: toNumber(last) }));
    const leased = new Set(this.#leases.map(({ address }) => address));
    const isHeld = ({ address }: { address: string }) =>
      !leased.has(address) && ranges.some((range) => contains(range, toNumber(address)));
    return {
      state,
      nowMs,
      // Other programs tell time by the system's clock.
      wallMs: (ms) => Math.round(ms + this.ctx.clock.now() - nowMs),
      rules: this.#rules,
      serving: serving(state),
      answering: answering(state, nowMs, this.#rules),
      leaks: leaks(this.#routers.current, this.ctx.clock.now()),
      ipv6: this.#announcer.address,
      recipes: this.#recipes,
      failure: this.#failure,
      blind: this.#blind,
      nobodyLooks: this.#wantedMs !== undefined && nowMs - this.#wantedMs > PROBE_MISSED_MS,
      poolSize: ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0),
      held: this.#plan?.holds.filter(isHeld).length ?? 0,
      leases: this.leases() as Situation["leases"],
      devices: this.#devices.size,
    };
  }

  #publish(): void {
    const { ctx } = this;
    const found = devices(
      {
        leases: this.#leases,
        seen: this.#seen,
        reserved: new Set(Object.keys(this.#config.reservations)),
        names: deviceNames(this.#names.current),
      },
      this.#devices,
      ctx.clock.now(),
    );
    for (const [mac, device] of found) ctx.facts.publish(`device/${mac}`, device);
    for (const mac of this.#devices.keys()) {
      if (!found.has(mac)) ctx.facts.publish(`device/${mac}`, undefined);
    }
    this.#devices = found;

    const situation = this.#situationNow();
    const wanted = conditions(situation);
    for (const condition of wanted) ctx.health.raise(condition);
    const codes = new Set(wanted.map(({ code }) => code));
    for (const code of CODES) if (this.#raised.has(code) && !codes.has(code)) ctx.health.clear(code);
    this.#raised = codes;
    const status = statusOf(situation);
    const text = JSON.stringify(status);
    if (text === this.#status) return;
    this.#status = text;
    ctx.publishStatus(status);
    const { leases: _, ...fact } = status;
    ctx.facts.publish("dhcp", fact);
  }
}
