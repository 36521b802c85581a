// The plugin: follows who is where and who serves what, keeps the table so, and tells what it shuts.
import {
  type Context,
  definePlugin,
  INTERFACE,
  type InterfaceFact,
  LISTENERS,
  type ListenersFact,
  LISTENS,
  type ListensFact,
  page,
  type Problem,
  type View,
} from "@otb/plugin";
import { type Allowed, parseAllowed } from "./allow.ts";
import { closed, inWords, sshPorts } from "./closed.ts";
import { compile, TABLE } from "./compile.ts";
import { type Config, config } from "./config.ts";
import { foresight } from "./foresight.ts";
import { type Words, words } from "./texts/mod.ts";
import { zonesOf } from "./zones.ts";

export default definePlugin({
  config,
  words,

  check({ allow, trusted }, { network, links }): Problem[] {
    const inCloud = allow.findIndex((text) => network.role === "cloud" && parseAllowed(text)?.from === "lan");
    const named = [network.lan?.interface, ...links.map((link) => link.interface)];
    const both = trusted.find((name) => named.includes(name));
    return [
      ...inCloud < 0 ? [] : [{
        code: "allow-lan-in-cloud",
        path: `allow.${inCloud}`,
        message: `Cannot allow this from the LAN as only a box has one: current value is "${allow[inCloud]}"`,
      }],
      ...both === undefined ? [] : [{
        code: "trusted-in-use",
        path: "trusted",
        message:
          `Cannot trust an interface as it must be neither the LAN's nor a link's: current value is "${both}"`,
        next: `Allow single ports instead: otb config set firewall.allow='["tcp 443 from ${both}"]'`,
      }],
    ];
  },

  async start(ctx) {
    const firewall = new Firewall(ctx);
    await firewall.start();
    return firewall;
  },
  reload: (firewall, next) => firewall.reload(next),
  pages: {
    shut: page({
      title: "Firewall",
      nav: "network",
      blocks: ({ closed }) => [{
        kind: "table",
        columns: ["Shut while otb runs"],
        rows: (closed as string[]).map((words) => [words]),
      }],
    }),
  },
  foresight,
});

class Firewall {
  readonly #interfaces: View<ReadonlyMap<string, InterfaceFact>>;
  readonly #listens: View<ReadonlyMap<string, ListensFact>>;
  readonly #listeners: View<ListenersFact | undefined>;
  #config: Config;
  #told = "";
  #work: Promise<void> = Promise.resolve();

  constructor(private readonly ctx: Context<Config, Words>) {
    this.#config = ctx.config;
    this.#interfaces = ctx.facts.watch(INTERFACE);
    this.#listens = ctx.facts.watch(LISTENS);
    this.#listeners = ctx.facts.watch(LISTENERS);
  }

  async start(): Promise<void> {
    const { ctx } = this;
    const soon = () => void this.#again();
    for (const view of [this.#interfaces, this.#listens, this.#listeners, ctx.network, ctx.links]) {
      ctx.defer(view.subscribe(soon));
    }
    await this.#apply();
  }

  async reload(next: Config): Promise<void> {
    this.#config = next;
    await this.#work;
    await this.#apply();
  }

  #again(): Promise<void> {
    return this.#work = this.#work.then(() => this.#apply()).catch((error) => {
      this.ctx.health.raise("firewall-refused", { reason: (error as Error).message });
    });
  }

  async #apply(): Promise<void> {
    const { ctx } = this;
    if (ctx.signal.aborted) return;
    const { enabled, allow, trusted } = this.#config;
    const { listeners } = this.#listeners.current ?? { listeners: [] };
    const services = [...this.#listens.current.values()].flatMap((fact) => fact.services);
    const allowed = allow.flatMap((text): Allowed[] => {
      const one = parseAllowed(text);
      return one ? [one] : [];
    });
    const body = enabled
      ? compile({
        role: ctx.role,
        zones: zonesOf({
          network: ctx.network.current,
          links: ctx.links.current,
          interfaces: [...this.#interfaces.current.values()],
          trusted,
        }),
        services,
        ssh: sshPorts(listeners),
        allowed,
      })
      : "";
    await ctx.claim("table", body ? [{ kind: "nftTable", family: "inet", name: TABLE, body }] : []);
    ctx.health.clear("firewall-refused");
    this.#tell(enabled ? inWords(closed(ctx.role, listeners, services, allowed)) : undefined);
  }

  /** @param shut what can no longer be reached, in words; undefined while everything can */
  #tell(shut: string | undefined): void {
    const { ctx } = this;
    const text = String(shut);
    if (text === this.#told) return;
    this.#told = text;
    ctx.publishStatus({ enabled: shut !== undefined, closed: shut ? [shut] : [] });
    if (shut) {
      ctx.log.info(`While otb runs, the network no longer reaches: ${shut}`);
      ctx.health.raise("firewall-closed", { shut, zone: ctx.role === "box" ? "lan" : "link" });
    } else ctx.health.clear("firewall-closed");
    if (shut === undefined) ctx.health.raise("firewall-off");
    else ctx.health.clear("firewall-off");
  }
}
