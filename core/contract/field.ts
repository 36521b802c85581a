// One argument of an action or an edit, with what the command line and a form need to know of it.
import * as z from "zod/mini";

/** What is said of an argument beside its schema. */
export interface FieldHints {
  /** What it is for. */
  description?: string;
  /** It stands as a word of its own and not after an option. */
  positional?: boolean;
  /** What stands for it in a usage line. */
  metavar?: string;
  /** The option where that is not the field's name with dashes: `--domain`. */
  option?: string;
}

/** Notes the hints of a field where declarations find them: `name: field(z.string(), { positional: true, metavar: "NAME" })`. */
export function field<T extends z.ZodMiniType>(schema: T, hints: FieldHints): T {
  z.globalRegistry.add(schema, { ...hints });
  return schema;
}
