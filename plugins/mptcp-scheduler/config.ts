// Settings of the scheduler.
import * as z from "zod/mini";

/** Notes what a setting is for, where documentation and forms find it. */
function described<T extends z.ZodMiniType>(schema: T, description: string): T {
  z.globalRegistry.add(schema, { description });
  return schema;
}

const share = z.number().check(z.minimum(0.05), z.maximum(1));

/** Every field has a default; descriptions become documentation. */
export const config = z.strictObject({
  transport: described(
    z._default(z.enum(["striped", "mptcp"]), "striped"),
    "how a TCP stream uses several links: striped over a connection per link, or by the kernel's Multipath TCP",
  ),
  congestion: described(
    z._default(z.enum(["auto", "cubic", "bbr"]), "auto"),
    "congestion control of what this end sends; auto takes bbr on paths that lose packets without being full",
  ),
  maxBufferMb: described(
    z._default(z.number().check(z.int(), z.minimum(4), z.maximum(256)), 32),
    "largest TCP buffer of one connection",
  ),
  promoteSecondaryAbove: described(
    z._default(share, 0.8),
    "share of the primaries' capacity in use at which secondaries join in",
  ),
  demoteSecondaryBelow: described(z._default(share, 0.5), "share at which they rest again"),
  probeIdleSeconds: described(
    z._default(z.number().check(z.int(), z.minimum(2), z.maximum(3600)), 10),
    "how often an idle path is looked at",
  ),
});

/** The settings with every default filled in. */
export type Config = z.infer<typeof config>;
