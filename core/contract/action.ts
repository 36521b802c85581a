// What a plugin can be asked to do. One declaration is a CLI verb, a web form with its button, and an RPC call.
import type * as z from "zod/mini";
import type { Status } from "./context.ts";
import type { Json } from "./json.ts";
import type { Block, Viewer } from "./page.ts";

/** What actions and edits are called, take, and look like on the command line. */
export interface Ask<Args> {
  /** What a button says. */
  title: string;
  /** One sentence for help and forms. */
  summary: string;
  /** A strict object; every field is made by `field`. Absent when there are no arguments. */
  args?: z.ZodMiniType<Args>;
  /** The words that a person types after `otb`; absent: only `otb plugin act` reaches it. */
  verb?: string;
  /** The verb of its group after which help shows it; absent: the order of declaration, groups of others last. */
  after?: string;
  /** A whole command line. */
  example?: string;
}

/** Something to do, or to tell, by a plugin that runs. */
export interface Action<Running, Args = undefined, Settings = unknown> extends Ask<Args> {
  /** What `run` answers with, for programs. */
  result?: z.ZodMiniType;
  /** Something is otherwise afterwards; absent: it only tells. */
  changes?: boolean;
  /** Asked before a button does it; at the command line its words are the answer. */
  confirm?: string;
  /** @param running what `start` resolved with */
  run(running: Running, args: Args): Json | Promise<Json>;
  /** The answer from settings alone, while nothing runs. Pure; absent: there is none then. */
  idle?(args: Args, settings: Settings): Json;
  /** The answer for a person; `running` is absent where settings alone gave it. */
  show?(result: never, view: Viewer & { args: Args }, running: Running | undefined): Block[];
}

/** A change of the plugin's own settings. Pure: it runs in a process that may do nothing. */
export interface Edit<Settings, Args = undefined> extends Ask<Args> {
  /** An action without arguments whose answer `edit` looks at, too. */
  look?: string;
  /** @throws OtbError why it cannot be; `usage` for a command line that makes no sense */
  edit(args: Args, settings: Settings, looked: Json | undefined): Edited;
}

/** What an edit comes to. */
export interface Edited {
  /** A merge patch (RFC 7396) of the plugin's settings. */
  patch: Status;
  /** Said when it is done, for example `Rule "ads" added`. */
  done: string;
}

/** The answer of an action, for a program and for a person. */
export interface Answer {
  result: Json;
  blocks: Block[];
}

/** A first word under which several verbs stand. */
export interface VerbGroup {
  summary: string;
  /** A whole command line. */
  example: string;
  /** What a person should know beyond the verbs. */
  about?: string;
}

/** Types an action: `action({ title, summary, args, run: (running: Mine, { link }) => ... })`. */
export function action<Running, Args = undefined, Settings = unknown>(
  declared: Action<Running, Args, Settings>,
): Action<Running, Args, Settings> {
  return declared;
}

/** Types an edit: `edit({ title, summary, args, verb: "rule add", edit: (args, settings: Config) => ({ patch, done }) })`. */
export function edit<Settings, Args = undefined>(declared: Edit<Settings, Args>): Edit<Settings, Args> {
  return declared;
}
