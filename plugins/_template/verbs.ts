// What a person can ask of my-plugin: an action, and an edit of its settings. Each is a verb of otb, a form and an RPC call.
import * as z from "zod/mini";
import { action, type Block, edit, field } from "@otb/plugin";
import type { Config } from "./config.ts";

/** What runs, as far as the action needs it. */
interface Running {
  look(): { up: number; atLeast: number };
}

/** What help says of `otb my-plugin`. */
export const verbs = { summary: "How many links are up.", example: "otb my-plugin look" };

/** `otb my-plugin look`: done by the running plugin. */
export const look = action({
  title: "Look",
  summary: "Say how many links are up now.",
  verb: "my-plugin look",
  run: (running: Running) => running.look(),
  // The answer again, for a person.
  show: ({ up, atLeast }: { up: number; atLeast: number }): Block[] => [
    { kind: "stat", label: "Links up", value: up },
    { kind: "stat", label: "Expected", value: atLeast },
  ],
});

/** `otb my-plugin expect 2`: pure, and works while nothing runs, too. */
export const expect = edit({
  title: "Expect links",
  summary: "Warn when fewer links than this are up.",
  verb: "my-plugin expect",
  example: "sudo otb my-plugin expect 2",
  args: z.strictObject({
    count: field(z.int().check(z.minimum(0), z.maximum(8)), {
      positional: true,
      metavar: "COUNT",
      description: "How many links should be up.",
    }),
  }),
  edit: ({ count }, _settings: Config) => ({
    patch: { atLeast: count },
    done: `A warning comes when fewer than ${count} links are up`,
  }),
});
