// `otb plugin add` and `remove`: plugins of others, as copies that root alone can change.
import { resolve } from "node:path";
import { message } from "@optique/core/message";
import { argument, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { addPlugin, removePlugin } from "../client/mod.ts";
import { printable } from "./format.ts";
import { notRoot, Refused } from "./terminal.ts";
import { verb } from "./verb.ts";

const NEXT = "It counts with the next start: sudo otb down, then sudo otb up (systemctl restart otb).";

export const addVerb = verb("add", {
  brief: "Have a plugin run that lies in a folder anywhere: a copy of it, as it is now.",
  example: "sudo otb plugin add ./uptime-watch",
  options: {
    folder: argument(string({ metavar: "FOLDER" }), {
      description: message`What holds its deno.json; after a change there add it again.`,
    }),
    trust: option("--trust", {
      description:
        message`Agree to a plugin that has the rights of root: what it runs is not held by a sandbox.`,
    }),
  },
  async run({ folder, trust }, { print, state }) {
    if (Deno.uid() !== 0) throw notRoot();
    const plugin = await addPlugin(state, resolve(folder), { trusted: trust });
    print(plugin, () => [
      printable(
        `${plugin.replaces ? "Replaced" : "Added"} ${plugin.name} ${plugin.version}: ${plugin.summary}`,
      ),
      ...plugin.permissions.map((permission) => printable(`  - ${permission}`)),
      NEXT,
    ]);
  },
});

export const removeVerb = verb("remove", {
  brief: "Take away a plugin that was added, and its settings.",
  example: "sudo otb plugin remove uptime-watch",
  options: { name: argument(string({ metavar: "NAME" })) },
  async run({ name }, { print, state, withCore }) {
    if (Deno.uid() !== 0) throw notRoot();
    await removePlugin(state, name, () =>
      withCore(async (core) => {
        const { document } = await core.config();
        if (!(name in document.plugins)) return;
        const patch = { plugins: { [name]: null } };
        const { problems } = await core.propose({ patch, comment: "otb plugin remove", confirm: true });
        if (problems.length > 0) throw new Refused(problems);
      }));
    print({ name }, () => [`Removed ${name}. ${NEXT}`]);
  },
});
