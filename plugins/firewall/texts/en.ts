// What firewall says to people, in English.
import { texts } from "@otb/plugin";

export const en = texts({
  conditions: {
    "firewall-closed": {
      text: "While otb runs, the network no longer reaches: {shut}",
      next: "Let it in where you want it: {@allow}",
    },
    "firewall-off": {
      text:
        "The firewall is switched off: whoever is behind a modem or on the Internet reaches what listens here",
      next: "{@on}",
    },
    "firewall-refused": { text: "The kernel refused the firewall, and holds to the former: {reason}" },
  },
});
