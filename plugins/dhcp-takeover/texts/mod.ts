// The words of dhcp-takeover, and the rules of its conditions.
import { words as declare } from "@otb/plugin";
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export const words = declare({ en, fr }, {
  "dhcp-blind": { severity: "error", next: { logs: { action: "logs dhcp-takeover" } } },
  "dhcp-confirm": {
    severity: "warning",
    next: { confirm: { action: "dhcp confirm" }, undo: { action: "dhcp undo" } },
  },
  "dhcp-contested": {
    severity: "error",
    next: {
      status: { action: "dhcp status" },
      takeover: { action: "dhcp takeover" },
      undo: { action: "dhcp undo" },
    },
  },
  "dhcp-given-back": { severity: "warning", next: { status: { action: "dhcp status" } } },
  "dhcp-nobody-looks": { severity: "error", next: { status: { action: "status" } } },
  "dhcp-pool-full": {
    severity: "warning",
    next: { leases: { action: "dhcp leases" }, pool: { setting: "dhcp-takeover.pool" } },
    dependsOn: ["dhcp-server-fails"],
  },
  "dhcp-server-fails": { severity: "error" },
  "dhcp-switch-off": {
    severity: "warning",
    next: { status: { action: "dhcp status" }, takeover: { action: "dhcp takeover" } },
  },
  "dhcp-unconfirmed": { severity: "info", next: { takeover: { action: "dhcp takeover" } } },
  "ipv6-leak": { severity: "warning", next: { status: { action: "dhcp status" } } },
});

/** Types the context: `Context<Config, Words>`. */
export type Words = typeof words;
