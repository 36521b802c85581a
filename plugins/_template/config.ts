// The settings of my-plugin: validation, defaults, documentation and the web form all come from this one schema.
import * as z from "zod/mini";

/** Strict: a misspelt setting is refused. Every field has a default, so that the plugin runs without being set up. */
export const config = z.strictObject({
  atLeast: z._default(z.int().check(z.minimum(0), z.maximum(8)), 1)
    .register(z.globalRegistry, { description: "warn when fewer links than this are up" }),
});

/** The settings with every default filled in. */
export type Config = z.infer<typeof config>;
