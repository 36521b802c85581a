// What a person can ask of my-plugin: an action, and an edit of its settings. Each is a verb of otb, a form and an RPC call.
import * as z from "zod/mini";
import { action, type Block, edit, field } from "@otb/plugin";
import type { Config } from "./config.ts";
import type { LinkWatch } from "./watch.ts";

/** What help says of `otb my-plugin`. */
export const verbs = { summary: "How many links are up.", example: "otb my-plugin count" };

/** `otb my-plugin count`: done by the running plugin. */
export const count = action({
  title: "Count",
  summary: "Count the links that are up, now.",
  verb: "my-plugin count",
  run: (watch: LinkWatch) => watch.look(),
  // The answer again, for a person.
  show: (up: number): Block[] => [{ kind: "stat", label: "Links up", value: up }],
});

/** `otb my-plugin expect 2`: pure, and works while nothing runs, too. */
export const expect = edit({
  title: "Expect links",
  summary: "Warn when fewer links than this are up.",
  verb: "my-plugin expect",
  example: "sudo otb my-plugin expect 2",
  args: z.strictObject({
    links: field(z.int().check(z.minimum(0), z.maximum(8)), {
      positional: true,
      metavar: "COUNT",
      description: "How many links should be up.",
    }),
  }),
  edit: ({ links }, _settings: Config) => ({
    patch: { atLeast: links },
    done: `A warning comes when fewer than ${links} links are up`,
  }),
});
