// Somebody writes a plugin outside of this tree: an empty folder, `otb plugin new`, and the packed @otb/plugin, by which its own tests
// pass. That it then runs is in tests/system/dhcp_ipv6_test.ts.
import { strict as assert } from "node:assert";
import { Outsider } from "./outsider.ts";

Deno.test("a plugin outside the tree passes its own tests, and its own check of types, by the packed contract alone", async () => {
  await using outsider = await Outsider.make("uptime-watch");
  const checked = await outsider.deno("check", "mod.ts");
  assert.ok(checked.success, checked.said);
  // Of types its tests want Node's, too, which npm brings.
  const { success, said } = await outsider.deno("test", "--no-check", "--allow-read=.");
  assert.ok(success, said);
  assert.match(said, /ok \| [1-9]\d* passed \| 0 failed/);
  // Nothing of this tree is found from there: what passes, passes by the package.
  const graph = await outsider.graph();
  assert.match(graph, /node_modules\/@otb\/plugin\/contract\/testing\/mod\.js/);
  assert.doesNotMatch(graph, /core\/contract\//);
  // What the contract does not have is no plugin.
  await Deno.writeTextFile(
    `${outsider.folder}/wrong.ts`,
    'import { definePlugin } from "@otb/plugin";\nimport { config } from "./config.ts";\n' +
      "export default definePlugin({ config, start: (ctx) => ctx.claimAll() });\n",
  );
  const wrong = await outsider.deno("check", "wrong.ts");
  assert.equal(wrong.success, false);
  assert.match(wrong.said, /'claimAll' does not exist on type 'Context</);
});
