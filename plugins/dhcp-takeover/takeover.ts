// The running takeover: facts, time and a person's words into the machine; its state onto the disk, into dnsmasq and out to
// others. Above 400 lines as it is the one place where everything that runs is led, in one order.
import {
  type Context,
  DEVICE_NAME,
  type DeviceNameFact,
  DNS_SET,
  type DnsSetFact,
  type GuideStep,
  inRange,
  INTERFACE,
  type InterfaceFact,
  ipv4Network,
  ipv4Number,
  type Ipv4Range,
  type Json,
  LAN_PREFIX,
  type LanPrefixFact,
  LISTENS,
  type ListensFact,
  type Loss,
  OtbError,
  RESOLVER,
  type ResolverFact,
  ROUTER_ADVERTISEMENT,
  type RouterAdvertisementFact,
  type Status,
  SupervisedProgram,
  type View,
  type Viewer,
} from "@otb/plugin";
import { Announcer } from "./announcer.ts";
import type { Config } from "./config.ts";
import { dnsmasqConfig } from "./dnsmasq_config.ts";
import { deviceNames, dnsSets, localDomainsOf, resolverOf } from "./facts.ts";
import { announcement, leaks } from "./ipv6.ts";
import { LeaseWatch } from "./lease_watch.ts";
import { guideStep } from "./guide.ts";
import { Lookout } from "./lookout.ts";
import { lossOf } from "./loss.ts";
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
import { planGivingBack, planServing, type ServePlan } from "./plan.ts";
import { Publisher } from "./publisher.ts";
import { readRecipes } from "./recipes.ts";
import { ServerWatch } from "./server_watch.ts";
import type { DhcpStatus } from "./status_blocks.ts";
import { type Situation, statusOf } from "./words.ts";
import { DNSMASQ } from "./dnsmasq.ts";
import type { Words } from "./texts/mod.ts";

const TICK_MS = 1_000;
/** What dnsmasq serves devices: DHCP, DNS, and DHCPv6 beside what it announces. */
const SERVED: ListensFact = {
  services: ([["udp", 67], ["udp", 53], ["tcp", 53], ["udp", 547]] as const)
    .map(([protocol, port]) => ({ protocol, port, zones: ["lan"] })),
};
/** dnsmasq is started anew for what is not urgent at most this often. */
const CALM_MS = 10_000;
/** Before the first address is given, everybody is asked by ARP for this long: somebody may have one that no file knows of. */
const LOOK_FIRST_MS = 1_500;
/** A trial that is not ended by then is ended by timeout(1): we hang. */
const HANG_MS = 60_000;

/** Everything the plugin does. */
export class Takeover {
  readonly #recipes = readRecipes(new URL("recipes/", import.meta.url));
  readonly #publisher: Publisher;
  readonly #leases: LeaseWatch;
  readonly #lookout: Lookout;
  readonly #servers: ServerWatch;
  readonly #dnsmasq: SupervisedProgram;
  readonly #announcer: Announcer;
  readonly #prefixes: View<LanPrefixFact | undefined>;
  readonly #routers: View<ReadonlyMap<string, RouterAdvertisementFact>>;
  readonly #interfaces: View<ReadonlyMap<string, InterfaceFact>>;
  readonly #names: View<ReadonlyMap<string, DeviceNameFact>>;
  readonly #sets: View<ReadonlyMap<string, DnsSetFact>>;
  readonly #resolvers: View<ResolverFact | undefined>;
  /** Kept while the resolver's plugin starts anew. */
  #resolver: string | undefined;
  #localDomains: string[] = [];
  readonly #epochMs: number;
  readonly #startMs: number;
  #config: Config;
  #state: State;
  #stored = "";
  #plan: ServePlan | undefined;
  #configured: string | undefined;
  #configuredMs = -Infinity;
  #failure: string | undefined;
  #following: Promise<void> | undefined;
  #again = false;

  constructor(private readonly ctx: Context<Config, Words>) {
    this.#config = ctx.config;
    this.#epochMs = ctx.clock.now();
    this.#startMs = ctx.clock.monotonicMs();
    this.#state = initial(this.#epochMs);
    this.#names = ctx.facts.watch(DEVICE_NAME);
    this.#sets = ctx.facts.watch(DNS_SET);
    this.#prefixes = ctx.facts.watch(LAN_PREFIX);
    this.#routers = ctx.facts.watch(ROUTER_ADVERTISEMENT);
    this.#interfaces = ctx.facts.watch(INTERFACE);
    this.#resolvers = ctx.facts.watch(RESOLVER);
    this.#publisher = new Publisher(ctx);
    this.#lookout = new Lookout(ctx);
    this.#servers = new ServerWatch(ctx, () => this.#nowMs, (event) => this.#step(event));
    this.#leases = new LeaseWatch(ctx, () => this.#publish());
    this.#dnsmasq = new SupervisedProgram(ctx, DNSMASQ, {
      onStart: () => this.#restoreLeases(),
      onLine: (line) => this.#takeLine(line),
      onFailure: (reason) => {
        this.#failure = reason;
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
    await this.#lookout.load();

    const timer = setInterval(() => this.#tick(), TICK_MS);
    const unsubscribe = [
      this.#servers.start(),
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
      this.#leases.close();
      await this.#following;
      await Promise.all([this.#dnsmasq.apply(undefined), this.#announcer.close()]);
      this.#lookout.close();
    });
    this.#tick();
    await this.#following;
  }

  /** Takes new settings; what does not concern dnsmasq leaves it running. */
  async reload(next: Config): Promise<void> {
    this.#config = next;
    this.#step({ kind: "tick" });
    await this.#follow(true);
  }

  /** A full disk is no reason to leave the LAN without its server: dnsmasq goes on with its own file. */
  #restoreLeases(): void {
    try {
      this.#leases.file.restore();
    } catch (error) {
      this.ctx.log.error("Cannot put the leases in order before a start", { reason: String(error) });
    }
  }

  /** Does what a person wants, and tells how it stands then, as the status does. @throws OtbError `lan-missing`, `dhcp-does-not-fit` */
  async act(kind: "takeover" | "recheck" | "confirm" | "undo"): Promise<Status> {
    const { lan } = this.ctx.network.current;
    if (!lan || !ipv4Network(lan.address)) {
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
    return this.status();
  }

  /** How it stands. */
  status(): Status {
    return statusOf(this.#situationNow());
  }

  /** What devices lose when it stops. */
  loss(): Loss | undefined {
    return lossOf(this.status() as unknown as DhcpStatus, this.#config);
  }

  /** How far a person is who sets the box up. */
  guide(view: Viewer): GuideStep {
    const gateway = this.ctx.network.current.lan?.address.split("/")[0] ?? "the box";
    return guideStep(this.status() as unknown as DhcpStatus, gateway, view);
  }

  leases(): object[] {
    const reserved = new Set(Object.keys(this.#config.reservations));
    const names = deviceNames(this.#names.current);
    return this.#leases.current.map(({ mac, address, name, expiresSeconds }) => ({
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
    const isLan = lan && ipv4Network(lan.address);
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
      this.#lookout.restart();
      this.#servers.forgetAsking();
      this.ctx.log.info(`The LAN's DHCP: ${before.phase} -> ${this.#state.phase}`, { because: event.kind });
    }
    void this.#follow(this.#state.phase !== before.phase);
  }

  #tick(): void {
    this.#step({ kind: "tick" });
    this.#servers.askIfDue(nextProbeMs(this.#state, this.#rules));
    this.#lookAround().then(() => this.#follow()).catch((error) =>
      this.ctx.log.error("Cannot look around on the LAN", { reason: String(error) })
    );
  }

  /** Who is on the LAN; before ours serves and while it does, everybody in the pool is asked in turn. */
  async #lookAround(): Promise<void> {
    const { lan } = this.ctx.network.current;
    const { phase } = this.#state;
    if (!lan || phase === "off") return;
    await this.#lookout.look({
      on: lan.interface,
      plan: this.#plan ?? this.#planNow("trial"),
      leases: this.#leases.current,
      isUrgent: phase === "checking" || this.#configured === undefined && serving(this.#state) !== "no",
      nowMs: this.#nowMs,
    });
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
    if (!this.#ranges.some((range) => inRange(range, ipv4Number(address)))) return;
    this.#lookout.quarantine({ address, mac }, this.#nowMs);
    void this.#follow();
  }

  /** Everything that may be given now. */
  get #ranges(): Ipv4Range[] {
    return (this.#plan?.networks ?? []).flatMap(({ ranges }) => ranges)
      .map(([first, last]) => ({ first: ipv4Number(first), last: ipv4Number(last) }));
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
          const reason = (error as Error).message;
          if (reason !== this.#failure) this.ctx.log.error("Cannot follow the LAN's DHCP", { reason });
          this.#failure = reason;
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
      this.ctx.facts.publish(LISTENS, this.ctx.name, undefined);
    }
    if (this.#leases.jumped) {
      await this.#dnsmasq.apply(undefined);
      this.#configured = undefined;
      this.#leases.followJump();
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
      ? announcement(this.#prefixes.current, {
        lan,
        nowMs,
        device: this.#interfaces.current.get(lan.interface),
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
    if (!plan) {
      this.#configured = undefined;
      return await this.#dnsmasq.apply(undefined);
    }
    const nowMs = this.ctx.clock.monotonicMs();
    if (nowMs - this.#startMs < LOOK_FIRST_MS) return;
    // A trial ends in time even where we hang.
    const { trialSinceMs } = this.#state;
    const endMs = how === "trial" && trialSinceMs !== undefined
      ? trialSinceMs + this.#rules.confirmMs + HANG_MS
      : Infinity;
    // The first line tells apart what would read the same with another end.
    const text = `# ${how} ${endMs}\n${dnsmasqConfig(plan, this.#leases.file.path)}`;
    if (text === this.#configured) return;
    // What is merely better waits for its turn: a flood of it must not keep the server from serving.
    if (this.#configured !== undefined && nowMs - this.#configuredMs < CALM_MS) return;
    this.#configuredMs = nowMs;
    this.#configured = text;
    this.#plan = plan;
    this.#failure = undefined;
    this.ctx.facts.publish(LISTENS, this.ctx.name, SERVED);
    await this.#dnsmasq.apply(text, endMs - this.#nowMs);
    await this.#leases.take();
  }

  #planNow(how: "trial" | "confirmed" | "for-modem"): ServePlan | undefined {
    const { lan } = this.ctx.network.current;
    if (!lan || !ipv4Network(lan.address)) return undefined;
    const resolver = this.#resolvers.current;
    if (resolver) this.#localDomains = localDomainsOf(resolver);
    const around = {
      lan,
      links: this.ctx.links.current,
      servers: this.#state.servers,
      holds: this.#lookout.holds,
      refused: this.#lookout.refused(this.#nowMs),
      names: [...deviceNames(this.#names.current)],
      sets: dnsSets(this.#sets.current),
      resolver: this.#resolver = resolverOf(resolver) ?? this.#resolver,
      localDomains: this.#localDomains,
    };
    if (how !== "for-modem") return planServing(how, this.#config, around);
    const modem = receiver(this.#state.servers);
    return modem && planGivingBack(modem, this.#config, around);
  }

  #situationNow(): Situation {
    const nowMs = this.#nowMs;
    const state = this.#state;
    const ranges = this.#ranges;
    const leased = new Set(this.#leases.current.map(({ address }) => address));
    const isHeld = ({ address }: { address: string }) =>
      !leased.has(address) && ranges.some((range) => inRange(range, ipv4Number(address)));
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
      blind: this.#lookout.blind,
      nobodyLooks: this.#servers.nobodyLooks,
      poolSize: ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0),
      held: this.#plan?.holds.filter(isHeld).length ?? 0,
      leases: this.leases() as Situation["leases"],
      devices: this.#publisher.deviceCount,
    };
  }

  #publish(): void {
    this.#publisher.tellDevices({
      leases: this.#leases.current,
      seen: this.#lookout.seen,
      reserved: new Set(Object.keys(this.#config.reservations)),
      names: deviceNames(this.#names.current),
    });
    this.#publisher.tell(this.#situationNow());
  }
}
