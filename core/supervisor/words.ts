// What a plugin's process says of its words and conditions, checked: it may be hostile, so that all of it is data of bounded size.
import * as z from "zod";
import { type Code, OtbError, type Parameters, type Phrase, type Words } from "../contract/mod.ts";

/** More than enough for the largest plugin; characters. */
const MOST_TEXT = 2_000, MOST_WORDS = 512 * 1024, MOST_VALUE = 4_000;
const MOST_ENTRIES = 500, MOST_PARAMETERS = 20, MOST_IN_LIST = 200;

const text = z.string().max(MOST_TEXT), key = z.string().min(1).max(100);

function entries<T extends z.ZodType>(value: T, most = MOST_ENTRIES) {
  return z.record(key, value).refine((all) => Object.keys(all).length <= most, "must be fewer");
}

const texts = z.object({
  conditions: entries(z.object({ text, next: text.optional() })).optional(),
  phrases: entries(text).optional(),
});

const reference = z.union([
  z.strictObject({ action: text }),
  z.strictObject({ setting: text, value: text.optional() }),
  z.strictObject({ link: text }),
]);

const wordsSchema = z.object({
  conditions: entries(z.object({
    severity: z.enum(["info", "warning", "error"]),
    next: entries(reference, MOST_PARAMETERS).optional(),
    dependsOn: z.array(key).max(MOST_PARAMETERS).optional(),
    visibleAfterMs: z.number().min(0).max(600_000).optional(),
  })),
  texts: z.object({ en: texts, fr: texts }),
}).refine(
  ({ conditions, texts: { en, fr } }) =>
    [en, fr].every((language) =>
      Object.keys(conditions).every((code) => language.conditions && Object.hasOwn(language.conditions, code))
    ),
  "must have a text for each condition in every language",
);

/** Words of a plugin that told none. */
export const WORDLESS: Words = { conditions: {}, texts: { en: {}, fr: {} } };

/** The words that a plugin hands over when it connects. @throws OtbError `words-invalid` */
export function checkedWords(told: unknown): Words {
  if (told === undefined || told === null) return WORDLESS;
  const { success, data, error } = JSON.stringify(told).length > MOST_WORDS
    ? { success: false, data: undefined, error: undefined }
    : wordsSchema.safeParse(told);
  if (success && data) return data;
  const issue = error?.issues[0];
  throw new OtbError(
    "words-invalid",
    `Cannot take a plugin's texts as ${
      issue
        ? `${issue.path.join(".") || "they"}: ${issue.message}`
        : `they must be shorter than ${MOST_WORDS} characters`
    }`,
  );
}

// What is too long is mostly an error of somebody else, whose beginning says what it is.
const value = z.string().transform((said) => said.slice(0, MOST_VALUE));
const phrase: z.ZodType<Phrase> = z.strictObject({
  phrase: key,
  get parameters() {
    return parameters.optional();
  },
});
const parameters: z.ZodType<Parameters> = z.lazy(() =>
  entries(
    z.union([value, z.number(), phrase, z.array(z.union([value, phrase])).max(MOST_IN_LIST)]),
    MOST_PARAMETERS,
  )
);

/** What a condition is raised with; undefined when it is nothing that could be drawn. */
export function checkedParameters(told: unknown): Parameters | undefined {
  return parameters.safeParse(told ?? {}).data;
}

/** Whether there is such a condition. */
export function isCode<W extends Words>(words: W, code: string): code is Code<W> {
  return Object.hasOwn(words.conditions, code);
}
