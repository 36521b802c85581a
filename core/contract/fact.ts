// What a fact is: something that one plugin tells and others follow, declared once with its key and its schema.
import * as z from "zod/mini";
import type { Json } from "./json.ts";

/** A fact that exists once. */
export interface Fact<T> {
  readonly key: string;
  readonly schema: z.ZodMiniType<T>;
  readonly subject?: undefined;
}

/** A fact that exists once for each subject: for each link, device, plugin... */
export interface FactOf<T> {
  readonly key: string;
  readonly schema: z.ZodMiniType<T>;
  /** What the subjects are, for a person: `link`. */
  readonly subject: string;
}

/** What a declaration's values are: `type LinkFact = FactValue<typeof LINK>`. */
export type FactValue<F> = F extends { schema: z.ZodMiniType<infer T> } ? T : never;

/** The subject of facts of which every plugin tells its own alone. */
const PLUGIN = "plugin";

/**
 * Declares a fact: `const CLOCK = fact("clock", z.object({ ... }))`. Manifests name it by its key, code by this value.
 *
 * @throws TypeError for a key that is not of small letters, digits and dashes
 */
export function fact<T>(key: string, schema: z.ZodMiniType<T>): Fact<T> {
  return { key: checkedKey(key), schema };
}

/**
 * Declares a fact of each link, device, or whatever else `subject` names: `factOf("link-health", "link", z.object({ ... }))`. Of a fact
 * of each `plugin` a plugin tells its own alone.
 *
 * @throws TypeError for a key that is not of small letters, digits and dashes
 */
export function factOf<T>(key: string, subject: string, schema: z.ZodMiniType<T>): FactOf<T> {
  return { key: checkedKey(key), subject, schema };
}

/** Where a fact lies among all others: its key, and behind a slash its subject. */
export function factId(key: string, subject: string | undefined): string {
  return subject === undefined ? key : `${key}/${subject}`;
}

/** The key and the subject of an id; a subject may have slashes itself. */
export function readFactId(id: string): { key: string; subject: string | undefined } {
  const at = id.indexOf("/");
  return at < 0 ? { key: id, subject: undefined } : { key: id.slice(0, at), subject: id.slice(at + 1) };
}

/**
 * Why `publisher` cannot tell this, one sentence for a person; undefined where it can. This is the one check of facts: a plugin's own
 * side of the contract makes it to tell who wrote the plugin, the core to keep what a hostile one tells from everybody else.
 */
export function factMisfit(
  declared: Fact<unknown> | FactOf<unknown>,
  publisher: string,
  subject: string | undefined,
  value: Json,
): string | undefined {
  const cannot = (rule: string, current: unknown) =>
    `Cannot publish the fact "${declared.key}" as ${rule}: current value is ${
      JSON.stringify(current) ?? "none"
    }`;
  if (declared.subject === undefined) {
    if (subject !== undefined) return cannot("it exists once, without a subject", subject);
  } else if (!subject) return cannot(`its subject must be a ${declared.subject}`, subject);
  else if (declared.subject === PLUGIN && subject !== publisher) {
    return cannot(`a plugin tells only its own, "${publisher}"`, subject);
  }
  const checked = declared.schema.safeParse(value);
  if (checked.success) return undefined;
  const issue = checked.error.issues[0]!;
  const found = issue.path.reduce<unknown>(
    (inside, step) => (inside as Record<PropertyKey, unknown> | undefined)?.[step],
    value,
  );
  return cannot(`${["it", ...issue.path].join(".")} must be ${expected(issue)}`, found);
}

/** What a schema wants to see; zod/mini has no words of its own. */
function expected(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type") return `a ${issue.expected}`;
  if (issue.code === "invalid_value") return issue.values.map(String).join(" or ");
  return `as its schema has it (${issue.code})`;
}

function checkedKey(key: string): string {
  if (/^[a-z][a-z0-9-]*$/.test(key)) return key;
  throw new TypeError(
    `Cannot declare a fact as its key must be small letters, digits and dashes: current value is "${key}"`,
  );
}
