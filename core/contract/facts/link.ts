// Links as they are found, watched, left by and held.
import * as z from "zod/mini";
import { factOf, type FactValue } from "../fact.ts";

/**
 * A link that was found rather than configured. The core adds it to the links, and settings under the same name (a tier, caps) hold for
 * it. Its addresses are claimed by who found it.
 */
export const LINK = factOf(
  "link",
  "link",
  z.object({
    interface: z.string(),
    /** Own address on the link, CIDR. */
    address: z.optional(z.string()),
    gateway: z.optional(z.string()),
    /** For a person: `Livebox at 192.168.1.1`. */
    description: z.optional(z.string()),
    /** It was there and is not now, and why, for a person; its place is kept, and nothing is claimed for it. */
    away: z.optional(z.string()),
    /** Resolvers that its modem told, IPv4; hostile input. */
    resolvers: z.optional(z.array(z.string())),
  }),
);
export type LinkFact = FactValue<typeof LINK>;

/** How a link is, in words; `down` takes the link out of use. */
export const LINK_HEALTH = factOf(
  "link-health",
  "link",
  z.object({
    state: z.enum(["up", "degraded", "down", "unknown"]),
    /** One sentence for a person. */
    reason: z.optional(z.string()),
    /** Milliseconds since the epoch. */
    sinceMs: z.number(),
    /**
     * How often questions over it were answered: by the peer, or by others on the Internet while the peer was silent. Only a count
     * that grows proves anything of now; it begins anew with its plugin.
     */
    answers: z.optional(z.object({ peer: z.number(), internet: z.number() })),
  }),
);
export type LinkHealthFact = FactValue<typeof LINK_HEALTH>;

/**
 * The way out over one link alone, around the peer, told by the plugin that owns how links are used: packets with `mark` (under
 * MARK.link) leave by `table`, and only by that link.
 */
export const LINK_WAY = factOf(
  "link-way",
  "link",
  z.object({
    link: z.string(),
    interface: z.string(),
    source: z.string(),
    table: z.number(),
    mark: z.number(),
  }),
);
export type LinkWayFact = FactValue<typeof LINK_WAY>;

/** What a link is held to, so that queues stay short; bits per second, absent: not held. */
export const LINK_RATE = factOf(
  "link-rate",
  "link",
  z.object({
    link: z.string(),
    upBitsPerSecond: z.optional(z.number()),
    downBitsPerSecond: z.optional(z.number()),
    /** Who holds downstream: the peer before it sends, this box on arrival, or nobody. */
    downBy: z.enum(["peer", "box", "nobody"]),
  }),
);
export type LinkRateFact = FactValue<typeof LINK_RATE>;
