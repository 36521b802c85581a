// What a plugin declares, as data: `declared.json` beside its manifest, from which every face knows its verbs, forms and pages
// without running any of its code. Written by whoever makes the plugin; what lies there is checked where it is read.
import { toJSONSchema } from "zod/v4/core";
import type * as z from "zod/mini";
import type { Ask } from "./action.ts";
import type { Json } from "./json.ts";
import type { Plugin } from "./plugin.ts";

/** The content of `declared.json` for a plugin: only what is there. Pure. */
export function declarationsOf<Config, Running>(plugin: Plugin<Config, Running>): Json {
  const { verbs, actions = {}, edits = {}, pages = {}, loss, guide, foresight } = plugin;
  const each = <T>(of: Record<string, T>, describe: (one: T) => object) =>
    Object.keys(of).length === 0
      ? undefined
      : Object.fromEntries(Object.entries(of).map(([name, one]) => [name, describe(one)]));
  return JSON.parse(JSON.stringify({
    verbs,
    actions: each(actions, (one) => ({
      ...asked(one),
      result: one.result && schemaOf(one.result),
      changes: one.changes,
      confirm: one.confirm,
      idle: one.idle && true,
    })),
    edits: each(edits, (one) => ({ ...asked(one), look: one.look })),
    pages: each(pages, ({ title, nav }) => ({ title, nav })),
    loss: loss && true,
    guide: guide && { next: guide.next },
    foresight: foresight &&
      { name: foresight.name, conditions: foresight.conditions, well: foresight.well },
  }));
}

// deno-lint-ignore no-explicit-any
function asked({ title, summary, verb, after, example, args }: Ask<any>): object {
  return { title, summary, verb, after, example, args: args && schemaOf(args) };
}

function schemaOf(schema: z.ZodMiniType): object {
  const { $schema: _, ...rest } = toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return rest;
}
