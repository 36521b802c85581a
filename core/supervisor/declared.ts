// What plugins declare, read without running any of their code: `declared.json` beside the manifest. It is written by others and
// shown to root: text in it does nothing to a terminal, and it is no longer than a person reads.
import * as z from "zod";
import { printable } from "../client/printable.ts";
import { type Json, OtbError } from "../contract/mod.ts";

/** Made when it is first needed: most command lines have no use for it, and it takes as long as all else that they do. */
function makeSchemas() {
  const line = (most: number) =>
    z.string().min(1).max(most).refine((text) => printable(text) === text, "must be one line of plain text");
  const name = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/);
  const summary = line(200), example = line(200);

  /** An argument as a JSON schema with the hints of `field`; of the schema only what a command line looks at is checked. */
  const fieldSchema = z.looseObject({
    type: z.enum(["string", "number", "integer", "boolean", "array", "object"]).optional(),
    enum: z.array(line(60)).max(100).optional(),
    items: z.looseObject({ enum: z.array(line(60)).max(100).optional() }).optional(),
    description: line(300).optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    positional: z.boolean().optional(),
    metavar: z.string().regex(/^[A-Z][A-Za-z0-9|[\]=-]{0,30}$/).optional(),
    option: z.string().regex(/^--[a-z][a-z0-9-]{0,30}$/).optional(),
  });

  const argsSchema = z.looseObject({
    type: z.literal("object"),
    properties: z.record(z.string().regex(/^[a-z][A-Za-z0-9]{0,30}$/), fieldSchema),
    required: z.array(z.string()).default([]),
  });

  const asked = {
    title: line(60),
    summary,
    verb: z.string().regex(/^[a-z][a-z0-9-]{0,31}( [a-z][a-z0-9-]{0,31})?$/).optional(),
    after: name.optional(),
    example: example.optional(),
    args: argsSchema.optional(),
  };

  const declaredSchema = z.strictObject({
    verbs: z.record(name, z.strictObject({ summary, example, about: line(1000).optional() })).default({}),
    actions: z.record(
      name,
      z.strictObject({
        ...asked,
        result: z.looseObject({}).optional(),
        changes: z.boolean().default(false),
        confirm: line(300).optional(),
        idle: z.boolean().default(false),
      }),
    ).default({}),
    edits: z.record(name, z.strictObject({ ...asked, look: name.optional() })).default({}),
    pages: z.record(
      name,
      z.strictObject({ title: line(60), nav: z.enum(["network", "devices", "links", "system"]) }),
    ).default({}),
    loss: z.boolean().default(false),
    guide: z.strictObject({ next: line(300) }).optional(),
    foresight: z.strictObject({ name: line(30), conditions: z.array(name).max(20), well: line(200) })
      .optional(),
  });
  return { declaredSchema, argsSchema, fieldSchema };
}

type Schemas = ReturnType<typeof makeSchemas>;
let schemas: Schemas | undefined;

/** The arguments of one action: a JSON schema with the hints of the command line. */
export type DeclaredArgs = z.infer<Schemas["argsSchema"]>;
/** One argument of them. */
export type DeclaredField = z.infer<Schemas["fieldSchema"]>;
/** What one plugin declares. */
export type Declared = z.infer<Schemas["declaredSchema"]>;

/**
 * What the plugin in `directory` declares; nothing where there is no such file.
 *
 * @throws OtbError `declared-invalid`
 */
export function readDeclared(directory: string): Declared {
  let text = "{}";
  try {
    text = Deno.readTextFileSync(`${directory}/declared.json`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(directory, `it must be JSON: ${(error as Error).message}`);
  }
  const result = (schemas ??= makeSchemas()).declaredSchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw invalid(directory, `${issue.path.join(".")} is wrong: ${issue.message}`);
}

function invalid(directory: string, why: string): OtbError {
  return new OtbError(
    "declared-invalid",
    `Cannot use what the plugin in ${directory} declares as ${why}`,
    "plugins/README.md says how declared.json is made.",
  );
}
