// Verbs that plugins declare: each becomes a parser with help and completion like the CLI's own. None of their code runs here.
import { message, text } from "@optique/core/message";
import { multiple, optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { argument, option } from "@optique/core/primitives";
import { choice, float, integer, string, type ValueParser } from "@optique/core/valueparser";
import type { Answer, DeclaredArgs, DeclaredField, DeclaredHere, Json, Viewer } from "../client/mod.ts";
import { blockLines } from "./blocks.ts";
import { seeThrough } from "./change.ts";
import { given, yes } from "./options.ts";
import { type Cli, type Group, group, nameOf, type Verb, verb } from "./verb.ts";

type AnyParser = Parser<"sync", unknown, unknown>;

/** One verb where it belongs. */
interface Placed {
  words: string[];
  after?: string;
  verb: Verb;
}

/** The CLI's own verbs with those of plugins among them; at `here` stand their own first words. A name that is taken stays as it is. */
export function withDeclared(before: Verb[], after: Verb[], here: DeclaredHere[]): Verb[] {
  const placed = here.flatMap(verbsOf);
  const own = new Set([...before, ...after].map(nameOf));
  const extended = (verbs: Verb[]) =>
    verbs.map((one) => {
      const more = placed.filter(({ words }) => words.length === 2 && words[0] === nameOf(one));
      return "group" in one && more.length > 0 ? extendedGroup(one as Group, more) : one;
    });
  const firsts = [...new Set(placed.map(({ words }) => words[0]!))].filter((word) => !own.has(word));
  const theirs = firsts.map((word) => {
    const alone = placed.find(({ words }) => words.length === 1 && words[0] === word);
    if (alone) return alone.verb;
    const below = placed.filter(({ words }) => words[0] === word);
    const { summary = "Verbs of a plugin.", example = `otb ${word} --help`, about } =
      here.find(({ declared }) => Object.hasOwn(declared.verbs, word))?.declared.verbs[word] ?? {};
    return extendedGroup(group(word, summary, [], example, about), below);
  });
  return [...extended(before), ...theirs, ...extended(after)];
}

function extendedGroup({ group: { name, brief, verbs, example, about } }: Group, more: Placed[]): Verb {
  const all = [...verbs];
  // Those that know their place look for it among all others.
  const inOrder = [...more].sort((a, b) => Number(a.after !== undefined) - Number(b.after !== undefined));
  for (const { words: [, word], after, verb } of inOrder) {
    if (all.some((other) => nameOf(other) === word)) continue;
    const place = after === undefined ? -1 : all.findIndex((other) => nameOf(other) === after);
    all.splice(place < 0 ? all.length : place + 1, 0, verb);
  }
  return group(name, brief, all, example, about);
}

function verbsOf({ plugin, declared: { actions, edits } }: DeclaredHere): Placed[] {
  const placed = (
    one: { summary: string; verb?: string; after?: string; example?: string; args?: unknown },
    options: { [name: string]: AnyParser },
    run: (args: Json, options: { yes: boolean }, cli: Cli) => Promise<void>,
  ): Placed[] => {
    if (one.verb === undefined) return [];
    const words = one.verb.split(" ");
    return [{
      words,
      after: one.after,
      verb: verb(words.at(-1)!, {
        brief: one.summary,
        example: one.example ?? `sudo otb ${one.verb}`,
        options: { ...parsersOf(one.args as DeclaredArgs | undefined), ...options },
        run: ({ yes = false, ...args }: { [name: string]: unknown }, cli) =>
          run(given(withoutEmpty(args)) as Json, { yes: yes === true }, cli),
      }),
    }];
  };
  return [
    ...Object.entries(actions).flatMap(([name, one]) =>
      placed(one, {}, (args, _, cli) => act(cli, plugin, name, args))
    ),
    ...Object.entries(edits).flatMap(([name, one]) =>
      placed(
        one,
        { yes },
        (args, { yes }, cli) =>
          cli.withCore((core) =>
            seeThrough(core, cli, { yes }, async (options) => {
              const { done, ...result } = await core.edit(plugin, name, args, options);
              return { done, result };
            })
          ),
      )
    ),
  ];
}

function act(cli: Cli, plugin: string, name: string, args: Json): Promise<void> {
  return cli.withCore(async (core) => {
    const answer = await core.act(plugin, name, args, view(cli));
    cli.print(answer.result as object, () => answerLines(answer, cli));
  });
}

/** For whom blocks are made. */
export function view({ language }: Pick<Cli, "language">): Viewer {
  return { language, nowMs: Date.now() };
}

/** An answer for a person: its blocks, or its data where it has none. */
export function answerLines({ result, blocks }: Answer, { terminal }: Pick<Cli, "terminal">): string[] {
  if (blocks.length > 0) return blockLines(blocks, terminal);
  return [typeof result === "string" ? result : JSON.stringify(result, null, 2)];
}

function parsersOf(args: DeclaredArgs | undefined): { [name: string]: AnyParser } {
  return Object.fromEntries(
    Object.entries(args?.properties ?? {}).map(([name, field]) => [
      name,
      parserOf(name, field, args!.required.includes(name)),
    ]),
  );
}

function parserOf(name: string, field: DeclaredField, isRequired: boolean): AnyParser {
  const described = field.description === undefined
    ? {}
    : { description: message`${text(field.description)}` };
  const long =
    (field.option ?? `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`) as "--x";
  if (field.type === "boolean") return option(long, described) as AnyParser;
  const values = valueParser(field);
  const one = (field.positional ? argument(values, described) : option(long, values, described)) as AnyParser;
  if (field.type === "array") return multiple(one, { min: isRequired ? 1 : 0 }) as AnyParser;
  return isRequired ? one : optional(one) as AnyParser;
}

/** Of a list its items, in the words of the list. */
function valueParser({ items, ...field }: DeclaredField): ValueParser<"sync", string | number> {
  const { metavar } = field as { metavar?: "VALUE" };
  const choices = field.enum ?? items?.enum;
  const named = metavar === undefined ? {} : { metavar };
  if (choices) return choice(choices, named);
  const { type, minimum: min, maximum: max } = field;
  if (type === "integer") return integer({ ...named, min, max });
  if (type === "number") return float({ ...named, min, max });
  return string(named);
}

/** Options that may be given several times, and were not. */
function withoutEmpty(args: { [name: string]: unknown }): { [name: string]: unknown } {
  return Object.fromEntries(
    Object.entries(args).filter(([, value]) => !Array.isArray(value) || value.length > 0),
  );
}
