import assert from "node:assert/strict";
import { deadExports } from "./exports.ts";

const dead = (sources: { [path: string]: string }) =>
  deadExports(sources, { "@x/door": "core/door.ts" }, (path) => path === "core/entry.ts");

Deno.test("an export that nobody imports and its module does not use is found, however it is written", () => {
  const text = [
    "export const one = 1;",
    "export const TWO = 2, THREE = 3;",
    "export async function four() {}",
    "export abstract class Five {}",
    "export interface Six {}",
    'export { seven, type eight as Eight } from "./other.ts";',
  ].join("\n");
  assert.deepEqual(
    dead({ "core/a.ts": text }),
    ["one", "TWO", "THREE", "four", "Five", "Six", "seven", "Eight"].map((name) => `core/a.ts: ${name}`),
  );
});

Deno.test("an export is used by who imports it from there, under any name, in any form, and by its own module", () => {
  const text = "export const one = 1;";
  for (
    const user of [
      `import { one } from "./a.ts";`,
      `import {\n  type one as two,\n} from "./a.ts";`,
      `import * as all from "./a.ts";`,
      `export * from "./a.ts";`,
      `await import("./a.ts");`,
      "const program = `\n  import { one } from ${path};`;",
    ]
  ) assert.deepEqual(dead({ "core/a.ts": text, "core/b.ts": user }), [], user);
  assert.deepEqual(dead({ "core/a.ts": `${text}\nconsole.log(one);` }), []);
  assert.deepEqual(dead({ "core/door.ts": text, "core/b.ts": `import { one } from "@x/door";` }), []);
  assert.deepEqual(dead({ "core/entry.ts": text }), []);
  assert.equal(dead({ "core/a.ts": text, "core/b.ts": `import { one } from "./c.ts";` }).length, 1);
});
