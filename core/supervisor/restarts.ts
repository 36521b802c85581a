// What new settings do to a plugin, known before it takes them: the same answer for who runs it and for who tells of it. Pure.
import type { Ending, Plugin, Resource } from "../contract/mod.ts";

/** The settings that a running plugin can't take; `null` where it can't take any. */
export type RestartsFor = readonly string[] | null;

/** What a plugin's code says of settings without running. */
export interface Foreseen {
  restartsFor: RestartsFor;
  /** What it will claim, by key; other keys show once it runs. */
  claims: { [key: string]: Resource[] };
}

/** Kinds of things that end with one plugin. */
const MOST_ENDINGS = 8;

/** What a plugin's code says of itself. */
export function restartsFor(plugin: Pick<Plugin<never>, "reload" | "restartsFor">): RestartsFor {
  return plugin.reload ? plugin.restartsFor ?? [] : null;
}

/** Whether a running plugin has to be started anew to go from one settings to others. */
export function needsRestart(settings: RestartsFor, former: unknown, next: unknown): boolean {
  const at = (config: unknown, name: string) => JSON.stringify((config as Record<string, unknown>)[name]);
  return settings === null || settings.some((name) => at(former, name) !== at(next, name));
}

/** What a plugin's process says would end, as far as it is that: who says it may be hostile. */
export function checkedEndings(said: unknown): Ending[] {
  if (!Array.isArray(said)) return [];
  return said.slice(0, MOST_ENDINGS).flatMap((one): Ending[] => {
    const { what, count } = one ?? {};
    return typeof what === "string" && /^[a-z][a-z ]{0,39}$/i.test(what) && Number.isSafeInteger(count) &&
        count > 0
      ? [{ what, count }]
      : [];
  });
}
