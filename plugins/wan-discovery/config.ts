// Settings of discovery.
import * as z from "zod/mini";

/** Notes what a setting is for, where documentation and forms find it. */
function described<T extends z.ZodMiniType>(schema: T, description: string): T {
  z.globalRegistry.add(schema, { description });
  return schema;
}

const mac = z.string().check(
  z.regex(
    /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/,
    "an Ethernet address is six bytes in small letters: 02:00:5e:10:00:01",
  ),
);
const name = z.string().check(
  z.regex(
    /^[a-z][a-z0-9-]{0,14}$/,
    "a name has 1 to 15 small letters, digits or dashes and starts with a letter",
  ),
);

/** Every field has a default; descriptions become documentation. */
export const config = z.strictObject({
  modems: described(
    z._default(
      z.record(mac, z.strictObject({ name: z.optional(name), ignore: z.optional(z.boolean()) })),
      {},
    ),
    "what its link is called, or that it is left alone, by a modem's Ethernet address",
  ),
  ignoreInterfaces: described(z._default(z.array(z.string()), []), "interfaces that are not searched"),
  probeSeconds: described(
    z._default(z.number().check(z.int(), z.minimum(5), z.maximum(3600)), 60),
    "how often to look for DHCP servers",
  ),
  watchSeconds: described(
    z._default(z.number().check(z.int(), z.minimum(1), z.maximum(60)), 5),
    "how often to ask by ARP whether the modems are there; four times in vain means no",
  ),
});

/** The settings with every default filled in. */
export type Config = z.infer<typeof config>;
