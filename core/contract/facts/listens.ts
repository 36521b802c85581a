// Who listens on this machine, and whom that is for.
import * as z from "zod/mini";
import { fact, factOf, type FactValue } from "../fact.ts";

const zone = z.enum(["lan", "link", "tunnel", "others"]);
/**
 * Where a packet comes from: the LAN, a link to the Internet (in the cloud: any port of the peer), the tunnel, or a port that
 * nobody said anything about.
 */
export type Zone = z.infer<typeof zone>;

const protocol = z.enum(["tcp", "udp"]);

/**
 * What a plugin serves, and to whom; told by everyone who listens beyond loopback, of itself: what nobody says of itself is shut to the
 * network while otb runs.
 */
export const LISTENS = factOf(
  "listens",
  "plugin",
  z.object({ services: z.array(z.object({ protocol, port: z.number(), zones: z.array(zone) })) }),
);
export type ListensFact = FactValue<typeof LISTENS>;

const listener = z.object({
  protocol,
  port: z.number(),
  /** Of the program that holds it, as the kernel calls it; absent for the kernel's own, and those of other namespaces. */
  program: z.optional(z.string()),
  /** It lets people in by ssh. */
  isSsh: z.optional(z.boolean()),
});
/** A socket of this machine that others can reach: beyond loopback, and open to whoever comes. */
export type Listener = z.infer<typeof listener>;

/** Everything that listens on this machine, otb's own included. Told by the core. */
export const LISTENERS = fact("listeners", z.object({ listeners: z.array(listener) }));
export type ListenersFact = FactValue<typeof LISTENERS>;
