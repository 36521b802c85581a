// The words of firewall, and the rules of its conditions.
import { words as declare } from "@otb/plugin";
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export const words = declare({ en, fr }, {
  "firewall-closed": {
    severity: "info",
    next: { allow: { setting: "firewall.allow", value: "'[\"tcp 443 from {zone}\"]'" } },
  },
  "firewall-off": { severity: "warning", next: { on: { setting: "firewall.enabled", value: "true" } } },
  "firewall-refused": { severity: "error" },
});

/** Types the context: `Context<Config, Words>`. */
export type Words = typeof words;
