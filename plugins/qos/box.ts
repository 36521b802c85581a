// The box's side: follows every link's rates, holds what leaves, and asks the peer to hold what comes.
import {
  CALLS,
  type CallsFact,
  type Context,
  DEVICE_PRIORITY,
  type DevicePriorityFact,
  INTERFACE,
  type InterfaceFact,
  type Json,
  type Link,
  LINK_RATE,
  type LinkRateFact,
  OtbError,
  type Resource,
  SOCKS5,
  type Socks5Fact,
  TUNNEL,
  TUNNEL_PATH,
  type TunnelFact,
  type TunnelPathFact,
  type View,
} from "@otb/plugin";
import { WishSender } from "./wish_sender.ts";
import { arrivalCap, CAKE_TRIAL, linkQdisc, linkTable } from "./classes.ts";
import type { Config } from "./config.ts";
import { readCounters } from "./counters.ts";
import { guessLayer, type Layer } from "./layer.ts";
import { LinkRates, type Tested } from "./rates.ts";
import { measure } from "./measure.ts";
import type { Wish } from "./wire.ts";
import type { Words } from "./texts/mod.ts";

/** Autorate's beat, and how often is looked while the tunnel has nothing to say. */
const BEAT_MS = 200, IDLE_MS = 1_000;
/** A rate that differs by less is left as it is. */
const WORTH_IT = 0.02;
/** Between two speed tests. */
const TEST_PAUSE_MS = 60_000;

/** What is held now of a link. */
interface Held {
  up?: number;
  down?: number;
}

/** One box. */
export class Box {
  readonly #paths: View<ReadonlyMap<string, TunnelPathFact>>;
  readonly #interfaces: View<ReadonlyMap<string, InterfaceFact>>;
  readonly #socks5: View<Socks5Fact | undefined>;
  readonly #tunnel: View<TunnelFact | undefined>;
  readonly #calls: View<CallsFact | undefined>;
  readonly #sender: WishSender;
  readonly #rates = new Map<string, LinkRates>();
  readonly #held = new Map<string, Held>();
  readonly #ifbs = new Map<string, number>();
  /** What was last claimed under each key, as text. */
  readonly #claimed = new Map<string, string>();
  #tested: { [link: string]: Tested } = {};
  #testing: string | undefined;
  #lastTestMs = -Infinity;
  #hasCake = false;
  #told = "";
  #working: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;

  #config: Config;

  constructor(private readonly ctx: Context<Config, Words>) {
    this.#config = ctx.config;
    this.#paths = ctx.facts.watch(TUNNEL_PATH);
    this.#interfaces = ctx.facts.watch(INTERFACE);
    this.#socks5 = ctx.facts.watch(SOCKS5);
    this.#tunnel = ctx.facts.watch(TUNNEL);
    this.#calls = ctx.facts.watch(CALLS);
    this.#sender = new WishSender(() => this.#proxy(), ctx.config.port);
  }

  async start(): Promise<void> {
    const { ctx } = this;
    ctx.defer(() => this.#sender.close());
    this.#tested = await ctx.store.get<{ [link: string]: Tested & Json }>("tested") ?? {};
    this.#hasCake = await this.#tryCake();
    ctx.facts.publish(DEVICE_PRIORITY, priorities(this.#config));
    await this.#follow();
    ctx.defer(() => clearTimeout(this.#timer));
    this.#later();
    const soon = () => void this.#follow();
    for (const view of [ctx.links, ctx.network, this.#calls]) ctx.defer(view.subscribe(soon));
  }

  /**
   * Measures one link, and begins anew with what it found.
   * @throws OtbError `link-unknown`, `link-down`, `test-too-soon`, `link-metered`, `test-failed`
   */
  async test(name: string, force: boolean): Promise<Tested> {
    const { ctx } = this;
    const link = ctx.links.current.find((link) => link.name === name);
    const cannot = (code: string, why: string, next?: string) =>
      new OtbError(code, `Cannot test link "${name}" as ${why}`, next);
    if (!link) throw cannot("link-unknown", "there is none of that name", "otb link list");
    if (link.observed.state !== "up") throw cannot("link-down", `it is not up: ${link.observed.reason}`);
    if (!force && (link.tier === "backup" || link.tier === "never")) {
      throw cannot(
        "link-metered",
        `its traffic may cost money: current value is "${link.tier}"`,
        "Add --force.",
      );
    }
    const waitMs = this.#lastTestMs + TEST_PAUSE_MS - performance.now();
    if (this.#testing !== undefined || waitMs > 0) {
      throw cannot(
        "test-too-soon",
        `one test a minute is enough: current value is "${Math.ceil(Math.max(0, waitMs) / 1000)} s to wait"`,
      );
    }
    this.#testing = name;
    try {
      await this.#follow();
      const run = (direction: "down" | "up") =>
        measure(direction, name, () => this.#proxy(), ctx.config.port, ctx.signal, this.#session);
      const tested = {
        downBitsPerSecond: Math.round(await run("down")),
        upBitsPerSecond: Math.round(await run("up")),
        atMs: ctx.clock.now(),
      };
      this.#tested = { ...this.#tested, [name]: tested };
      await ctx.store.keep("tested", this.#tested as unknown as Json);
      return tested;
    } catch (error) {
      throw cannot("test-failed", `nothing could be measured: ${(error as Error).message}`, "otb status");
    } finally {
      this.#testing = undefined;
      this.#lastTestMs = performance.now();
      await this.#follow();
    }
  }

  /** Other settings hold from now on: links are held as they say, and nothing that was found out is forgotten without need. */
  async take(next: Config): Promise<void> {
    this.#config = next;
    this.ctx.facts.publish(DEVICE_PRIORITY, priorities(next));
    await this.#follow();
  }

  /** A link is being measured. */
  get isTesting(): boolean {
    return this.#testing !== undefined;
  }

  #proxy(): Socks5Fact | undefined {
    return this.#socks5.current;
  }

  /** Whether the kernel takes CAKE: asked where it disturbs nothing. */
  async #tryCake(): Promise<boolean> {
    try {
      await this.ctx.claim("cake-trial", CAKE_TRIAL);
      return true;
    } catch {
      return false;
    } finally {
      await this.ctx.claim("cake-trial", []);
    }
  }

  #later(): void {
    this.#timer = setTimeout(() => {
      void this.#follow().finally(() => this.ctx.signal.aborted || this.#later());
    }, this.#isBusy ? BEAT_MS : IDLE_MS);
  }

  /** The tunnel measures. */
  get #isBusy(): boolean {
    return [...this.#paths.current.values()].some(({ atMs }) => this.ctx.clock.now() - atMs < IDLE_MS);
  }

  /** Looks, decides and has it done; one after the other. */
  #follow(): Promise<void> {
    return this.#working = this.#working.then(async () => {
      try {
        const links = this.#links();
        await this.#look(links);
        await this.#hold(links);
        this.#tell(links);
      } catch (error) {
        if (!this.ctx.signal.aborted) {
          this.ctx.log.error("Cannot follow the links", { reason: String(error) });
        }
      }
    });
  }

  /** Links that can be held: up, and each interface once. */
  #links(): Link[] {
    const seen = new Set<string>();
    return this.ctx.links.current.filter(({ observed, interface: device }) =>
      observed.state === "up" && !seen.has(device) && seen.add(device)
    );
  }

  async #look(links: Link[]): Promise<void> {
    const { ctx } = this;
    const isNeeded = this.#config.autorate && this.#isBusy;
    const counted = isNeeded ? await readCounters(links.map(({ interface: device }) => device)) : new Map();
    const isCalled = this.#calls.current?.going ?? false;
    const nowMs = performance.now();
    for (const name of this.#rates.keys()) {
      if (!ctx.links.current.some((link) => link.name === name)) this.#rates.delete(name);
    }
    for (const link of links) {
      const rates = this.#rates.get(link.name) ?? new LinkRates(this.#config);
      this.#rates.set(link.name, rates);
      rates.set(link, this.#tested[link.name], this.#config);
      if (this.#testing === link.name) continue;
      const path = this.#path(link);
      const ageMs = path && Math.max(0, ctx.clock.now() - path.atMs);
      rates.beat(path && { ...path, ageMs: ageMs! }, counted.get(link.interface), isCalled, nowMs);
    }
  }

  /** Of the tunnel that stands now. */
  get #session(): string | undefined {
    return this.#tunnel.current?.session;
  }

  #path({ name }: Link): TunnelPathFact | undefined {
    return this.#paths.current.get(name);
  }

  async #hold(links: Link[]): Promise<void> {
    const { network } = this.ctx, config = this.#config;
    const isTested = ({ name }: Link) => name === this.#testing;
    for (const name of this.#held.keys()) {
      if (!links.some((link) => link.name === name)) this.#held.delete(name);
    }
    for (const link of links) {
      const { up, down } = this.#rates.get(link.name)!;
      const held = this.#held.get(link.name) ?? {};
      const next = isTested(link) ? {} : { up: worth(held.up, up), down: worth(held.down, down) };
      this.#held.set(link.name, next);
    }
    const shaped = links.filter(({ name }) => this.#held.get(name)!.up !== undefined);
    const lan = network.current.lan?.interface;
    await this.#claim(
      "classes",
      linkTable(shaped.map(({ interface: device }) => device), lan, priorities(config)),
    );
    await this.#claim(
      "links",
      shaped.map((link) => {
        const shape = {
          bitsPerSecond: this.#held.get(link.name)!.up!,
          layer: this.#layer(link),
          callsShare: config.callsShare,
        };
        return linkQdisc(link.interface, shape, this.#hasCake);
      }),
    );
    await this.#claim(
      "caps",
      links.flatMap((link) => {
        const cap = this.#rates.get(link.name)!.arrivalCap;
        return cap === undefined ? [] : arrivalCap(link.interface, this.#ifb(link.name), cap);
      }),
    );
    this.#sender.want(
      this.#session,
      links.flatMap((link): Wish[] => {
        const { publicAddress: address, publicPort: port } = this.#path(link) ?? {};
        const { down } = this.#held.get(link.name)!;
        if (down === undefined || address === undefined || port === undefined) return [];
        return [{ address, port, bitsPerSecond: Math.round(down), layer: this.#layer(link) }];
      }),
    );
  }

  #layer({ name, interface: device, upMbps }: Link): Layer {
    return this.#config.linkLayers[name] ??
      guessLayer(this.#interfaces.current.get(device), upMbps && upMbps * 1e6);
  }

  /** A name for a link's ifb, the same as long as this process lives. */
  #ifb(name: string): string {
    const taken = new Set(this.#ifbs.values());
    for (let number = 1; !this.#ifbs.has(name); number++) {
      if (!taken.has(number)) this.#ifbs.set(name, number);
    }
    return `otb-ifb${this.#ifbs.get(name)}`;
  }

  /** Claims what is wanted now; unchanged wishes cost nothing. Each key stands alone. */
  async #claim(key: "caps" | "classes" | "links", resources: Resource[]): Promise<void> {
    const text = JSON.stringify(resources);
    if (text === (this.#claimed.get(key) ?? "[]")) return;
    this.#claimed.set(key, text);
    const code = `${key}-refused` as const;
    try {
      await this.ctx.claim(key, resources);
      this.ctx.health.clear(code);
    } catch (error) {
      this.ctx.health.raise(code, { reason: (error as Error).message });
    }
  }

  #tell(links: Link[]): void {
    const { ctx } = this;
    const rows = links.map((link) => {
      const { name } = link;
      const { up, down } = this.#held.get(name)!;
      const address = this.#path(link)?.publicAddress;
      const rates = this.#rates.get(name)!;
      const isGranted = down !== undefined && address !== undefined && this.#sender.granted.has(address);
      const downBy = isGranted ? "peer" : rates.arrivalCap === undefined ? "nobody" : "box";
      return { link: name, upBitsPerSecond: up, downBitsPerSecond: down, downBy } satisfies LinkRateFact;
    });
    ctx.facts.publishAll(LINK_RATE, new Map(rows.map((row) => [row.link, row])));
    const status = {
      discipline: this.#hasCake ? "cake" : "htb",
      testing: this.#testing,
      peer: this.#sender.lastError || undefined,
      links: rows.map(({ link, ...row }) => ({
        link,
        ...row,
        layer: this.#layer(links.find(({ name }) => name === link)!),
        tested: this.#tested[link],
      })),
    };
    const text = JSON.stringify(status);
    if (text === this.#told) return;
    this.#told = text;
    ctx.publishStatus(JSON.parse(text));
  }
}

/** The new rate, or the one that is held where it hardly differs. Pure. */
export function worth(held: number | undefined, next: number | undefined): number | undefined {
  if (held === undefined || next === undefined) return next;
  return Math.abs(next - held) > WORTH_IT * held ? next : held;
}

/** Who comes before and after the others. Pure. */
export function priorities({ devices }: Pick<Config, "devices">): DevicePriorityFact {
  const of = (priority: string) =>
    Object.entries(devices).filter(([, given]) => given === priority).map(([mac]) => mac).sort();
  return { high: of("high"), low: of("low") };
}
