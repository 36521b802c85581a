// `otb link test`: how fast one link is, measured.
import { message } from "@optique/core/message";
import { argument, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { rate } from "./format.ts";
import { verb } from "./verb.ts";

/** The plugin that measures. */
const MEASURER = "qos";

/** `otb link test`. */
export const speedTest = verb("test", {
  brief: "Measure how fast a link is, both ways: ten seconds of full load.",
  example: "sudo otb link test fibre",
  options: {
    name: argument(string({ metavar: "NAME" }), { description: message`The link's name.` }),
    force: option("--force", { description: message`Also where traffic may cost money: a backup link.` }),
  },
  run: ({ name, force }, cli) =>
    cli.withCore(async (core) => {
      const found = await core.act(MEASURER, "speed-test", { link: name, force }) as unknown as {
        downBitsPerSecond: number;
        upBitsPerSecond: number;
      };
      cli.print({ link: name, ...found }, () =>
        `Link ${name}: ${rate(found.downBitsPerSecond)} down, ${rate(found.upBitsPerSecond)} up.`);
    }),
});
