// The words of igmp-proxy, and the rules of its conditions.
import { words as declare } from "@otb/plugin";
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export const words = declare({ en, fr }, {
  "igmpproxy-ended": {
    severity: "error",
    next: { logs: { action: "logs igmp-proxy" } },
    visibleAfterMs: 1_000,
  },
  "multicast-links": { severity: "warning", next: { pin: { action: "device pin" } } },
});

/** Types the context: `Context<Config, Words>`. */
export type Words = typeof words;
