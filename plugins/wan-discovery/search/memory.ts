// The modems that were a link once, kept over restarts. By this a modem is known again on whatever port, and its link lives
// on without its DHCP server.
import * as z from "zod/mini";

const memorySchema = z.object({
  /** Tells it apart: its Ethernet address, and its port too where another modem has the same; absent: stored before there were such. */
  id: z.optional(z.string()),
  mac: z.string(),
  /** Its link's. */
  name: z.string(),
  /** Where it was seen last. */
  interface: z.string(),
  /** Its link has the interface itself, or the LAN's address; else a macvlan. */
  own: z.boolean(),
  /** The Ethernet address of its macvlan, wherever it is. */
  macvlanMac: z.string(),
  /** 1 to 8; numbers its macvlan and its routes. */
  slot: z.number(),
  gateway: z.string(),
  prefixLength: z.number(),
  description: z.string(),
  /** What it gave last. */
  address: z.optional(z.string()),
  /** What this box has in its place, where another link has the same. */
  local: z.optional(z.string()),
  dns: z.array(z.string()),
  /** Milliseconds since the epoch, to ten minutes. */
  lastSeenMs: z.number(),
});

/** One remembered modem. */
export type Memory = z.infer<typeof memorySchema> & { id: string };

/** What was stored, without what another version stored otherwise: such a modem is simply found anew. */
export function readMemory(stored: unknown): Memory[] {
  if (!Array.isArray(stored)) return [];
  return stored.flatMap((entry) => {
    const { data } = memorySchema.safeParse(entry);
    return data ? [{ ...data, id: data.id ?? data.mac }] : [];
  });
}
