// This machine's clock.
import * as z from "zod/mini";
import { fact, type FactValue } from "../fact.ts";

/** What is known of this machine's clock. */
export const CLOCK = fact(
  "clock",
  z.object({
    /** `set`: servers agree with it to 10 s; `wrong`: they do not, or it is before this software was made. */
    state: z.enum(["set", "unknown", "wrong"]),
    /** What must be added to it, in milliseconds, as last seen. */
    offsetMs: z.optional(z.number()),
    /** Who said so, for a person. */
    source: z.optional(z.string()),
  }),
);
export type ClockFact = FactValue<typeof CLOCK>;
