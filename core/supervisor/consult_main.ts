// Runs inside a process without any permission: what of a plugin's declarations is pure.
import type { Json, Machine, Plugin, Viewer } from "../contract/mod.ts";
import { declarationsOf } from "../contract/declared.ts";
import { answer } from "./answer.ts";
import { readArgs } from "./args.ts";

/** What is asked of one plugin. */
export type Question =
  | { kind: "edit"; name: string; args: Json; settings: Json; looked?: Json }
  | { kind: "idle"; name: string; args: Json; settings: Json; view: Viewer }
  | { kind: "foresee"; machine: Machine }
  | { kind: "declare" };

/** The answer, or why there is none. */
export type Consulted = { value: Json } | { error: { code: string; message: string; next?: string } };

/** Prints the answer to one question as JSON on standard output. */
export async function consult([plugin]: [Plugin<unknown>], question: Question): Promise<void> {
  let consulted: Consulted | { value: unknown };
  try {
    consulted = { value: told(plugin, question) };
  } catch (error) {
    const { code, message, next } = error as { code?: string; message: string; next?: string };
    if (code === undefined) throw error;
    consulted = { error: { code, message, next } };
  }
  await answer(consulted);
}

function told(plugin: Plugin<unknown>, question: Question): unknown {
  if (question.kind === "foresee") return plugin.foresight?.foresee(question.machine) ?? [];
  if (question.kind === "declare") return declarationsOf(plugin);
  const { name, settings } = question;
  if (question.kind === "edit") {
    const edit = plugin.edits![name]!;
    const args = readArgs(name, edit.args, question.args);
    // What the running plugin did not say, settings alone do.
    const looked = question.looked ??
      (edit.look === undefined
        ? undefined
        : plugin.actions![edit.look]!.idle?.(lookArgs(plugin, edit.look), settings));
    return edit.edit(args, settings, looked);
  }
  const { view } = question, action = plugin.actions![name]!;
  const args = readArgs(name, action.args, question.args);
  const result = action.idle!(args, settings);
  return { result, blocks: action.show?.(result as never, { ...view, args }, undefined) ?? [] };
}

function lookArgs(plugin: Plugin<unknown>, name: string): unknown {
  return readArgs(name, plugin.actions![name]!.args, {});
}
