// How links reach the peer, and which one comes first.
import * as z from "zod/mini";
import { fact, factOf, type FactValue } from "../fact.ts";

/** The path between one link and the peer, as the path manager measures it; told by the plugin that owns how links are used. */
export const PATH = factOf(
  "path",
  "link",
  z.object({
    link: z.string(),
    peer: z.string(),
    /** `active` carries subflows; `standby` waits by its tier; `suspect` stopped acknowledging; `down` is not usable. */
    state: z.enum(["active", "standby", "suspect", "down"]),
    reason: z.optional(z.string()),
    /**
     * How connections over this path speak: `mptcp`, `tcp` when MPTCP was stripped or refused, `striped` when each is one of
     * several of a stream, or nothing seen yet.
     */
    protocol: z.enum(["mptcp", "tcp", "striped", "unknown"]),
    rttMs: z.optional(z.number()),
    minRttMs: z.optional(z.number()),
    /** Share of segments sent again, 0 to 1, over the last window; absent while too few were sent. */
    loss: z.optional(z.number()),
    /**
     * The part of `loss` that the line has by itself, as a radio does; the rest was lost by a queue that was full. Absent also
     * while the queue is so full all the time that nobody can tell.
     */
    lineLoss: z.optional(z.number()),
    /**
     * On the box what the link carries over the last moments, whoever's it is: bytes as the kernel counts them on the link's
     * interface, headers included, bits per second. In the cloud the payload of the proxy's connections over this path alone.
     */
    rxBitsPerSecond: z.number(),
    txBitsPerSecond: z.number(),
    /** Payload that running connections to the peer had delivered and acknowledged, both directions together, bits per second. */
    acknowledgedBitsPerSecond: z.number(),
    /** Share of the traffic of all paths over the last window, 0 to 1. */
    share: z.number(),
    subflows: z.number(),
    congestion: z.string(),
  }),
);
export type PathFact = FactValue<typeof PATH>;

/**
 * Which path the next connection to the peer should start on. A reader picks an entry with probability proportional to `weight` (their
 * sum is 1; empty when no link is usable). An entry of weight 0 is for when the others do not connect.
 */
export const FIRST_PATH = fact(
  "first-path",
  z.object({
    /** How streams use the other links: by Multipath TCP of the kernel, or striped over a connection for each. */
    transport: z.enum(["mptcp", "striped"]),
    choices: z.array(z.object({
      link: z.string(),
      interface: z.string(),
      source: z.string(),
      weight: z.number(),
      /** How the Internet sees the link, as far as is known: what was connected by another address is lost. */
      publicAddress: z.optional(z.string()),
    })),
  }),
);
export type FirstPathFact = FactValue<typeof FIRST_PATH>;

/** Which congestion control streams are to use; `auto` leaves it to who knows the link. */
export const CONGESTION = fact("congestion", z.object({ wish: z.enum(["auto", "cubic", "bbr"]) }));
export type CongestionFact = FactValue<typeof CONGESTION>;

const holdProof = z.object({
  withBitsPerSecond: z.number(),
  withoutBitsPerSecond: z.number(),
  sinceMs: z.number(),
  /** It is tried again then, once there is enough to send. */
  untilMs: z.number(),
});
/** How much all links had together with one of them and without it, bits per second; times are milliseconds since the epoch. */
export type HoldProof = z.infer<typeof holdProof>;

/**
 * A link that gets nothing new while others carry, as all had more without it; gone once it carries again. In the cloud the link is the
 * text `<box>/<public address>`.
 */
export const HELD = factOf(
  "held",
  "link",
  z.object({
    link: z.string(),
    /** For what the box sends, and for what the peer does; absent: not held back for that. */
    up: z.optional(holdProof),
    down: z.optional(holdProof),
  }),
);
export type HeldLinkFact = FactValue<typeof HELD>;
