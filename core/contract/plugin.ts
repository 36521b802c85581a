// What a plugin module is.
import type * as z from "zod/mini";
import type { Action } from "./action.ts";
import type { Context, Status } from "./context.ts";
import type { Problem } from "./errors.ts";
import type { World } from "./network.ts";
import type { PanelBlock } from "./page.ts";

/** The version of this contract; a manifest names the one it was written for. */
export const CONTRACT_VERSION = 1;

/** A plugin module's default export. */
export interface Plugin<Config> {
  /** One strict schema: validation, defaults, docs, web form and CLI flags come from it. Every field has a default. */
  config: z.ZodMiniType<Config>;
  /** Pure check of settings against the world; schema errors are found before. */
  check?(next: Config, world: World): Problem[];
  /** Resolves when ready to serve. */
  start(ctx: Context<Config>): Promise<void> | void;
  /** Takes new settings without a restart; absent, or when it answers false, the core restarts the plugin. */
  reload?(next: Config): Promise<void | false> | void | false;
  actions?: Record<string, Action>;
  panel?(status: Status): PanelBlock[];
}

/** Types a plugin module: `export default definePlugin({ config, start })`. */
export function definePlugin<Config>(plugin: Plugin<Config>): Plugin<Config> {
  return plugin;
}
