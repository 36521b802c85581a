// What of a machine the network will no longer reach, said before otb runs on it. Pure.
import type { Finding, Foresight, Machine } from "@otb/plugin";
import { closed, inWords } from "./closed.ts";

/** Codes of the conditions that say so while it runs. */
const CLOSED = "firewall-closed", OFF = "firewall-off";

const NAME = "reachable";

export const foresight: Foresight = {
  name: NAME,
  conditions: [CLOSED, OFF],
  well: "otb shuts nothing that listens here",
  foresee,
};

/** Everything but ssh is shut, as nobody has allowed anything yet. */
function foresee({ listeners, isRouter }: Machine): Finding[] {
  const found = closed("box", listeners, [], []);
  return [
    found.length === 0
      ? { name: NAME, state: "ok", message: "nothing but ssh listens here that otb would shut" }
      : {
        name: NAME,
        state: "warning",
        message:
          `while otb runs, the network reaches of this machine what otb serves, ssh (a box: not by its links) and what you allow; no longer: ${
            found.map((one) => inWords([one])).join(", ")
          }`,
        next: `Let in what you want, and from where (lan, link, an interface): otb config set ` +
          `firewall.allow='["${found[0]!.protocol} ${found[0]!.port} from link"]'`,
      },
    ...isRouter
      ? [{
        name: "passed on",
        state: "warning" as const,
        message: "this machine passes packets on between networks (ip_forward is 1): while otb runs, from " +
          "containers and WireGuard only, and to ports that containers publish where you allow them",
        next: `An interface whose packets shall pass as before: otb config set firewall.trusted='["eth5"]'`,
      }]
      : [],
  ];
}
