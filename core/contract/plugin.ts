// What a plugin module is.
import type * as z from "zod/mini";
import type { Resource } from "../net/model.ts";
import type { Action, Edit, VerbGroup } from "./action.ts";
import type { Context } from "./context.ts";
import type { Problem } from "./errors.ts";
import type { NoWords, Words } from "./health.ts";
import type { World } from "./network.ts";
import type { Foresight, Guide, Loss } from "./occasions.ts";
import type { Page } from "./page.ts";

/** The version of this contract, `major.minor.patch`; a manifest has the range of versions that it was written for, such as `^2`. */
export const CONTRACT_VERSION = "2.0.0";

/**
 * A plugin module's default export. The module itself has no state: what runs is what `start` resolves with, and everything that acts
 * on it is given it.
 */
export interface Plugin<Config, Running = unknown, W extends Words = NoWords> {
  /** One strict schema: validation, defaults, docs, web form and CLI flags come from it. Every field has a default. */
  config: z.ZodMiniType<Config>;
  /** What it says to people; absent: it raises no condition. */
  words?: W;
  /** Pure check of settings against the world; schema errors are found before. */
  check?(next: Config, world: World): Problem[];
  /**
   * What it claims, by key, as far as settings and world alone decide it: what is known before it runs, so that a conflict is found
   * before the settings are stored. A key is named whole or not at all. Pure.
   */
  claims?(next: Config, world: World): { [key: string]: Resource[] };
  /** Resolves with the running plugin when it is ready to serve. */
  start(ctx: Context<Config, W>): Promise<Running> | Running;
  /**
   * Takes new settings without a restart and without ending what it carries; absent: the core restarts the plugin.
   * @throws Error when it can't; the core then goes back to the former settings
   */
  reload?(running: Running, next: Config): Promise<void> | void;
  /** The settings that `reload` can't take: a change of one of them is a restart. */
  restartsFor?: readonly (keyof Config & string)[];
  /** What a restart would end now. */
  ends?(running: Running): Ending[];
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

/** Something that ends with a running plugin, such as 412 connections. */
export interface Ending {
  /** What it is in plain words, one of them: `connection`. */
  what: string;
  count: number;
}

/** Types a plugin module: `export default definePlugin({ config, start })`. */
export function definePlugin<Config, Running, W extends Words = NoWords>(
  plugin: Plugin<Config, Running, W>,
): Plugin<Config, Running, W> {
  return plugin;
}
