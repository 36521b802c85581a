// The tunnel for what the proxy does not carry.
import * as z from "zod/mini";
import { fact, factOf, type FactValue } from "../fact.ts";

/** The tunnel to all peers together, on the box and in the cloud; told by the plugin that keeps it. */
export const TUNNEL = fact(
  "tunnel",
  z.object({
    /** `up`: a session stands and a path carries; what is routed to `interface` leaves by the peer. */
    state: z.enum(["up", "down", "unknown"]),
    reason: z.optional(z.string()),
    /** Milliseconds since the epoch. */
    sinceMs: z.number(),
    /** The TUN device; always named `otb` and a number. */
    interface: z.string(),
    /** Its own IPv4 address, which the box's devices hide behind; without prefix length. */
    address: z.optional(z.string()),
    /** Payload that goes through whole, bytes of an IP packet. */
    mtu: z.optional(z.number()),
    /** On the box, while a session stands: what only this box and the peer know of it, hexadecimal; proves whose a path is. */
    session: z.optional(z.string()),
  }),
);
export type TunnelFact = FactValue<typeof TUNNEL>;

/** Whether calls or games go through the tunnel, either way: flows that want to be early. */
export const CALLS = fact(
  "calls",
  z.object({
    /** Within the last ten seconds. */
    going: z.boolean(),
    /** Milliseconds since the epoch. */
    sinceMs: z.number(),
  }),
);
export type CallsFact = FactValue<typeof CALLS>;

const pathDirection = z.object({
  /** What the tunnel believes that the path carries, bits per second. */
  rateBitsPerSecond: z.number(),
  /** The path has not been full yet: the rate is what it carries at least. */
  isStarting: z.boolean(),
  /** What of it the tunnel used, bits per second. */
  usedBitsPerSecond: z.number(),
  /** How much longer packets took than the least this path can do, milliseconds: a queue, ours or anybody's. */
  queueMs: z.number(),
  /** Share of packets lost, 0 to 1. */
  loss: z.number(),
});
/** One direction of a tunnel's path, as it was over the last moments. */
export type PathDirection = z.infer<typeof pathDirection>;

/**
 * One path of the tunnel, five times a second while something is going on, rarely while not. In the cloud the link is the text
 * `<public address>/<port>`.
 */
export const TUNNEL_PATH = factOf(
  "tunnel-path",
  "link",
  z.object({
    link: z.string(),
    /** `suspect`: it stopped answering and carries nothing until it does. */
    state: z.enum(["up", "suspect", "down", "unknown"]),
    reason: z.optional(z.string()),
    /** How the peer sees this end: the link's public address and the tunnel's port there. */
    publicAddress: z.optional(z.string()),
    publicPort: z.optional(z.number()),
    rttMs: z.optional(z.number()),
    /** The largest IP packet that goes over the link whole, bytes. */
    mtu: z.optional(z.number()),
    /** Towards the peer, and from it; absent while nothing was heard. */
    up: z.optional(pathDirection),
    down: z.optional(pathDirection),
    /** In the cloud: as TunnelFact has it on the box whose path this is. */
    session: z.optional(z.string()),
    /** Of the last report, milliseconds since the epoch. */
    atMs: z.number(),
  }),
);
export type TunnelPathFact = FactValue<typeof TUNNEL_PATH>;
