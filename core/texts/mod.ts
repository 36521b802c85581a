// What the core says to people, and the rules of its own conditions.
import { type Raised, words } from "../contract/health.ts";
import { en } from "./en.ts";
import { fr } from "./fr.ts";

const LAN_SET = { set: { action: "lan set --interface IF --address 192.168.177.1/24" } } as const;

export const coreWords = words({ en, fr }, {
  "core-uncaught": { severity: "warning", next: { logs: { action: "logs core" } } },
  "kernel-undone": { severity: "warning" },
  "lan-address-useless": { severity: "error", next: LAN_SET },
  "lan-interface-missing": { severity: "error", next: LAN_SET },
  "lan-interface-useless": { severity: "error", next: LAN_SET },
  "link-down": { severity: "warning" },
  "link-missing": { severity: "warning" },
  "plugin-crash-loop": { severity: "error", next: { logs: { action: "logs {plugin}" } } },
  // It is back before anybody has looked.
  "plugin-restarting": { severity: "warning", visibleAfterMs: 2_000 },
  "plugin-uncaught": { severity: "warning" },
  "plugins-changed": { severity: "info", next: { down: { action: "down" }, up: { action: "up" } } },
  "state-not-written": { severity: "error" },
});

/** A condition of the core. */
export type CoreCondition = Raised<typeof coreWords>;
