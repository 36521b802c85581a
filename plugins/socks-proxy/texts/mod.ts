// The words of socks-proxy, and the rules of its conditions.
import { words as declare } from "@otb/plugin";
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export const words = declare({ en, fr }, {
  "box-full": { severity: "warning", next: { boxes: { action: "peer box list" } } },
  "boxes-refused": { severity: "error" },
  "clock-skew": { severity: "warning" },
  "device-connections": {
    severity: "warning",
    next: { more: { setting: "socks-proxy.connectionsPerDevice", value: "NUMBER" } },
  },
  "device-flows": {
    severity: "warning",
    next: { more: { setting: "socks-proxy.flowsPerDevice", value: "NUMBER" } },
  },
  "peer-rejects": {
    severity: "error",
    next: {
      status: { action: "status" },
      boxes: { action: "peer box list" },
      code: { action: "peer box code" },
      join: { action: "peer join -" },
    },
  },
  "peer-unreachable": {
    severity: "error",
    next: { status: { action: "status" }, links: { action: "link list" } },
  },
  "salts-not-kept": { severity: "warning" },
  "sip004-box-missing": {
    severity: "warning",
    next: { box: { setting: "socks-proxy.sip004.box", value: "NAME" } },
  },
  "striping-unknown": {
    severity: "warning",
    next: { mptcp: { setting: "mptcp-scheduler.transport", value: "mptcp" } },
  },
  "tunnel-carries-tcp": { severity: "warning", next: { status: { action: "status" } } },
});

/** Types the context: `Context<Config, Words>`. */
export type Words = typeof words;
