// The words of device-pinning, and the rules of its conditions.
import { words as declare } from "@otb/plugin";
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export const words = declare({ en, fr }, {
  "past-the-peer": { severity: "warning", next: { status: { action: "status" } } },
  "past-the-tunnel": {
    severity: "warning",
    next: { status: { action: "status" } },
    dependsOn: ["peer-gone", "tunnel-key-missing", "tunnel-refused", "tunnel-device-lost"],
  },
  "rule-shadowed": {
    severity: "warning",
    next: { move: { action: "rule move {rule} --before {by}" }, remove: { action: "rule remove {rule}" } },
  },
});

/** Types the context: `Context<Config, Words>`. */
export type Words = typeof words;
