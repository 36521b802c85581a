// The words of resolver, and the rules of its conditions.
import { words as declare } from "@otb/plugin";
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export const words = declare({ en, fr }, {
  "resolver-down": { severity: "error", next: { links: { action: "link list" } }, dependsOn: ["peer-gone"] },
  "resolver-ended": { severity: "error", next: { logs: { action: "logs resolver" } }, visibleAfterMs: 1_000 },
  "resolver-second-way": {
    severity: "warning",
    next: { status: { action: "status" } },
    dependsOn: ["peer-gone"],
    visibleAfterMs: 2_000,
  },
});

/** Types the context: `Context<Config, Words>`. */
export type Words = typeof words;
