// The arguments of an action or an edit, as its own schema reads them.
import type * as z from "zod/mini";
import { type Json, OtbError } from "../contract/mod.ts";

/** Reads them, with defaults filled in. @throws OtbError `args-invalid` */
export function readArgs(name: string, schema: z.ZodMiniType | undefined, args: Json | undefined): unknown {
  if (!schema) return undefined;
  const result = schema.safeParse(args ?? {});
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  let value: unknown = args ?? {};
  for (const part of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[part];
  throw new OtbError(
    "args-invalid",
    `Cannot run "${name}" as ${
      path.join(".") || "its arguments"
    } must be right (${message}): current value is ${JSON.stringify(value) ?? "none"}`,
  );
}
