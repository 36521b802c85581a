// The words of wan-discovery, and the rules of its conditions.
import { words as declare } from "@otb/plugin";
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export const words = declare({ en, fr }, {
  "address-clash": { severity: "warning" },
  "dhcp-flood": { severity: "warning" },
  "gateway-answered-twice": { severity: "warning" },
  "interface-needs-settings": {
    severity: "info",
    next: { add: { action: "link add NAME --interface IF --address ADDRESS --gateway IP" } },
  },
  "link-refused": { severity: "error" },
  "modem-has-lan-subnet": { severity: "info" },
  "modem-has-own-address": {
    severity: "warning",
    next: { lan: { action: "lan set --address 192.168.101.1/24" } },
  },
  "modems-share-address": { severity: "info" },
  "network-mask-odd": { severity: "warning" },
  "pppoe-offered": { severity: "info", next: { add: { action: "link add NAME --interface ppp0" } } },
  "router-advertisement-flood": { severity: "warning" },
  "too-many-modems": {
    severity: "warning",
    next: { modems: { action: "config set wan-discovery.modems..." } },
  },
});

/** Types the context: `Context<Config, Words>`. */
export type Words = typeof words;
