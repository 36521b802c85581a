// `otb init cloud|box`: the first state of a peer, then of a box that joins it.
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { integer, ip, string } from "@optique/core/valueparser";
import { initialiseBox, initialiseCloud } from "../client/mod.ts";
import { JOIN_WORD, joinDescription, readJoinCode } from "./join_word.ts";
import { group, verb } from "./verb.ts";

const cloud = verb("cloud", {
  brief: "Make this machine a peer: creates keys and prints the code with which a box joins.",
  example: "sudo otb init cloud --address 203.0.113.7",
  options: {
    address: option("--address", ip({ metavar: "ADDRESS" }), {
      description: message`Public address by which boxes reach this peer.`,
    }),
    port: withDefault(
      option("--port", integer({ min: 1, max: 65535, metavar: "PORT" }), {
        description: message`Port to listen on, TCP and UDP (default 8443).`,
      }),
      8443,
    ),
    box: withDefault(
      option("--box", string({ metavar: "NAME" }), {
        description: message`What the first box is called here (default box); more by ${"otb peer box add"}.`,
      }),
      "box",
    ),
  },
  async run({ address, port, box }, { state, print }) {
    const made = await initialiseCloud(state, { address, port }, box);
    print({ ...made, address, port, box }, () => [
      made.joinCode,
      "",
      "This code holds the key of one box: give it to that box over a safe way, and to nobody else.",
      `  firewall:     let TCP and UDP to port ${port} in, at your provider too`,
      "  here:         sudo otb up              (or for good: sudo otb service install)",
      "  on the box:   sudo otb setup           (asks for the code; or: sudo otb init box --join -)",
      "  once more:    sudo otb init code",
      "  one more box: sudo otb peer box add NAME",
    ]);
  },
});

const code = verb("code", {
  brief: "Print the join code of this peer's box once more.",
  example: "sudo otb init code",
  options: { name: optional(argument(string({ metavar: "NAME" }), { description: message`Of which box.` })) },
  run: ({ name }, { print, withCore }) =>
    withCore(async (core) => {
      const joinCode = await core.boxCode(name);
      print({ joinCode }, () => joinCode);
    }),
});

const box = verb("box", {
  brief: "Make this machine a box that joins a peer.",
  example: "sudo otb init box --join -",
  options: { join: option("--join", string({ metavar: JOIN_WORD }), { description: joinDescription }) },
  async run({ join }, { state, print, terminal }) {
    const joinCode = await readJoinCode(join, terminal, (word) => `otb init box --join ${word}`);
    const { peer } = await initialiseBox(state, { joinCode });
    print({ peer }, () => [
      `This box will use the peer ${peer.address} port ${peer.port}. Next, its LAN and its links:`,
      "  sudo otb setup                                      (asks for what is missing), or by hand:",
      "  sudo otb lan set --interface IF --address 192.168.177.1/24",
      "  sudo otb up                                         (modems with DHCP become links by themselves)",
    ]);
  },
});

/** `otb init`. */
export const initVerbs = group(
  "init",
  "Set up a peer or a box.",
  [cloud, code, box],
  "sudo otb init cloud --address 203.0.113.7",
);
