// Settings of the plugin: which groups may be asked for, and where streams may come from.
import * as z from "zod/mini";

const OCTET = "(25[0-5]|2[0-4]\\d|1?\\d?\\d)";
const LENGTH = "/(3[0-2]|[12]?\\d)";
const range = z.string().check(
  z.regex(new RegExp(`^(${OCTET}\\.){3}${OCTET}${LENGTH}$`), "it must be an IPv4 range like 10.0.0.0/8"),
);
const group = z.string().check(
  z.regex(
    new RegExp(`^(22[4-9]|23\\d)(\\.${OCTET}){3}/(3[0-2]|[12]\\d|[4-9])$`),
    "it must be an IPv4 multicast range like 239.1.0.0/16",
  ),
);

/** Every field has a default; descriptions become documentation. */
export const config = z.strictObject({
  enabled: z._default(z.boolean(), true).register(z.globalRegistry, {
    description: "false: multicast of no device is fetched",
  }),
  groups: z._default(z.array(group).check(z.maxLength(32)), []).register(z.globalRegistry, {
    description:
      "groups that devices may ask for; empty: all but those that stay on a LAN (224.0.0.0/24, 239.255.0.0/16)",
  }),
  sources: z._default(z.array(range).check(z.minLength(1), z.maxLength(32)), ["0.0.0.0/0"])
    .register(z.globalRegistry, { description: "where an operator's streams come from" }),
});

/** The settings with every default filled in. */
export type Config = z.infer<typeof config>;
