// Settings of the plugin: which groups may be asked for, and where streams may come from.
import * as z from "zod/mini";
import { ipv4Network, isWithin } from "@otb/plugin";

/** RFC 5771. */
const GROUPS = ["224.0.0.0/4"];
const range = z.string().check(
  z.refine((text) => ipv4Network(text) !== undefined, "it must be an IPv4 range like 10.0.0.0/8"),
);
const group = z.string().check(
  z.refine((text) => {
    const network = ipv4Network(text);
    return network !== undefined && isWithin(network, GROUPS);
  }, "it must be an IPv4 multicast range like 239.1.0.0/16"),
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
