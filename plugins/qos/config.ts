// Settings of the plugin.
import * as z from "zod/mini";
import { LAYERS } from "./layer.ts";

/** Notes what a setting is for, where documentation and forms find it. */
function described<T extends z.ZodMiniType>(schema: T, description: string): T {
  z.globalRegistry.add(schema, { description });
  return schema;
}

const mac = z.string().check(
  z.regex(
    /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/,
    "a MAC address is written in small letters like 00:11:22:aa:bb:cc",
  ),
);
const link = z.string().check(z.regex(/^[a-z][a-z0-9-]{0,14}$/, "it must be the name of a link"));

/** Every field has a default; descriptions become documentation. */
export const config = z.strictObject({
  enforceRates: described(
    z._default(z.boolean(), true),
    "hold links to their downMbps and upMbps; otherwise these are only where rates begin",
  ),
  autorate: described(
    z._default(z.boolean(), true),
    "find the rate of each link by the delay under load, and follow it",
  ),
  delayThresholdMs: described(
    z._default(z.number().check(z.int(), z.minimum(5), z.maximum(500)), 25),
    "a queue this long, while there is load, says that a link is full",
  ),
  callsShare: described(
    z._default(z.number().check(z.minimum(0.1), z.maximum(0.9)), 0.7),
    "share of a link that calls may take before all others, so that nothing starves",
  ),
  devices: described(
    z._default(z.record(mac, z.enum(["high", "normal", "low"])), {}),
    "devices by MAC address that come before or after the others",
  ),
  linkLayers: described(
    z._default(z.record(link, z.enum(LAYERS)), {}),
    "what is below IP on a link, by its name, where the guess is wrong",
  ),
  port: described(
    z._default(z.number().check(z.int(), z.minimum(1024), z.maximum(65_535)), 5336),
    "loopback port where the peer takes wishes and speed tests: the same on the box and in the cloud",
  ),
});

/** The settings with every default filled in. */
export type Config = z.infer<typeof config>;
