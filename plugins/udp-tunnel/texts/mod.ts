// The words of udp-tunnel, and the rules of its conditions.
import { words as declare } from "@otb/plugin";
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export const words = declare({ en, fr }, {
  "tunnel-box-older": { severity: "warning" },
  "tunnel-device-lost": { severity: "error" },
  "tunnel-flows-brief": { severity: "warning" },
  "tunnel-key-missing": { severity: "error", next: { code: { action: "init code" } } },
  "tunnel-refused": { severity: "error" },
});

/** Types the context: `Context<Config, Words>`. */
export type Words = typeof words;
