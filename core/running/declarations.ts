// What the plugins of a role declare, and what of it their code answers without running: for a core, running or not.
import type { Core, DeclaredAction, DeclaredPage, EditResult } from "../client/types.ts";
import { type Answer, type Edited, type Json, OtbError, type Viewer } from "../contract/mod.ts";
import { viewerOf } from "../contract/page.ts";
import { consult } from "../supervisor/consult.ts";
import { type Declared, readDeclared } from "../supervisor/declared.ts";
import type { Manifest } from "../supervisor/manifest.ts";

/** Reads them once. */
export class Declarations {
  readonly #plugins: Map<string, { manifest: Manifest; declared: Declared }>;
  /** Why those of a plugin cannot be used. */
  readonly problems: OtbError[] = [];

  constructor(manifests: Manifest[], private readonly root: string) {
    this.#plugins = new Map(manifests.map((manifest) => [manifest.name, {
      manifest,
      declared: this.#read(manifest),
    }]));
  }

  #read({ directory }: Manifest): Declared {
    try {
      return readDeclared(directory);
    } catch (error) {
      if (!(error instanceof OtbError)) throw error;
      this.problems.push(error);
      return { verbs: {}, actions: {}, edits: {}, pages: {}, loss: false };
    }
  }

  actions(): DeclaredAction[] {
    return [...this.#plugins].flatMap(([plugin, { declared }]) => [
      ...Object.entries(declared.actions).map(([name, { idle: _, ...one }]) => ({
        ...{ plugin, name, kind: "action" as const },
        ...one,
      })),
      ...Object.entries(declared.edits).map(([name, { look: _, ...one }]) => ({
        ...{ plugin, name, kind: "edit" as const, changes: true },
        ...one,
      })),
    ]);
  }

  pages(): DeclaredPage[] {
    return [...this.#plugins].flatMap(([plugin, { declared }]) =>
      Object.entries(declared.pages).map(([name, page]) => ({ plugin, name, ...page }))
    );
  }

  /** Names of plugins that declare something of this kind. */
  having(kind: "loss" | "guide"): string[] {
    return [...this.#plugins].flatMap(([plugin, { declared }]) => declared[kind] ? [plugin] : []);
  }

  /** The answer of an action from settings alone; undefined where only a running plugin has it. */
  async idle(
    plugin: string,
    name: string,
    args: Json | undefined,
    view: Viewer | undefined,
    core: Pick<Core, "config">,
  ): Promise<Answer | undefined> {
    const { manifest, declared } = this.#plugins.get(plugin) ?? {};
    if (!manifest || !declared?.actions[name]?.idle) return undefined;
    const settings = await settingsOf(plugin, core);
    const question = { name, args: args ?? {}, settings: settings.value, view: viewerOf(view) };
    return await consult<Answer>(manifest, this.root, { kind: "idle", ...question });
  }

  /** @throws OtbError `plugin-unknown`, `action-unknown`, and what the edit says */
  async edit(
    core: Pick<Core, "live" | "config" | "act" | "propose">,
    ...[plugin, name, args, options]: Parameters<Core["edit"]>
  ): Promise<EditResult> {
    const { manifest, declared } = this.#plugin(plugin);
    const edit = declared.edits[name];
    if (!edit) {
      throw new OtbError(
        "action-unknown",
        `Cannot edit settings as plugin "${plugin}" has the edits ${
          Object.keys(declared.edits).join(", ") || "none"
        }: current value is "${name}"`,
      );
    }
    const looked = edit.look !== undefined && core.live
      ? await this.#look(core, plugin, edit.look)
      : undefined;
    const { value: settings, revision } = await settingsOf(plugin, core);
    const question = { name, args, settings, looked };
    const { patch, done } = await consult<Edited>(manifest, this.root, { kind: "edit", ...question });
    const result = await core.propose({
      ...options,
      base: options.base ?? revision,
      patch: { plugins: { [plugin]: patch } },
    });
    return { ...result, done };
  }

  /** Settings can be mended while their plugin does not run: undefined, as settings alone will answer. */
  async #look(core: Pick<Core, "act">, plugin: string, action: string): Promise<Json | undefined> {
    try {
      return (await core.act(plugin, action)).result;
    } catch (error) {
      if ((error as OtbError).code === "plugin-not-ready") return undefined;
      throw error;
    }
  }

  #plugin(name: string) {
    const plugin = this.#plugins.get(name);
    if (plugin) return plugin;
    throw new OtbError(
      "plugin-unknown",
      `Cannot do this as no plugin of that name works on this machine: current value is "${name}"`,
      "otb plugin list",
    );
  }
}

async function settingsOf(plugin: string, core: Pick<Core, "config">) {
  const { effective, revision } = await core.config();
  return { value: effective.plugins[plugin] ?? {}, revision };
}
