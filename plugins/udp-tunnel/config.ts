// Settings of the tunnel.
import * as z from "zod/mini";

const range4 = z.string().check(
  z.regex(
    /^\d{1,3}(\.\d{1,3}){3}\/(1[6-9]|2[0-8])$/,
    "it must be an IPv4 range from /16 to /28, like 100.127.157.0/24",
  ),
);
const range6 = z.string().check(
  z.regex(
    /^([0-9a-fA-F:]+\/(3[2-9]|[45]\d|6[0-4]))?$/,
    "it must be an IPv6 range from /32 to /64, like 2001:db8:1::/56, or empty",
  ),
);
const cidr = z.string().check(
  z.regex(/^[0-9a-fA-F:.]+\/\d{1,3}$/, "it must be an address range like 10.0.0.0/8"),
);
const address6 = z.string().check(z.regex(/^[0-9a-fA-F:]+$/, "it must be an IPv6 address"));

/** Every field has a default; descriptions become documentation. */
export const config = z.strictObject({
  enabled: z._default(z.boolean(), true).register(z.globalRegistry, {
    description: "carry UDP, ICMP and all other protocols to the peer",
  }),
  rekeySeconds: z._default(z.int().check(z.minimum(5), z.maximum(600)), 120).register(z.globalRegistry, {
    description: "new keys are agreed on this often, and after 2^24 packets in any case (box)",
  }),
  pool: z._default(range4, "100.127.157.0/24").register(z.globalRegistry, {
    description: "addresses of boxes inside the tunnel; the first is the peer's own (cloud)",
  }),
  prefix6: z._default(range6, "").register(z.globalRegistry, {
    description:
      "IPv6 prefix that is routed to the peer, of which each box gets a /64 for its LAN; empty: no IPv6 (cloud)",
  }),
  verify6: z._default(z.array(address6).check(z.maxLength(4)), ["2620:fe::fe", "2606:4700:4700::1111"])
    .register(
      z.globalRegistry,
      { description: "who is asked by ICMPv6 whether the prefix works, before the LAN is told of it (box)" },
    ),
  allowTargets: z._default(z.array(cidr), []).register(z.globalRegistry, {
    description: "private targets that boxes may reach through the peer all the same (cloud)",
  }),
});

/** The settings with every default filled in. */
export type Config = z.infer<typeof config>;
