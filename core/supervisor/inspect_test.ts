import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Json } from "../contract/mod.ts";
import { inspectPlugins } from "./inspect.ts";
import { type Manifest, parseManifest } from "./manifest.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const world = { network: { role: "box" as const, peers: [] }, links: [] };

/** A tree of its own, with the contract and the packages of this one. */
async function tree(folder: string): Promise<string> {
  const { imports } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  for (const [name, target] of Object.entries<string>(imports)) {
    imports[name] = target.replace(/^\.\//, `file://${ROOT}/`);
  }
  await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ imports, nodeModulesDir: "none" }));
  return folder;
}

/** A plugin with one setting, `port`, whose module begins with some code. */
async function plugin(folder: string, name: string, code = ""): Promise<Manifest> {
  const directory = `${folder}/${name}`;
  await Deno.mkdir(directory, { recursive: true });
  await Deno.writeTextFile(
    `${directory}/mod.ts`,
    `${code}
    import * as z from "zod/mini";
    import { definePlugin } from "@otb/plugin";
    export default definePlugin({
      config: z.strictObject({ port: z._default(z.number(), 1) }),
      check: ({ port }) => port > 9 ? [{ code: "too-high", path: "port", message: "${name} says so" }] : [],
      start: async () => {},
    });`,
  );
  const manifest = {
    name: `@otb/${name}`,
    version: "1.0.0",
    exports: "./mod.ts",
    otb: { contract: "^2", summary: "for a test", roles: ["box"] },
  };
  return parseManifest(JSON.stringify(manifest), directory);
}

for (const place of ["plugins", "added"]) {
  Deno.test(`plugins in ${place}/ answer for themselves; one that fails is named, whoever is asked with it`, () =>
    answersFor(place));
}

async function answersFor(place: string): Promise<void> {
  const root = await tree(await Deno.makeTempDir({ prefix: "otb" }));
  const folder = `${root}/${place}`;
  try {
    const ask = (manifests: Manifest[], ...configs: Json[]) =>
      inspectPlugins(manifests, root, configs.map((config) => ({ config, world })));
    const [one, two] = [await plugin(folder, "one"), await plugin(folder, "two")];
    const answers = await ask([one, two, one], {}, { port: 10 }, { port: "x" });
    assert.deepEqual(answers.map(({ value }) => value), [{ port: 1 }, { port: 10 }, undefined]);
    assert.deepEqual(answers.map(({ problems }) => problems.map(({ message }) => message)), [
      [],
      ["two says so"],
      [],
    ]);
    assert.equal(answers[2]!.issues[0]!.path[0], "port");
    const broken = await plugin(folder, "broken", 'throw new Error("no such luck");');
    await assert.rejects(ask([one, broken, two], {}, {}, {}), {
      code: "plugin-uninspectable",
      message: /plugin "broken".*no such luck/,
    });
    const greedy = await plugin(folder, "greedy", 'Deno.readTextFileSync("/etc/passwd");');
    await assert.rejects(ask([greedy], {}), { code: "plugin-uninspectable" });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("a plugin from elsewhere speaks for nobody else: what it does to its process, no other feels", async () => {
  const root = await tree(await Deno.makeTempDir({ prefix: "otb" }));
  try {
    const own = await plugin(`${root}/plugins`, "own");
    const lies =
      'const all = JSON.stringify; JSON.stringify = (x) => all(x).replaceAll("says so", "is fine");';
    const hostile = await plugin(`${root}/added`, "hostile", lies);
    const other = await plugin(`${root}/added`, "other");
    const asked = [hostile, own, other].map(() => ({ config: { port: 10 }, world }));
    const answers = await inspectPlugins([hostile, own, other], root, asked);
    assert.deepEqual(answers.map(({ problems }) => problems[0]!.message), [
      "hostile is fine",
      "own says so",
      "other says so",
    ]);
    const mute = await plugin(`${root}/added`, "mute", 'JSON.stringify = () => "[]";');
    await assert.rejects(inspectPlugins([mute], root, asked.slice(0, 1)), {
      code: "plugin-uninspectable",
      message: /"mute"/,
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
