// The plugin: follows whose multicast belongs where, and keeps igmpproxy and the filter around it so.
import {
  type Context,
  definePlugin,
  INTERFACE,
  type InterfaceFact,
  MULTICAST_WAY,
  type MulticastWayFact,
  page,
  SupervisedProgram,
  type View,
} from "@otb/plugin";
import { type Config, config } from "./config.ts";
import { IGMPPROXY } from "./igmpproxy.ts";
import { type Plan, plan, TABLE } from "./plan.ts";
import { type Channel, channels } from "./routes.ts";
import { type Words, words } from "./texts/mod.ts";

/** How often the running channels are looked at, for people. */
const TELL_MS = 5_000;

export default definePlugin({
  config,
  words,
  async start(ctx) {
    const multicast = new Multicast(ctx);
    await multicast.start();
    return multicast;
  },
  reload: (multicast, next) => multicast.reload(next),
  pages: {
    multicast: page({
      title: "Multicast",
      nav: "network",
      blocks: ({ channels = [] }) => [{
        kind: "table",
        columns: ["Channel", "From", "MB"],
        rows: (channels as unknown as Channel[]).map((
          { group, source, bytes },
        ) => [group, source, bytes / 1e6]),
      }],
    }),
  },
});

class Multicast {
  readonly #ways: View<ReadonlyMap<string, MulticastWayFact>>;
  readonly #interfaces: View<ReadonlyMap<string, InterfaceFact>>;
  readonly #proxy: SupervisedProgram;
  #config: Config;
  #plan: Plan = { devices: [] };
  #work: Promise<void> = Promise.resolve();

  constructor(private readonly ctx: Context<Config, Words>) {
    this.#config = ctx.config;
    this.#ways = ctx.facts.watch(MULTICAST_WAY);
    this.#interfaces = ctx.facts.watch(INTERFACE);
    this.#proxy = new SupervisedProgram(ctx, IGMPPROXY, { onFailure: (reason) => this.#ended(reason) });
  }

  async start(): Promise<void> {
    const { ctx } = this;
    ctx.defer(() => this.#work);
    const soon = () => void this.#again();
    for (const view of [this.#ways, this.#interfaces, ctx.network]) ctx.defer(view.subscribe(soon));
    const timer = setInterval(() => this.#tell().catch((error) => this.#complain(error)), TELL_MS);
    ctx.defer(() => clearInterval(timer));
    await this.#again();
  }

  async reload(next: Config): Promise<void> {
    this.#config = next;
    await this.#again();
  }

  #again(): Promise<void> {
    return this.#work = this.#work.then(() => this.#apply()).catch((error) => this.#complain(error));
  }

  #complain(error: unknown): void {
    this.ctx.log.error("Cannot route multicast", { reason: String(error) });
  }

  async #apply(): Promise<void> {
    const { ctx } = this;
    if (ctx.signal.aborted) return;
    const wish = plan({
      config: this.#config,
      lan: ctx.network.current.lan,
      ways: [...this.#ways.current.values()],
      interfaces: this.#interfaces.current,
    });
    const former = this.#plan;
    this.#plan = wish;
    // Nothing is routed without the filter: it is there before, and goes after.
    if (!wish.proxy) await this.#proxy.apply(undefined);
    await ctx.claim(
      "filter",
      wish.filter ? [{ kind: "nftTable", family: "inet", name: TABLE, body: wish.filter }] : [],
    );
    await this.#proxy.apply(wish.proxy);
    if (wish.apart) ctx.health.raise(...wish.apart);
    else ctx.health.clear("multicast-links");
    if (wish.link !== former.link) {
      ctx.log.info(wish.link ? `Multicast is fetched over "${wish.link}"` : "No multicast is fetched", {
        devices: wish.devices,
        reason: wish.reason,
      });
    }
    await this.#tell();
  }

  async #tell(): Promise<void> {
    const { link, devices, reason, proxy } = this.#plan;
    const status = JSON.parse(JSON.stringify({
      link,
      devices,
      reason,
      channels: proxy ? await channels(this.ctx.network.current.lan?.interface ?? "") : [],
    }));
    if (!this.ctx.signal.aborted) this.ctx.publishStatus(status);
  }

  #ended(reason: string | undefined): void {
    if (reason === undefined) return this.ctx.health.clear("igmpproxy-ended");
    this.ctx.health.raise("igmpproxy-ended", { reason });
  }
}
