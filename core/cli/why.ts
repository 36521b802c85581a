// `otb why`: which way a connection or a device takes, and why.
import { message } from "@optique/core/message";
import { argument } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { wrap } from "./table.ts";
import { verb } from "./verb.ts";

/** `otb why`. */
export const whyVerb = verb("why", {
  brief: "Say which way a connection or a device takes, which rule says so, and what if the link died.",
  example: "sudo otb why '192.168.100.20 -> 203.0.113.5:443/tcp'",
  options: {
    of: argument(string({ metavar: "FLOW|DEVICE" }), {
      description:
        message`A device by MAC address, name or IP address; or a flow like 'DEVICE -> TARGET:PORT/tcp', the target by address or name.`,
    }),
  },
  run: ({ of }, { print, withCore, terminal }) =>
    withCore(async (core) => {
      const answer = await core.act("device-pinning", "why", { of }) as { sentences: string[] };
      print(answer, () => answer.sentences.flatMap((sentence) => wrap(sentence, terminal.width)));
    }),
});
