// What a plugin module is.
import type * as z from "zod/mini";
import type { Action, Edit, VerbGroup } from "./action.ts";
import type { Context } from "./context.ts";
import type { Problem } from "./errors.ts";
import type { World } from "./network.ts";
import type { Foresight, Guide, Loss } from "./occasions.ts";
import type { Page } from "./page.ts";

/** The version of this contract, `major.minor.patch`; a manifest has the range of versions that it was written for, such as `^2`. */
export const CONTRACT_VERSION = "2.0.0";

/**
 * A plugin module's default export. The module itself has no state: what runs is what `start` resolves with, and everything that acts
 * on it is given it.
 */
export interface Plugin<Config, Running = unknown> {
  /** One strict schema: validation, defaults, docs, web form and CLI flags come from it. Every field has a default. */
  config: z.ZodMiniType<Config>;
  /** Pure check of settings against the world; schema errors are found before. */
  check?(next: Config, world: World): Problem[];
  /** Resolves with the running plugin when it is ready to serve. */
  start(ctx: Context<Config>): Promise<Running> | Running;
  /** Takes new settings without a restart; absent, or when it answers false, the core restarts the plugin. */
  reload?(running: Running, next: Config): Promise<void | false> | void | false;
  // deno-lint-ignore no-explicit-any
  actions?: Record<string, Action<NoInfer<Running>, any, any>>;
  // deno-lint-ignore no-explicit-any
  edits?: Record<string, Edit<any, any>>;
  pages?: Record<string, Page>;
  /** What help says of first words under which verbs of this plugin stand. */
  verbs?: Record<string, VerbGroup>;
  /** What devices or boxes lose when this one stops; nothing: undefined. */
  loss?(running: NoInfer<Running>): Loss | undefined;
  guide?: Guide<NoInfer<Running>>;
  foresight?: Foresight;
}

/** Types a plugin module: `export default definePlugin({ config, start })`. */
export function definePlugin<Config, Running>(plugin: Plugin<Config, Running>): Plugin<Config, Running> {
  return plugin;
}
