// `otb plugin`: which plugins there are, and a new one from the template.
import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { message } from "@optique/core/message";
import { multiple, optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { CONTRACT_VERSION, OtbError } from "../client/mod.ts";
import { addVerb, removeVerb } from "./plugin_add.ts";
import { parseFields } from "./assignments.ts";
import { printable } from "./format.ts";
import { pluginLines } from "./status_view.ts";
import { group, verb } from "./verb.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** The name in the template; it stands wherever the new name has to. */
const TEMPLATE_NAME = "my-plugin";

const list = verb("list", {
  brief: "List the plugins of this role with what they may do.",
  example: "otb plugin list",
  options: {},
  run: (_, { print, withCore, terminal: { width, colours } }) =>
    withCore(async (core) => {
      const plugins = await core.plugins();
      print({ plugins }, () => {
        if (plugins.length === 0) return "No plugin here: otb plugin new NAME makes one.";
        return [
          ...pluginLines(plugins, { width, colours, nowMs: Date.now() }),
          ...plugins.flatMap(({ name, summary, tier, permissions }) => [
            "",
            printable(`${name} (${tier}): ${summary}`),
            ...permissions.map((permission) => `  - ${permission}`),
          ]),
        ];
      });
    }),
});

const make = verb("new", {
  brief: "Make a plugin that runs, to change into yours (plugins/README.md).",
  example: "otb plugin new uptime-watch",
  options: {
    name: argument(string({ metavar: "NAME" }), { description: message`Small letters, digits and dashes.` }),
    directory: optional(option("--directory", string({ metavar: "D" }), {
      description: message`Make it as D instead of plugins/NAME; otb plugin add D then has it run.`,
    })),
  },
  async run({ name, directory }, { print }) {
    if (!/^[a-z][a-z0-9-]{0,31}$/.test(name)) {
      throw new OtbError(
        "name-invalid",
        `Cannot make a plugin as a name has up to 32 small letters, digits and dashes and starts with a letter: current value is "${name}"`,
      );
    }
    const target = directory === undefined
      ? join(ROOT, "plugins", name)
      : isAbsolute(directory)
      ? directory
      : join(Deno.cwd(), directory);
    const files = await copyTemplate(name, target);
    if (directory !== undefined) {
      // Away from here its own tools find the contract as any package.
      const manifest = {
        private: true,
        type: "module",
        dependencies: { "@otb/plugin": `^${CONTRACT_VERSION}`, zod: "^4.0.0" },
        devDependencies: { "@types/node": "^22.0.0" },
      };
      await Deno.writeTextFile(join(target, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
      files.push("package.json");
    }
    const test = testCommand(target);
    print({ name, directory: target, files, test }, () => [
      `Plugin "${name}" is in ${target}: ${files.join(", ")}.`,
      `  test it: ${test}`,
      directory === undefined
        ? "  run it:  a running otb takes it up when it starts anew: sudo otb down, then sudo otb up"
        : `  run it:  sudo otb plugin add ${target}`,
      ...directory === undefined
        ? ["           (as a service otb runs a copy: sudo otb service install)"]
        : [],
      `  read on: ${join(ROOT, "plugins", "README.md")}`,
    ]);
  },
});

const act = verb("act", {
  brief: "Run an action of a running plugin.",
  example: "sudo otb plugin act my-plugin my-action field=value",
  options: {
    plugin: argument(string({ metavar: "PLUGIN" })),
    action: argument(string({ metavar: "ACTION" })),
    fields: multiple(
      argument(string({ metavar: "FIELD=VALUE" }), { description: message`VALUE is JSON, or text.` }),
    ),
  },
  run({ plugin, action, fields }, { print, withCore }) {
    const given = parseFields(fields);
    return withCore(async (core) => {
      const { result } = await core.act(plugin, action, given);
      print(
        { plugin, action, result },
        () => typeof result === "string" ? result : JSON.stringify(result, null, 2),
      );
    });
  },
});

/** `otb plugin`. */
export const pluginVerbs = group(
  "plugin",
  "The parts that do the work.",
  [list, make, addVerb, removeVerb, act],
  "otb plugin list",
);

/** The command line that runs a plugin's tests with this otb's own Deno and packages, which need not be on PATH. */
function testCommand(target: string): string {
  const packages = Deno.env.get("DENO_DIR");
  return [
    ...packages === undefined ? [] : [`DENO_DIR=${packages}`],
    Deno.execPath(),
    ...["test", "-A", "--cached-only", "--no-lock", "--config", join(ROOT, "deno.json")],
    target,
  ].join(" ");
}

async function copyTemplate(name: string, target: string): Promise<string[]> {
  try {
    await Deno.mkdir(target, { recursive: false });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new OtbError(
      "directory-exists",
      `Cannot make a plugin as the directory must not exist yet: current value is "${target}"`,
      "Choose another name or --directory.",
    );
  }
  const template = join(ROOT, "plugins", "_template");
  const files: string[] = [];
  const copy = async (folder: string) => {
    for await (const entry of Deno.readDir(join(template, folder))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory) {
        await Deno.mkdir(join(target, path));
        await copy(path);
        continue;
      }
      const text = await Deno.readTextFile(join(template, path));
      await Deno.writeTextFile(join(target, path), text.replaceAll(TEMPLATE_NAME, name));
      files.push(path);
    }
  };
  await copy("");
  return files.sort();
}
