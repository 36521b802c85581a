// Who tells and who follows which fact, out of the sources and the manifests: the rules, and the page that shows it. Pure.
import { isTest } from "./arch.ts";
import { table } from "./docs_table.ts";

/** A fact as it stands in the code. */
export interface Declaration {
  /** Of the constant. */
  name: string;
  key: string;
  /** What it exists once for each of; absent: it exists once. */
  subject?: string;
  /** The plugin that it belongs to alone; absent: plugins share it. */
  owner?: string;
  path: string;
  /** The first sentence about it. */
  about: string;
}

/** What somebody tells and follows, by keys. */
export interface Part {
  reads?: readonly string[];
  publishes?: readonly string[];
  /** When a plugin runs, where that is not always. */
  runs?: string | { whileFact?: string };
}

/** Texts of all modules by path, and everybody's part by name: plugins by their manifests, and the core. */
export interface Known {
  sources: { [path: string]: string };
  parts: { [who: string]: Part };
}

const SHARED = "core/contract/facts/";

/** Every fact that is declared. */
export function declarations(sources: Known["sources"]): Declaration[] {
  return Object.entries(sources).filter(([path]) =>
    !isTest(path) && (path.startsWith(SHARED) || ownerOf(path))
  )
    .flatMap(([path, text]) =>
      [...text.matchAll(
        /(?:\/\*\*((?:(?!\*\/)[^])*)\*\/\n)?(?:export )?const (\w+) = fact(?:Of)?\(\s*"([^"]+)"(?:,\s*"([^"]+)")?/g,
      )].map(([, about = "", name, key, subject]): Declaration => ({
        ...{ name: name!, key: key!, subject, path, about: firstSentence(about) },
        owner: path.startsWith(SHARED) ? undefined : ownerOf(path),
      }))
    );
}

/** What is told, followed or named where it must not be, one sentence each. */
export function factBreaches({ sources, parts }: Known): string[] {
  const declared = declarations(sources);
  const twice = declared.filter(({ key }, index) => declared.findIndex((other) => other.key === key) < index)
    .map(({ key, path }) => `${path} declares the fact "${key}" a second time`);
  const untold = declared.filter(({ key }) =>
    !Object.values(parts).some(({ publishes }) => publishes?.includes(key))
  )
    .map(({ key, path }) => `${path} declares the fact "${key}", which nobody publishes`);
  return [
    ...twice,
    ...untold,
    ...Object.entries(parts).flatMap(([who, part]) => partBreaches(who, part, declared, sources)),
  ];
}

function partBreaches(who: string, part: Part, declared: Declaration[], sources: Known["sources"]): string[] {
  const mine = declared.filter(({ owner }) => owner === undefined || owner === who);
  const used = { reads: new Set<string>(), publishes: new Set<string>() };
  const breaches: string[] = [];
  for (const [path, text] of Object.entries(sources)) {
    if (isTest(path) || ownerOf(path) !== who) continue;
    for (
      const [, verb, name] of text.matchAll(
        /\bfacts\.(watch|publish|publishAll)(?:<[^>(]*>)?\(\s*([^\s,)]+)/g,
      )
    ) {
      const fact = mine.find((one) => one.name === name);
      const field = verb === "watch" ? "reads" : "publishes";
      if (!fact) breaches.push(`${path} has facts.${verb}(${name}): it must be the name of a declared fact`);
      else used[field].add(fact.key);
    }
  }
  for (const field of ["reads", "publishes"] as const) {
    const named = part[field] ?? [];
    for (const key of named) {
      if (!declared.some((one) => one.key === key)) {
        breaches.push(`${who} names in "${field}" the fact "${key}", which nobody declares`);
      } else if (!used[field].has(key)) {
        breaches.push(`${who} names in "${field}" the fact "${key}", which its code does not use so`);
      }
    }
    for (const key of used[field]) {
      if (!named.includes(key)) {
        breaches.push(`${who} must name in "${field}" the fact "${key}", which its code uses`);
      }
    }
  }
  const wants = typeof part.runs === "object" ? part.runs.whileFact : undefined;
  if (wants !== undefined && !declared.some(({ key }) => key === wants)) {
    breaches.push(`${who} is to run while there is the fact "${wants}", which nobody declares`);
  }
  return breaches;
}

/** The table of all facts. */
export function factsTable({ sources, parts }: Known): string {
  const who = (field: "reads" | "publishes", key: string) =>
    Object.keys(parts).filter((name) => parts[name]![field]?.includes(key)).sort().join(", ") || "nobody";
  return table([
    ["Fact", "Of each", "Told by", "Followed by", "What it is"],
    // What the template has is nobody's yet.
    ...declarations(sources).filter(({ owner }) => !owner?.startsWith("_")).sort((a, b) =>
      a.key < b.key ? -1 : 1
    ).map(({ key, subject, about }) => [
      ...[`\`${key}\``, subject ?? "", who("publishes", key), who("reads", key), about],
    ]),
  ]);
}

/** One step of the way that something takes from one to another. */
export interface Step {
  from: string;
  /** A fact's key; other words stand for what is no fact. */
  by: string;
  to: string;
  /** What the last one does then. */
  does: string;
}

/** Steps that nobody goes any more, one sentence each. */
export function stepBreaches(steps: Step[], { sources, parts }: Known): string[] {
  const keys = declarations(sources).map(({ key }) => key);
  return steps.filter(({ from, by, to }) =>
    keys.includes(by) && !(parts[from]?.publishes?.includes(by) && parts[to]?.reads?.includes(by))
  ).map(({ from, by, to }) =>
    `${from} does not tell ${to} of "${by}" any more: the drawing of a loss is out of date`
  );
}

/** Steps as a drawing for Mermaid, and as a table of what each does. */
export function drawn(steps: Step[], keys: readonly string[]): string {
  const id = (name: string) => name.replace(/\W+/g, "_");
  const lines = steps.map(({ from, by, to }) =>
    keys.includes(by)
      ? `  ${id(from)}["${from}"] -- ${by} --> ${id(to)}["${to}"]`
      : `  ${id(from)}["${from}"] -. "${by}" .-> ${id(to)}["${to}"]`
  );
  const rows = steps.map(({ from, by, to, does }) => [from, keys.includes(by) ? `\`${by}\`` : by, to, does]);
  return [
    ...["```mermaid", "flowchart LR", ...lines, "```", ""],
    table([["From", "By", "To", "Which then"], ...rows]),
  ].join("\n");
}

/** Whose module it is: a plugin's, or the running core's. */
function ownerOf(path: string): string | undefined {
  if (path.startsWith("core/running/")) return "core";
  return /^plugins\/([^/]+)\//.exec(path)?.[1];
}

function firstSentence(comment: string): string {
  const text = comment.replace(/^\s*\* ?/gm, " ").replace(/\s+/g, " ").trim();
  return /^.*?[.](?=\s|$)/.exec(text)?.[0] ?? text;
}
