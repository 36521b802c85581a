import { strict as assert } from "node:assert";
import { drawn } from "../contract/mod.ts";
import { coreWords } from "../texts/mod.ts";
import { LatePlugins } from "./late_plugins.ts";

/** A plugin's folder with its manifest. */
function make(directory: string, name: string, roles = ["box"]): void {
  Deno.mkdirSync(`${directory}/${name}`);
  const otb = { contract: "^2", summary: "It does nothing.", roles };
  Deno.writeTextFileSync(
    `${directory}/${name}/deno.json`,
    JSON.stringify({ name: `@otb/${name}`, version: "0.1.0", exports: "./mod.ts", otb }),
  );
}

Deno.test("a plugin that comes after the start, or goes, is told until the folder is as it was", () => {
  const directory = Deno.makeTempDirSync({ prefix: "otb-late-" });
  try {
    make(directory, "first");
    const late = new LatePlugins([directory, `${directory}-none`], "box", ["first"]);
    late.look();
    assert.equal(late.condition, undefined);
    make(directory, "second");
    make(directory, "elsewhere", ["cloud"]);
    Deno.mkdirSync(`${directory}/no-plugin`);
    late.look();
    const told = () => drawn(coreWords, late.condition!);
    assert.match(told().message, /: second came$/);
    assert.match(told().next!, /otb down, then otb up/);
    Deno.removeSync(`${directory}/first`, { recursive: true });
    late.look();
    assert.match(told().message, /second came; first went$/);
    make(directory, "first");
    Deno.removeSync(`${directory}/second`, { recursive: true });
    late.look();
    assert.equal(late.condition, undefined);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
