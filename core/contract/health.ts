// Conditions that a person should know of: declared once, raised by code and parameters, drawn in the language of who looks. Pure.
import {
  type ConditionText,
  fill,
  type Language,
  type Names,
  type Parameters,
  type Phrase,
  type Slots,
} from "./text.ts";
import type { Texts, Value } from "./text.ts";

/** Where a person can do something about it; may have parameters of the condition. */
export type Reference =
  /** Words of a verb and its arguments, such as `dhcp takeover`. */
  | { readonly action: string }
  /** A setting by its path, and what to set it to. */
  | { readonly setting: string; readonly value?: string }
  /** A link by its name. */
  | { readonly link: string };

/** What holds for a condition whenever it is raised. */
export interface ConditionRule {
  readonly severity: "info" | "warning" | "error";
  /** By the names that the text calls them by; the first is the one to offer where there is room for one. */
  readonly next?: { readonly [name: string]: Reference };
  /** Codes, of any plugin, that this follows from: while one of them is shown, this is not. */
  readonly dependsOn?: readonly string[];
  /** It has to stand for so long before it is shown, so that a blip is none. */
  readonly visibleAfterMs?: number;
}

/** The words of a plugin and the rules of its conditions, as data. */
export interface Words {
  readonly conditions: { readonly [code: string]: ConditionRule };
  readonly texts: { readonly [L in Language]: Texts };
}

/** Words of a plugin that has none. */
export type NoWords = {
  readonly conditions: Record<never, ConditionRule>;
  readonly texts: { readonly en: Record<never, never>; readonly fr: Record<never, never> };
};

/** Codes of the conditions that a plugin has. */
export type Code<W extends Words> = keyof W["conditions"] & string;

/** What `raise` takes: a code, and exactly the parameters that its texts have. */
export type Raised<W extends Words> = {
  [C in Code<W>]: Told<C, Named<W["conditions"][C], At<W["texts"]["en"]["conditions"], C>>>;
}[Code<W>];

/** What `phrase` takes. */
export type Phrased<W extends Words> = {
  [P in keyof W["texts"]["en"]["phrases"] & string]: Told<P, Names<W["texts"]["en"]["phrases"][P]>>;
}[keyof W["texts"]["en"]["phrases"] & string];

type At<T, Key> = T extends unknown ? Key extends keyof T ? T[Key] : never : never;
type Told<Key extends string, Name extends string> = [Name] extends [never] ? [key: Key]
  : [key: Key, parameters: { readonly [N in Name]: Value }];
type Next<Rule> = Rule extends { next: infer N } ? N : Record<never, never>;
type Named<Rule, Text> =
  | Names<At<Text, "text">>
  | Names<At<Text, "next">>
  | Names<At<Next<Rule>[keyof Next<Rule>], "action" | "setting" | "value" | "link">>;

/** A rule that has every reference that its text has. */
type RuleOf<Text> = ConditionRule & Referred<Slots<At<Text, "next">>>;
type Referred<Slot> = [Slot & `@${string}`] extends [never] ? unknown
  : { next: { readonly [S in Slot & `@${string}` as S extends `@${infer Name}` ? Name : never]: Reference } };

/** As `words` makes them: typed, and able to make phrases. */
export interface TypedWords<E extends Texts, C extends Words["conditions"]> extends Words {
  readonly conditions: C;
  readonly texts: { readonly en: E; readonly fr: Texts };
  phrase(...told: Phrased<{ conditions: C; texts: { en: E; fr: Texts } }>): Phrase;
}

/**
 * Joins the texts of a plugin and the rules of its conditions: every text of a condition has its rule, and every rule its text.
 * The plugin hands them to `definePlugin` and types its context by them: `Context<Config, typeof words>`.
 */
export function words<const E extends Texts, const C extends Words["conditions"]>(
  texts: { en: E; fr: Texts },
  conditions:
    & C
    & { readonly [K in keyof E["conditions"]]: RuleOf<E["conditions"][K]> }
    & {
      readonly [K in Exclude<keyof C, keyof E["conditions"]>]: never;
    },
): TypedWords<E, C> {
  const phrase = (...[phrase, parameters]: [string, Parameters?]) => ({ phrase, parameters });
  return { conditions, texts, phrase } as unknown as TypedWords<E, C>;
}

/** A condition as a person reads it. */
export interface HealthCondition {
  code: string;
  severity: "info" | "warning" | "error";
  /** One sentence: what is the matter. */
  message: string;
  /** What a person can do about it. */
  next?: string;
}

/** Draws a condition, its references as command lines. */
export function drawn(
  { conditions, texts }: Words,
  [code, parameters = {}]: readonly [code: string, parameters?: Parameters],
  language: Language = "en",
): HealthCondition {
  const rule = conditions[code]!;
  const { conditions: all = {}, phrases } = texts[language];
  const { text, next } = all[code] as ConditionText;
  const references = Object.fromEntries(
    Object.entries(rule.next ?? {}).map(([name, to]) => [name, fill(line(to), parameters, { language })]),
  );
  const filled = (template: string) => fill(template, parameters, { language, phrases, references });
  const advice = next === undefined ? Object.values(references).join("; ") : filled(next);
  return { code, severity: rule.severity, message: filled(text), ...advice ? { next: advice } : {} };
}

/** A reference as what to type. */
function line(reference: Reference): string {
  if ("action" in reference) return `otb ${reference.action}`;
  if ("link" in reference) return `otb link show ${reference.link}`;
  const { setting, value } = reference;
  return value === undefined ? setting : `otb config set ${setting}=${value}`;
}

/** Draws a phrase alone, for what is still told in one language: facts, status, logs. */
export function say({ texts }: Words, phrase: Phrase, language: Language = "en"): string {
  return fill("{it}", { it: phrase }, { language, phrases: texts[language].phrases });
}
