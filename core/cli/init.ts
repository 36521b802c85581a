// `otb init cloud|box`: the first state of a peer, then of a box that joins it.
import { message } from "@optique/core/message";
import { withDefault } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { integer, ip, string } from "@optique/core/valueparser";
import { initialiseBox, initialiseCloud, joinCode, OtbError } from "../client.ts";
import { UsageError } from "./terminal.ts";
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
        description: message`TCP port to listen on (default 8443).`,
      }),
      8443,
    ),
  },
  async run({ address, port }, { state, print }) {
    const made = await initialiseCloud(state, { address, port });
    print({ ...made, address, port }, () => [
      made.joinCode,
      "",
      "This code holds the key: give it to your box over a safe way, and to nobody else.",
      "  here:       sudo otb up                     (or for good: sudo otb service install)",
      "  on the box: sudo otb init box --join -      (then paste the code)",
      "  once more:  sudo otb init code",
    ]);
  },
});

const code = verb("code", {
  brief: "Print the join code of this peer once more.",
  example: "sudo otb init code",
  options: {},
  async run(_, { state, print }) {
    const again = await joinCode(state);
    print({ joinCode: again }, () => again);
  },
});

const box = verb("box", {
  brief: "Make this machine a box that joins a peer.",
  example: "sudo otb init box --join -",
  options: {
    join: option("--join", string({ metavar: "CODE" }), {
      description:
        message`What ${"otb init cloud"} printed; - reads it from standard input, so that other users do not see it among the processes.`,
    }),
  },
  async run({ join }, { state, print, terminal }) {
    if (join === "-" && Deno.stdin.isTerminal()) terminal.err("Join code: ");
    const joinCode = (join === "-" ? await firstLine() : join).trim();
    if (joinCode === "") {
      throw new UsageError("Cannot join a peer as the code is empty", "otb init box --join CODE");
    }
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

/** A join code is short; a longer first line is none. */
const LONGEST_CODE = 4096;

async function firstLine(): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  const buffer = new Uint8Array(1024);
  while (!text.includes("\n")) {
    const count = await Deno.stdin.read(buffer);
    if (count === null) break;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
    if (text.length > LONGEST_CODE) {
      throw new OtbError(
        "join-code-invalid",
        `Cannot join a peer as a code has ${LONGEST_CODE} characters at most`,
      );
    }
  }
  return text.split("\n")[0]!;
}
