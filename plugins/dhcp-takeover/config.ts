// Settings of the LAN's DHCP and DNS.
import { isIpv4 } from "@otb/plugin";
import * as z from "zod/mini";

/** Notes what a setting is for, where documentation and forms find it. */
function described<T extends z.ZodMiniType>(schema: T, description: string): T {
  z.globalRegistry.add(schema, { description });
  return schema;
}

const seconds = (least: number, most: number) => z.number().check(z.int(), z.minimum(least), z.maximum(most));
const address = z.string().check(z.refine(isIpv4, "it must be an IPv4 address"));
const addressOrNone = z.string().check(
  z.refine((text) => text === "" || isIpv4(text), "it must be an IPv4 address"),
);

/** One label of a name (RFC 1123 section 2.1). */
export const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;
/** A MAC address as it stands in facts and settings. */
export const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;
const DOMAIN = /^(?=.{1,253}$)((?!-)[a-z0-9-]{1,63}(?<!-))(\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/;
/** No character in it has a meaning for dnsmasq (a comma or a quote would). */
const URL = /^(https:\/\/[A-Za-z0-9.-]+(:\d{1,5})?(\/[A-Za-z0-9._~\/-]*)?)?$/;

/** Every field has a default; descriptions become documentation. */
export const config = z.strictObject({
  mode: described(
    z._default(z.enum(["off", "auto", "on"]), "off"),
    "off waits for otb dhcp takeover; auto takes over by itself and asks a person to confirm; on needs no confirmation",
  ),
  silenceSeconds: described(
    z._default(seconds(2, 600), 30),
    "how long every other server must be silent before ours starts",
  ),
  confirmSeconds: described(
    z._default(seconds(10, 86_400), 600),
    "a takeover that nobody confirms within this time is given back",
  ),
  watchSeconds: described(
    z._default(seconds(5, 3600), 60),
    "how often everybody is asked whether another server answers, while ours serves and while ours is silent for one",
  ),
  trialLeaseSeconds: described(
    z._default(seconds(120, 3600), 120),
    "lease time until then, and after giving back; dnsmasq knows none below 120",
  ),
  leaseSeconds: described(
    z._default(seconds(120, 604_800), 43_200),
    "lease time once confirmed: how long a device keeps its address while the box is away",
  ),
  renewSeconds: described(
    z._default(seconds(60, 604_800), 1_800),
    "how often devices renew once confirmed (T1); after one and a half times this they ask everybody (T2)",
  ),
  pool: z.prefault(
    z.strictObject({
      from: described(
        z._default(addressOrNone, ""),
        "first address to give; empty: the 50th of the LAN, or its first in a small one",
      ),
      to: described(
        z._default(addressOrNone, ""),
        "last address to give; empty: 199 further, or the LAN's last",
      ),
    }),
    {},
  ),
  reservations: described(
    z._default(
      z.record(
        z.string().check(z.regex(MAC)),
        z.strictObject({ address, name: z.optional(z.string().check(z.regex(LABEL))) }),
      ),
      {},
    ),
    "fixed addresses by MAC address",
  ),
  dns: z.prefault(
    z.strictObject({
      enabled: described(z._default(z.boolean(), true), "answer the LAN's DNS as well"),
      domain: described(
        z._default(z.string().check(z.regex(DOMAIN)), "lan"),
        "local domain, in which devices are found by their names",
      ),
      resolvers: described(
        z._default(z.array(address), []),
        "who is asked for everything else, by plain DNS past the peer; empty: the box's own resolver, through the peer",
      ),
    }),
    {},
  ),
  captivePortalUrl: described(
    z._default(z.string().check(z.regex(URL)), ""),
    "address of a captive portal API (RFC 8908) to tell devices of (RFC 8910, option 114); https only",
  ),
});

/** The settings with every default filled in. */
export type Config = z.infer<typeof config>;
