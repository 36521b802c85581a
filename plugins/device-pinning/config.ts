// Settings of the plugin: named devices, ordered rules, and what happens when the peer is gone.
import * as z from "zod/mini";

/** Notes what a setting is for, where documentation and forms find it. */
function described<T extends z.ZodMiniType>(schema: T, description: string): T {
  z.globalRegistry.add(schema, { description });
  return schema;
}

const name = z.string().check(
  z.regex(
    /^[a-z][a-z0-9-]{0,30}$/,
    "a name has 1 to 31 small letters, digits or dashes and starts with a letter",
  ),
);
const link = z.string().check(z.regex(/^[a-z][a-z0-9-]{0,14}$/, "it must be the name of a link"));
const mac = z.string().check(
  z.regex(
    /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/,
    "a MAC address is written in small letters like 00:11:22:aa:bb:cc",
  ),
);
const domain = z.string().check(
  z.maxLength(253),
  z.regex(
    /^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "a domain is written in small letters like example.org; everything below it is meant too",
  ),
);
const range = z.string().check(
  z.regex(
    /^[0-9a-f.:]+(\/\d{1,3})?$/,
    "it must be an address or a range like 203.0.113.0/24 or 2001:db8::/32",
  ),
);
const ports = z.string().check(
  z.regex(/^\d{1,5}(-\d{1,5})?$/, "it must be a port or a range like 5060 or 8000-8100"),
);
const whenPeerGone = z.enum(["direct", "block"]);

const match = z.strictObject({
  device: described(z.optional(z.string().check(z.maxLength(63))), "MAC address or name of one device"),
  group: described(z.optional(name), "all devices of this group"),
  domains: described(
    z.optional(z.array(domain).check(z.minLength(1), z.maxLength(256))),
    "targets by name, each with everything below it",
  ),
  addresses: described(
    z.optional(z.array(range).check(z.minLength(1), z.maxLength(256))),
    "targets by address; beside domains, either may match",
  ),
  protocol: described(z.optional(z.enum(["tcp", "udp"])), "this protocol only"),
  ports: described(
    z.optional(z.array(ports).check(z.minLength(1), z.maxLength(64))),
    "target ports, of TCP and UDP unless a protocol is named",
  ),
  application: described(z.optional(name), "a list from applications/, instead of targets and ports"),
});

const rule = z.strictObject({
  name: described(name, "how the rule is called"),
  enabled: described(z._default(z.boolean(), true), "false: as if it were not there"),
  match: described(z._default(match, {}), "which connections; everything that is named must hold"),
  way: described(
    z.enum(["bonded", "link", "block"]),
    "over all links through the peer, over one link alone, or not at all",
  ),
  link: described(z.optional(link), "the link for the way link"),
  ifDead: described(
    z._default(z.enum(["bonded", "other-link", "block"]), "bonded"),
    "what holds for new connections while that link is dead",
  ),
});

const device = z.strictObject({
  name: described(z.optional(name), "what a person calls it"),
  groups: described(z._default(z.array(name).check(z.maxLength(16)), []), "groups that it belongs to"),
  whenPeerGone: described(z.optional(whenPeerGone), "for this device instead of the box's setting"),
});

/** Every field has a default; descriptions become documentation. */
export const config = z.strictObject({
  whenPeerGone: described(
    z._default(whenPeerGone, "direct"),
    "leave by the best link with its address while no peer answers, or the kill-switch: nothing leaves past the peer",
  ),
  nonTcp: described(
    z._default(z.enum(["tunnel", "direct", "block"]), "tunnel"),
    "how UDP, ICMP and the like of bonded devices leave: through the tunnel to the peer (past it while that is down, unless whenPeerGone forbids), past the peer always, or not at all",
  ),
  peerGoneAfterSeconds: described(
    z._default(z.int().check(z.minimum(0), z.maximum(20)), 5),
    "how long every peer must have been reported down; finding that out takes up to 9 s before",
  ),
  peerBackAfterSeconds: described(
    z._default(z.int().check(z.minimum(0), z.maximum(20)), 5),
    "how long a peer must have been reported up again",
  ),
  devices: described(z._default(z.record(mac, device), {}), "devices with a name, by MAC address"),
  rules: described(
    z._default(z.array(rule).check(z.maxLength(2000)), []),
    "the first one that matches decides, once per connection",
  ),
});

/** The settings with every default filled in. */
export type Config = z.infer<typeof config>;
/** One rule with its defaults. */
export type Rule = Config["rules"][number];
/** What a rule matches. */
export type Match = Rule["match"];
