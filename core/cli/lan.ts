// `otb lan`: the box's side towards its devices.
import { message } from "@optique/core/message";
import { option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { getPath } from "../client/mod.ts";
import { change } from "./change.ts";
import { interfaceName, yes } from "./options.ts";
import { group, verb } from "./verb.ts";

const set = verb("set", {
  brief: "Say where the LAN is.",
  example: "sudo otb lan set --interface eth0 --address 192.168.100.1/24",
  options: {
    interface: interfaceName,
    address: option("--address", string({ metavar: "CIDR" }), {
      description: message`The box's own address there; devices use it as their gateway.`,
    }),
    yes,
  },
  run: ({ yes, ...lan }, cli) =>
    cli.withCore((core) =>
      change(core, cli, { done: `LAN on ${lan.interface} set`, patch: { network: { lan } }, yes })
    ),
});

const show = verb("show", {
  brief: "Show where the LAN is.",
  example: "otb lan show",
  options: {},
  run: (_, { print, withCore }) =>
    withCore(async (core) => {
      const lan = getPath((await core.config()).effective.network, "lan") as
        | { interface: string; address: string }
        | undefined;
      print(
        { lan: lan ?? null },
        () =>
          lan
            ? `${lan.interface}  ${lan.address}`
            : "No LAN yet: sudo otb lan set --interface IF --address CIDR",
      );
    }),
});

/** `otb lan`. */
export const lanVerbs = group("lan", "The LAN side of a box.", [set, show], "otb lan show");
