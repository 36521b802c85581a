// Settings of the clock.
import * as z from "zod/mini";
import { IPV4 } from "@otb/plugin";

const address = z.string().check(z.regex(
  IPV4,
  "it must be an IPv4 address: names cannot be looked up before the clock is right",
));

/** Every field has a default; descriptions become documentation. */
export const config = z.strictObject({
  servers: z._default(z.array(address).check(z.minLength(1), z.maxLength(8)), [
    "162.159.200.1",
    "216.239.35.0",
    "192.53.103.108",
    "129.6.15.28",
  ]).register(z.globalRegistry, {
    description:
      "NTP servers, each of another operator; the defaults are Cloudflare's, Google's, PTB's and NIST's",
  }),
  everySeconds: z._default(z.number().check(z.int(), z.minimum(64), z.maximum(86_400)), 1024)
    .register(z.globalRegistry, { description: "how often they are asked once the clock is right" }),
  correct: z._default(z.boolean(), true).register(z.globalRegistry, {
    description: "correct the clock; false only looks, where another program keeps it",
  }),
});

/** The settings with every default filled in. */
export type Config = z.infer<typeof config>;
