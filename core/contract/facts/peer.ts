// The cloud end as seen from a box, and its boxes.
import * as z from "zod/mini";
import { fact, factOf, type FactValue } from "../fact.ts";

/**
 * Whether the peer can be reached at all. It is `down` only where a link reaches the Internet and the peer is not reached; while no link
 * works nobody knows.
 */
export const PEER = factOf(
  "peer",
  "peer",
  z.object({
    state: z.enum(["up", "down", "unknown"]),
    reason: z.optional(z.string()),
    /** Milliseconds since the epoch. */
    sinceMs: z.number(),
  }),
);
export type PeerFact = FactValue<typeof PEER>;

/** Which boxes belong to this peer. Told in the cloud by the core; their keys are the secret `boxes`. */
export const BOXES = fact(
  "boxes",
  z.object({
    /** Another one whenever a box or a key has changed. */
    revision: z.string(),
    names: z.array(z.string()),
  }),
);
export type BoxesFact = FactValue<typeof BOXES>;

const way = z.enum(["direct", "block"]);

/** What is to happen while the peer is gone; by it the core keeps devices from leaving past the peer, too, when otb ends. */
export const WHEN_PEER_GONE = fact(
  "when-peer-gone",
  z.object({
    way,
    /** For devices that have a setting of their own, by MAC address in small letters. */
    devices: z.optional(z.record(z.string(), way)),
  }),
);
export type WhenPeerGoneFact = FactValue<typeof WHEN_PEER_GONE>;
