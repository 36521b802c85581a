// The running firewall: follows who is where and who serves what, keeps the table so, and tells what it shuts.
import {
  type Context,
  INTERFACE,
  type InterfaceFact,
  LISTENERS,
  type ListenersFact,
  LISTENS,
  type ListensFact,
  type View,
} from "@otb/plugin";
import { type Allowed, parseAllowed } from "./allow.ts";
import { closed, inWords, sshPorts } from "./closed.ts";
import { compile, TABLE } from "./compile.ts";
import type { Config } from "./config.ts";
import type { Words } from "./texts/mod.ts";
import { zonesOf } from "./zones.ts";

/** Keeps the table as settings and zones want it. */
export class Firewall {
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
