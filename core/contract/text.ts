// Texts for people as data: templates in every language, of which the compiler knows the parameters. A plugin hands them over; who
// draws them runs none of its code. Pure.

/** A language that every text is there in. */
export type Language = "en" | "fr";

/** All of them; the first is for who asked for none. */
export const LANGUAGES: readonly Language[] = ["en", "fr"];

/** A text of the plugin itself within another one. */
export interface Phrase {
  phrase: string;
  parameters?: Parameters;
}

/** What may stand in place of a parameter; a list is drawn with commas. */
export type Value = string | number | Phrase | readonly (string | Phrase)[];

/** Values by the names of parameters. */
export type Parameters = { readonly [name: string]: Value };

/** What a condition says: what is the matter, what it means, and what a person can do, a sentence each. */
export interface ConditionText {
  text: string;
  /** Absent: where the condition leads to is drawn alone. */
  next?: string;
}

/**
 * The texts of a plugin in one language. In a template `{name}` is a parameter, and `{count:link|links}` the word for one or for more
 * by the rules of the language (CLDR's categories "one" and "other"). Where `{@name}` stands in what a person can do, a reference of the
 * condition's rule is drawn, as a command line or as a button.
 */
export interface Texts {
  conditions?: { readonly [code: string]: ConditionText };
  /** Pieces that stand in others. */
  phrases?: { readonly [name: string]: string };
}

/** The names of a template's parameters: `Names<"{count} {count:link|links} of {owner}">` is `"count" | "owner"`. */
export type Names<Template> = Exclude<Slots<Template>, `@${string}`>;

/** The same and its references, which begin with `@`. */
export type Slots<Template> = Template extends `${string}{${infer Slot}}${infer Rest}`
  ? (Slot extends `${infer Name}:${string}` ? Name : Slot) | Slots<Rest>
  : never;

/** Keeps the templates' own types: `export const en = texts({ conditions: { ... } })`. */
export function texts<const T extends Texts>(written: T): T {
  return written;
}

/** What makes a translation one: the same keys, and the same parameters in each text. */
export type Same<Original, Translated> = Original extends string
  ? [Slots<Original>, Slots<Translated>] extends [Slots<Translated>, Slots<Original>] ? string
  : `must have exactly the parameters ${Slots<Original>}`
  :
    & { [K in keyof Original]: Same<Original[K], K extends keyof Translated ? Translated[K] : never> }
    & { [K in Exclude<keyof Translated, keyof Original>]: never };

/** The same texts in another language; what is missing, too much or has other parameters does not compile. */
export function translation<const Original extends Texts, const T extends Same<Original, T>>(
  _original: Original,
  translated: T,
): T {
  return translated;
}

/** What is there to fill a template with, beside its parameters. */
export interface Filling {
  language: Language;
  phrases?: Texts["phrases"];
  /** Where a condition leads to, drawn; by name. */
  references?: { readonly [name: string]: string };
}

/** Phrases in phrases in phrases are enough for anybody. */
const DEEPEST = 3;

/** A template with its parameters filled in. A value is never read as a template, and one that is missing leaves a gap. */
export function fill(template: string, parameters: Parameters, filling: Filling, depth = 0): string {
  const { language, phrases = {}, references = {} } = filling;
  const said = (value: Value | undefined): string => {
    if (value === undefined || value === null) return "";
    if (typeof value !== "object") return String(value);
    if (!("phrase" in value)) return value.map(said).join(", ");
    const phrase = depth < DEEPEST ? own(phrases, value.phrase) ?? "" : "";
    return fill(phrase, value.parameters ?? {}, filling, depth + 1);
  };
  return template.replaceAll(
    /\{(@?)([^{}:]+)(?::([^{}]*))?\}/g,
    (_, at: string, name: string, forms?: string) => {
      if (at) return own(references, name) ?? "";
      const value = own(parameters, name);
      if (forms === undefined) return said(value);
      const [one = "", other = one] = forms.split("|");
      return new Intl.PluralRules(language).select(Number(value)) === "one" ? one : other;
    },
  );
}

function own<T>(of: { readonly [name: string]: T }, name: string): T | undefined {
  return Object.hasOwn(of, name) ? of[name] : undefined;
}
