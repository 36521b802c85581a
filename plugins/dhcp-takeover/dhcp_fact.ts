// What this plugin alone tells: how far the takeover is, for whoever shows it.
import * as z from "zod/mini";
import { fact, type FactValue } from "@otb/plugin";
import { PHASES } from "./machine.ts";

const router = z.object({ mac: z.string(), router: z.string(), prefixes: z.array(z.string()) });

const server = z.object({
  mac: z.string(),
  server: z.string(),
  /** Empty: not told, as with the two below. */
  router: z.string(),
  network: z.string(),
  vendor: z.string(),
  isAnswering: z.boolean(),
  isRefusing: z.boolean(),
});

const instruction = z.object({
  mac: z.string(),
  server: z.string(),
  vendor: z.optional(z.string()),
  recipe: z.string(),
  title: z.string(),
  canSwitchOff: z.boolean(),
  /** Where its pages are. */
  url: z.string(),
  en: z.array(z.string()),
  fr: z.array(z.string()),
});

/** How far the takeover is; dates are milliseconds since the epoch. */
export const DHCP = fact(
  "dhcp",
  z.object({
    phase: z.enum(PHASES),
    /** For a person. */
    sentence: z.string(),
    sinceMs: z.number(),
    serving: z.enum(["no", "trial", "confirmed", "for-modem"]),
    /** Until then a person must confirm a trial. */
    confirmByMs: z.optional(z.number()),
    /** When the other servers count as silent. */
    silentByMs: z.optional(z.number()),
    /** Other servers, answering or not. */
    servers: z.array(server),
    /** What is announced of IPv6; empty: nothing. */
    ipv6: z.string(),
    /** Others that announce IPv6 on the LAN. */
    ipv6Routers: z.array(router),
    /** How a person switches servers off or on. */
    instructions: z.array(instruction),
    leaseCount: z.number(),
    poolSize: z.number(),
    devices: z.number(),
  }),
);
export type DhcpFact = FactValue<typeof DHCP>;
