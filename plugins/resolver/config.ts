// Settings of the resolver, on the box and at the peer.
import * as z from "zod/mini";
import { parseUpstream } from "./upstream.ts";

/** Notes what a setting is for, where documentation and forms find it. */
function described<T extends z.ZodMiniType>(schema: T, description: string): T {
  z.globalRegistry.add(schema, { description });
  return schema;
}

const upstream = z.string().check(z.refine(
  (text) => parseUpstream(text) !== undefined,
  "it must be an IPv4 address, with @port or #tls-name behind it where wanted: 9.9.9.9#dns.quad9.net",
));

const domain = z.string().check(z.regex(
  /^(?=.{1,253}$)((?!-)[a-z0-9-]{1,63}(?<!-))(\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/,
  "it must be a domain in small letters like home.example.org; everything below it is meant too",
));

/**
 * What many homes have: Plex and Synology give a server at home a certificate under a name that holds its address, such as
 * 192-168-1-9.….plex.direct.
 */
const WELL_KNOWN = ["plex.direct", "direct.quickconnect.to"];

/** Every field has a default; descriptions become documentation. */
export const config = z.strictObject({
  port: described(
    z._default(z.number().check(z.int(), z.minimum(1024), z.maximum(65535)), 5335),
    "loopback port where it listens, and where the peer's does: the same on the box and in the cloud",
  ),
  secondWay: described(
    z._default(z.array(upstream).check(z.maxLength(3)), ["9.9.9.9#dns.quad9.net", "1.1.1.1#one.one.one.one"]),
    "resolvers that are asked when the peer's is late or silent: through the peer, and directly only while the peer " +
      "is gone and devices may leave past it; #name asks by TLS (box)",
  ),
  localDomains: described(
    z._default(z.array(domain).check(z.maxLength(64)), WELL_KNOWN),
    "domains whose names may lead into the LAN, each with everything below it; answers of all others that do are emptied (box)",
  ),
  forwardTo: described(
    z._default(z.array(upstream).check(z.maxLength(8)), []),
    "whom the peer's resolver asks; empty: the DNS root and on from there (cloud)",
  ),
  validate: described(
    z._default(z.boolean(), true),
    "refuse answers whose DNSSEC signatures are wrong (cloud)",
  ),
});

/** The settings with every default filled in. */
export type Config = z.infer<typeof config>;
