// The words of qos, and the rules of its conditions.
import { words as declare } from "@otb/plugin";
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export const words = declare({ en, fr }, {
  "caps-refused": { severity: "error" },
  "classes-refused": { severity: "error" },
  "links-refused": { severity: "error" },
  "uplink-refused": { severity: "error" },
});

/** Types the context: `Context<Config, Words>`. */
export type Words = typeof words;
