// What the compiler does not see of texts: that each is used, that what they refer to is there, and that French is French. Pure.
import type { Texts, Words } from "@otb/plugin";

/** The words of one plugin, or of the core. */
export interface Said {
  words: Words;
  /** Text of the modules that may use them, by path. */
  sources: { [path: string]: string };
}

/** What is known of the rest of the house. */
export interface House {
  /** Codes of all conditions there are. */
  codes: ReadonlySet<string>;
  /** Whether there is such a setting. */
  hasSetting(path: string): boolean;
}

/** Words that no French sentence has, and that hardly an English one lacks. */
const ENGLISH =
  /(?<![\p{L}'’-])(the|of|is|are|it|its|and|or|with|that|this|to|from|for|by|when|not|no|which|may|must|one|how|other|another)(?![\p{L}'’-])/iu;

/** Every breach, one sentence each; empty when all is in order. */
export function textBreaches({ words, sources }: Said, { codes, hasSetting }: House): string[] {
  const code = Object.entries(sources).filter(([path]) =>
    !/(^|\/)texts\/|_test\.ts$|(^|\/)testing/.test(path)
  )
    .map(([, text]) => text).join("\n");
  const made = [...code.matchAll(/`([a-z-]*)\$\{[^}`]*\}([a-z-]*)`/g)].filter(([, a, b]) =>
    /[a-z]/.test(`${a}${b}`)
  )
    .map(([, before, after]) => new RegExp(`^${before}[a-z0-9-]+${after}$`));
  const isUsed = (name: string) => code.includes(`"${name}"`) || made.some((pattern) => pattern.test(name));
  const { conditions, texts: { en, fr } } = words;
  const references = new Set(Object.values(conditions).flatMap(({ next }) => Object.keys(next ?? {})));
  return [
    ...Object.keys(conditions).filter((name) => !isUsed(name)).map((name) => `nobody raises "${name}"`),
    ...Object.keys(en.phrases ?? {}).filter((name) => !isUsed(name)).map((name) => `nobody says "${name}"`),
    ...Object.entries(conditions).flatMap(([name, { dependsOn = [], next = {} }]) => [
      ...dependsOn.filter((cause) => !codes.has(cause)).map((cause) =>
        `"${name}" depends on "${cause}", which nobody has`
      ),
      ...Object.values(next).flatMap((to) =>
        "setting" in to && !hasSetting(to.setting)
          ? [`"${name}" leads to the setting ${to.setting}, which is none`]
          : []
      ),
    ]),
    ...Object.entries(en.phrases ?? {}).flatMap(([name, text]) =>
      [...text.matchAll(/\{@([^{}]+)\}/g)].flatMap(([, to]) =>
        references.has(to!) ? [] : [`"${name}" leads to "${to}", where no condition does`]
      )
    ),
    ...templates(fr).flatMap(([name, text]) => {
      const said = text.replaceAll(/\{[^{}]*\}|« [^»]* »|\([^()]*\)|(?<= )'[^']*'/g, "");
      const [english] = ENGLISH.exec(said) ?? [];
      const same = templates(en).find(([other]) => other === name)?.[1];
      return english
        ? [`the French "${name}" says "${english}"`]
        : same === text && /\p{L}{3}/u.test(said) && said.split(" ").length > 2
        ? [`the French "${name}" is the English one`]
        : [];
    }),
  ];
}

/** All templates of one language, by where they stand. */
function templates({ conditions = {}, phrases = {} }: Texts): [string, string][] {
  return [
    ...Object.entries(conditions).flatMap(([code, { text, next }]): [string, string][] => [
      [code, text],
      ...next === undefined ? [] : [[`${code}, next`, next] as [string, string]],
    ]),
    ...Object.entries(phrases),
  ];
}
