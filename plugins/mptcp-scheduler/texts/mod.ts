// The words of mptcp-scheduler, and the rules of its conditions.
import { words as declare } from "@otb/plugin";
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export const words = declare({ en, fr }, {
  "counters-refused": { severity: "error" },
  "endpoints-refused": { severity: "error" },
  "redirects-refused": { severity: "error" },
  "routes-refused": { severity: "error" },
  "ways-refused": { severity: "error" },
  "link-network-odd": { severity: "warning" },
  "mptcp-stripped": { severity: "warning", dependsOn: ["peer-gone"] },
  "mptcp-unavailable": { severity: "warning", dependsOn: ["peer-gone"] },
  "peer-gone": { severity: "error", next: { status: { action: "status" } } },
});

/** Types the context: `Context<Config, Words>`. */
export type Words = typeof words;
