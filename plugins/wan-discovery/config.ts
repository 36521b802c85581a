// Settings of discovery.
import * as z from "zod/mini";
import { IPV4 } from "@otb/plugin";

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

const ipv4 = z.string().check(
  z.regex(IPV4, "four numbers from 0 to 255: 192.0.2.1"),
);
/** A host with a port or without one. */
const server = z.string().check(
  z.regex(
    /^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+(:\d{1,5})?$/,
    "a name or address and perhaps a port: stun.example.net:3478",
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
  checkSeconds: described(
    z._default(z.number().check(z.int(), z.minimum(2), z.maximum(3600)), 10),
    "how often to ask over a link that carries no connections to the peer; a third as often over a backup",
  ),
  resolvers: described(
    z._default(z.array(ipv4).check(z.minLength(1), z.maxLength(8)), ["1.1.1.1", "9.9.9.9", "8.8.8.8"]),
    "DNS servers on the Internet that a link is tried with, by a name and by an echo request",
  ),
  dnsName: described(
    z._default(
      z.string().check(z.regex(/^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+$/, "a domain name")),
      "one.one.one.one",
    ),
    "a name that they are asked for",
  ),
  dnsAnswers: described(
    z._default(z.array(ipv4).check(z.minLength(1), z.maxLength(16)), ["1.1.1.1", "1.0.0.1"]),
    "the addresses that it has; another answer is somebody else's",
  ),
  portalPage: described(
    z._default(
      z.string().check(
        z.refine((value) => URL.canParse(value) && new URL(value).protocol === "http:", "an http:// address"),
      ),
      "http://connectivitycheck.gstatic.com/generate_204",
    ),
    "a page with a known answer; another answer is a login page's",
  ),
  portalStatus: described(
    z._default(z.number().check(z.int(), z.minimum(200), z.maximum(299)), 204),
    "the HTTP status that it answers with",
  ),
  stunServers: described(
    z._default(z.array(server).check(z.maxLength(4)), [
      "stun.cloudflare.com:3478",
      "stun.l.google.com:19302",
    ]),
    "STUN servers: by them UDP, the public address and the largest packet are found",
  ),
});

/** The settings with every default filled in. */
export type Config = z.infer<typeof config>;
