// The words of clock, and the rules of its conditions.
import { words as declare } from "@otb/plugin";
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export const words = declare({ en, fr }, {
  "clock-unknown": {
    severity: "warning",
    next: { servers: { setting: "clock.servers", value: "'[\"...\"]'" } },
  },
  "clock-wrong": {
    severity: "error",
    next: {
      servers: { setting: "clock.servers", value: "'[\"...\"]'" },
      correct: { setting: "clock.correct", value: "true" },
    },
  },
});

/** Types the context: `Context<Config, Words>`. */
export type Words = typeof words;
