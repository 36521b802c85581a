// Settings of the proxy.
import * as z from "zod/mini";

const cidr = z.string().check(
  z.regex(/^[0-9a-fA-F:.]+\/\d{1,3}$/, "it must be an address range like 10.0.0.0/8"),
);
const port = z.number().check(z.int(), z.minimum(1), z.maximum(65535));

/** Every field has a default; descriptions become documentation. */
export const config = z.strictObject({
  intercept: z._default(
    z.strictObject({
      enabled: z._default(z.boolean(), true).register(z.globalRegistry, {
        description: "carry the LAN's TCP through the peer",
      }),
      exclude: z._default(z.array(cidr), []).register(z.globalRegistry, {
        description: "targets that are left alone (box)",
      }),
    }),
    { enabled: true, exclude: [] },
  ),
  socks5: z._default(
    z.strictObject({
      enabled: z._default(z.boolean(), false).register(z.globalRegistry, {
        description: "SOCKS5 for LAN devices (box)",
      }),
      port: z._default(port, 1080).register(z.globalRegistry, { description: "its port on the LAN address" }),
      username: z._default(z.string().check(z.maxLength(255)), "").register(z.globalRegistry, {
        description: "ask for this user and the secret socks5-password; empty asks for nothing",
      }),
    }),
    { enabled: false, port: 1080, username: "" },
  ),
  connectionsPerDevice: z._default(z.int().check(z.minimum(16), z.maximum(20_000)), 2_000).register(
    z.globalRegistry,
    { description: "TCP connections that one LAN device may have at once (box)" },
  ),
  flowsPerDevice: z._default(z.int().check(z.minimum(256), z.maximum(1_000_000)), 16_384).register(
    z.globalRegistry,
    { description: "flows of any protocol that the kernel tracks for one LAN device at once (box)" },
  ),
  sip004: z._default(
    z.strictObject({
      enabled: z._default(z.boolean(), false).register(z.globalRegistry, {
        description:
          "serve older Shadowsocks clients too: aes-256-gcm, the text of a box's key in base64 as password (cloud)",
      }),
      port: z._default(port, 8444).register(z.globalRegistry, { description: "their port" }),
      box: z._default(z.string().check(z.maxLength(31)), "box").register(z.globalRegistry, {
        description: "the box whose key that is, and as whose they count",
      }),
    }),
    { enabled: false, port: 8444, box: "box" },
  ),
  allowTargets: z._default(z.array(cidr), []).register(z.globalRegistry, {
    description: "private targets the peer may dial all the same (cloud)",
  }),
});

/** The settings with every default filled in. */
export type Config = z.infer<typeof config>;
