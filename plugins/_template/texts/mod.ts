// The words of my-plugin, and the rules of its conditions.
import { words as declare } from "@otb/plugin";
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export const words = declare({ en, fr }, {
  "too-few-links": {
    severity: "warning",
    next: { status: { action: "status" }, fewer: { setting: "my-plugin.atLeast" } },
  },
});

/** Types the context: `Context<Config, Words>`. */
export type Words = typeof words;
