// How verbs are declared: a parser whose value is what to do. One declaration gives parsing, help and completion.
import { object, or } from "@optique/core/constructs";
import { message, text } from "@optique/core/message";
import { map, optional, withDefault } from "@optique/core/modifiers";
import type { Mode, Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { choice, string } from "@optique/core/valueparser";
import { connect, type Core, type Language, LANGUAGES, OtbError } from "../client/mod.ts";
import { type Call, DEFAULT_STATE } from "./called.ts";
import { notRoot, type Terminal } from "./terminal.ts";

/** What every verb is given. */
export interface Cli {
  state: string;
  json: boolean;
  /** Of what is said to the person. */
  language: Language;
  /** How it was called; what is printed for people follows it by itself (asCalled). */
  call: Call;
  terminal: Terminal;
  /** Aborted by the first Ctrl-C; who never looks at it is ended by Ctrl-C as usual. */
  readonly signal: AbortSignal;
  /** Prints the outcome: `value` with --json, otherwise the lines that `human` makes. */
  print(value: object, human: () => string | string[]): void;
  /** Runs `body` with the core of the state directory. @throws OtbError `not-initialised`, `not-root` */
  withCore<T>(body: (core: Core) => Promise<T>): Promise<T>;
}

/** The value of a parsed command line. */
export type Parsed = {
  /** Answers with an exit status when it is not simply 0. */
  run: (cli: Cli) => Outcome | Promise<Outcome>;
};

/** What a verb answers with: nothing, or an exit status. */
export type Outcome = void | number;

/** A verb or a group of verbs. */
export type Verb = Parser<"sync", Parsed, unknown>;

/** Options of every verb, before or after it. */
export const globalOptions = object("Everywhere", {
  state: withDefault(
    option("--state", string({ metavar: "DIR" }), {
      description: message`State directory (default ${text(DEFAULT_STATE)}).`,
    }),
    DEFAULT_STATE,
  ),
  language: optional(option("--language", choice(LANGUAGES), {
    description: message`Language of what is said; without it the terminal's, with --json English.`,
  })),
  json: option("--json", { description: message`Print one JSON object.` }),
});

/** Declares a verb; `example` is a whole command line. */
export function verb<const T extends { readonly [name: string]: Parser<"sync", unknown, unknown> }>(
  name: string,
  declaration: {
    brief: string;
    example: string;
    options: T;
    run(args: { readonly [K in keyof T]: T[K]["$valueType"][number] }, cli: Cli): Outcome | Promise<Outcome>;
  },
): Verb {
  const { brief, example, options, run } = declaration;
  const parsed = map(object(options as never), (args): Parsed => ({ run: (cli) => run(args as never, cli) }));
  return command(name, parsed as Parser<"sync", Parsed, unknown>, {
    brief: message`${text(brief)}`,
    footer: message`Example: ${text(example)}`,
  }) as Verb;
}

/** Several verbs under one word; what they are made of, so that more can join them. */
export type Group = Verb & {
  group: { name: string; brief: string; verbs: Verb[]; example: string; about?: string };
};

/** Declares a group of verbs; `about` is what a person should know beyond them. */
export function group(name: string, brief: string, verbs: Verb[], example: string, about?: string): Group {
  // A group that others fill is none yet.
  const parser = command(name, verbs.length > 0 ? oneOf(verbs) : NOTHING, {
    brief: message`${text(brief)}`,
    usageLine: () => [{ type: "argument", metavar: "VERB" }],
    ...about === undefined ? {} : { description: message`${text(about)}` },
    footer: message`Example: ${text(example)}`,
  });
  return Object.assign(parser as Verb, { group: { name, brief, verbs, example, about } });
}

const NOTHING = map(object({}), (): Parsed => ({ run: () => {} })) as Verb;

/** The word of a verb or a group. */
export function nameOf({ usage: [term] }: Pick<Verb, "usage">): string {
  return term?.type === "command" ? term.name : "";
}

/** Any of several verbs. */
export function oneOf(verbs: Verb[]): Verb {
  // or() takes 15 at most; groups of groups read the same in help.
  return verbs.length === 1
    ? verbs[0]!
    : verbs.length <= 10
    ? (or as (...parsers: Parser<Mode, unknown, unknown>[]) => unknown)(...verbs) as Verb
    : oneOf([oneOf(verbs.slice(0, 10)), oneOf(verbs.slice(10))]);
}

/** Opens the core for one verb and closes it. */
export async function withCore<T>(state: string, body: (core: Core) => Promise<T>): Promise<T> {
  let core: Core;
  try {
    core = await connect(state);
  } catch (error) {
    if (Deno.uid() !== 0 && error instanceof OtbError && hidden(state)) throw notRoot();
    throw error;
  }
  try {
    return await body(core);
  } finally {
    core.close();
  }
}

/** A state directory is for its owner only: to others its content looks as if it were not there. */
function hidden(state: string): boolean {
  try {
    for (const _ of Deno.readDirSync(state)) break;
    return false;
  } catch (error) {
    return error instanceof Deno.errors.PermissionDenied;
  }
}
