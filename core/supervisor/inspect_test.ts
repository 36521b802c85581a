import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Json } from "../contract/mod.ts";
import { inspectPlugins } from "./inspect.ts";
import { type Manifest, parseManifest } from "./manifest.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const world = { network: { role: "box" as const, peers: [] }, links: [] };

/** A plugin with one setting, `port`, whose module begins with some code. */
async function plugin(folder: string, name: string, code = ""): Promise<Manifest> {
  const directory = `${folder}/${name}`;
  await Deno.mkdir(directory);
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

Deno.test("plugins are asked together, and each answers for itself; one that fails is named, whoever is asked with it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  try {
    const ask = (manifests: Manifest[], ...configs: Json[]) =>
      inspectPlugins(manifests, ROOT, configs.map((config) => ({ config, world })));
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
    await Deno.remove(folder, { recursive: true });
  }
});
