// All plugins of one role, led together.
import type { PluginEffect, PluginReport } from "../client/types.ts";
import {
  type Answer,
  type Block,
  type GuideStep,
  type Json,
  type Loss,
  OtbError,
  type Viewer,
} from "../contract/mod.ts";
import { viewerOf } from "../contract/page.ts";
import type { Manifest } from "./manifest.ts";
import type { Standing } from "./standing.ts";
import { endPrograms } from "./programs.ts";
import { type Foreseen, needsRestart } from "./restarts.ts";
import { type Core, Supervised } from "./supervised.ts";

/** Starts, follows and stops every plugin it is given. */
export class Supervisor {
  readonly #plugins: Map<string, Supervised>;
  readonly #run: string;

  constructor(manifests: Manifest[], core: Core) {
    this.#run = core.places.run;
    this.#plugins = new Map(manifests.map((manifest) => [manifest.name, new Supervised(manifest, core)]));
  }

  /** Resolves when every plugin had its first try; a failing one does not hold the others up. */
  async start(): Promise<void> {
    // What plugins left that are here no more.
    await endPrograms(this.#run, [...this.#plugins.keys()]);
    await Promise.all([...this.#plugins.values()].map((plugin) => plugin.start()));
  }

  /** Stops all, and gives back what they claimed. */
  async stop(): Promise<void> {
    await Promise.all([...this.#plugins.values()].map((plugin) => plugin.stop()));
  }

  /** Hands new settings to the named plugins; the first that refuses them decides. @throws OtbError its refusal */
  async reload(names: string[]): Promise<void> {
    for (const name of names) await this.#plugins.get(name)?.reload();
  }

  /** What `reload` of whose settings are not as they were would do, and what would end. */
  async effects(
    before: { [name: string]: Json },
    after: { [name: string]: Json },
    foreseen: { [name: string]: Foreseen },
  ): Promise<PluginEffect[]> {
    const changed = [...this.#plugins.values()].filter(({ name }) =>
      JSON.stringify(before[name]) !== JSON.stringify(after[name])
    );
    return await Promise.all(changed.map(async (plugin) => {
      const { restartsFor = null, claims = {} } = foreseen[plugin.name] ?? {};
      const isReload = plugin.isReady && !needsRestart(restartsFor, before[plugin.name], after[plugin.name]);
      return {
        plugin: plugin.name,
        takes: plugin.isIdle ? "next-start" as const : isReload ? "reload" as const : "restart" as const,
        ends: isReload ? [] : await plugin.ends(),
        foreseen: Object.keys(claims),
      };
    }));
  }

  /** Hands the secrets as they are now to everybody who runs; who uses one at its start only goes on with the former. */
  tellSecrets(): void {
    for (const plugin of this.#plugins.values()) plugin.tellSecrets();
  }

  /** Starts who knows one of these secrets anew. */
  async restartFor(secrets: string[]): Promise<void> {
    const concerned = [...this.#plugins.values()].filter(({ manifest }) =>
      manifest.secrets.some((name) => secrets.includes(name))
    );
    await Promise.all(concerned.map((plugin) => plugin.restart()));
  }

  /** @throws OtbError `plugin-unknown`, and what the plugin throws */
  async act(name: string, action: string, args?: Json, view?: Viewer): Promise<Answer> {
    return await this.#plugin(name).act(action, args, view);
  }

  /** @throws OtbError `plugin-unknown`, `page-unknown`, `plugin-not-ready` */
  async page(name: string, page: string, view?: Viewer): Promise<{ title: string; blocks: Block[] }> {
    return await this.#plugin(name).ask("show a page", "page", { page, view: viewerOf(view) });
  }

  /** What is lost when it stops; undefined for nothing, and while it does not run. */
  async loss(name: string): Promise<Loss | undefined> {
    return await this.#whenReady(this.#plugin(name).ask<Loss | null>("tell what is lost", "loss"));
  }

  /** How far its part of the setup is; undefined while it does not run. */
  async guide(name: string, view?: Viewer): Promise<GuideStep | undefined> {
    return await this.#whenReady(this.#plugin(name).ask<GuideStep | null>("lead", "guide", viewerOf(view)));
  }

  async #whenReady<T>(answer: Promise<T | null>): Promise<T | undefined> {
    try {
      return await answer ?? undefined;
    } catch (error) {
      if ((error as OtbError).code === "plugin-not-ready") return undefined;
      throw error;
    }
  }

  #plugin(name: string): Supervised {
    const plugin = this.#plugins.get(name);
    if (plugin) return plugin;
    throw new OtbError(
      "plugin-unknown",
      `Cannot run an action as the plugin must be one of ${
        [...this.#plugins.keys()].join(", ")
      }: current value is "${name}"`,
      "otb plugin list",
    );
  }

  reports(): PluginReport[] {
    return [...this.#plugins.values()].map((plugin) => plugin.report());
  }

  /** Conditions that stand, of all plugins. */
  health(): Standing[] {
    return [...this.#plugins.values()].flatMap((plugin) => [...plugin.health.values()]);
  }

  /** Why the plugins are not all well, undefined when they are. */
  trouble(): string | undefined {
    const unwell = this.reports().find(({ state }) => state !== "ready");
    return unwell && `plugin "${unwell.name}" is ${unwell.state}: ${unwell.reason ?? "no reason given"}`;
  }
}
