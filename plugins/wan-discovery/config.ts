// Settings of the finder of modems.
import * as z from "zod/mini";

/** Notes what a setting is for, where documentation and forms find it. */
function described<T extends z.ZodMiniType>(schema: T, description: string): T {
  z.globalRegistry.add(schema, { description });
  return schema;
}

const mac = z.string().check(z.regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/));
const name = z.string().check(z.regex(/^[a-z][a-z0-9-]{0,14}$/));
const device = z.string().check(z.regex(/^(?!\.{1,2}$)[^\s/:]{1,15}$/));

/** Every field has a default; descriptions become documentation. */
export const config = z.strictObject({
  enabled: described(z._default(z.boolean(), true), "look for modems and make links of them"),
  ignoreInterfaces: described(z._default(z.array(device), []), "interfaces that are left alone"),
  modems: described(
    z._default(
      z.record(mac, z.strictObject({ name: z.optional(name), ignore: z._default(z.boolean(), false) })),
      {},
    ),
    "by the modem's MAC address: the name of its link, or that it is no way out",
  ),
  probeSeconds: described(
    z._default(z.number().check(z.int(), z.minimum(5), z.maximum(3600)), 60),
    "how often every interface is asked again who serves there",
  ),
});

/** The settings with every default filled in. */
export type Config = z.infer<typeof config>;
