// `otb link test`: how fast one link is, measured.
import * as z from "zod/mini";
import { action, type Block, field, OtbError, rate } from "@otb/plugin";
import { Box } from "./box.ts";
import type { Cloud } from "./cloud.ts";

/** What was measured. */
interface Shown {
  link: string;
  downBitsPerSecond: number;
  upBitsPerSecond: number;
}

export const speedTest = action({
  title: "Measure",
  summary: "Measure how fast a link is, both ways: ten seconds of full load.",
  verb: "link test",
  example: "sudo otb link test fibre",
  args: z.strictObject({
    link: field(z.string().check(z.maxLength(15)), {
      positional: true,
      metavar: "NAME",
      description: "The link's name.",
    }),
    force: field(z._default(z.boolean(), false), {
      description: "Also where traffic may cost money: a backup link.",
    }),
  }),
  changes: true,
  confirm: "The link is under full load for ten seconds. Measure now?",
  async run(box: Box | Cloud, { link, force }) {
    if (!(box instanceof Box)) {
      throw new OtbError(
        "links-in-cloud",
        "Cannot test a link as only a box has links: current value is a cloud",
      );
    }
    return { link, ...await box.test(link, force) };
  },
  show: ({ link, downBitsPerSecond, upBitsPerSecond }: Shown): Block[] => [{
    kind: "notice",
    text: `Link ${link}: ${rate(downBitsPerSecond)} down, ${rate(upBitsPerSecond)} up.`,
  }],
});
