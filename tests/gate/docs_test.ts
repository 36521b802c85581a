import assert from "node:assert/strict";
import { settingsTable, withSection } from "./docs_table.ts";

Deno.test("settings become a table with dotted names, values, defaults and meanings", () => {
  const schema = {
    type: "object",
    properties: {
      mode: { enum: ["auto", "off"], default: "auto", description: "a|b" },
      probe: {
        type: "object",
        properties: { intervalMs: { type: "integer", minimum: 10, maximum: 9007199254740991 } },
      },
      hosts: { type: "array", items: { type: "string" }, default: [] },
    },
  };
  assert.deepEqual(settingsTable(schema).split("\n").map((line) => line.replace(/ +/g, " ")), [
    "| Setting | Values | Default | Meaning |",
    settingsTable(schema).split("\n")[1]!,
    '| `mode` | `"auto"`, `"off"` | `"auto"` | a\\|b |',
    "| `probe.intervalMs` | integer from 10 | | |",
    "| `hosts` | list of text | `[]` | |",
  ]);
});

Deno.test("every line of a table is equally wide", () => {
  const table = settingsTable({
    properties: { a: { type: "string", description: "ü" }, longer: { type: "boolean" } },
  });
  assert.equal(new Set(table.split("\n").map((line) => [...line].length)).size, 1);
});

Deno.test("writing a table twice changes nothing, and what stands around it stays", () => {
  const text = "# x\n<!-- settings -->\nold\n<!-- /settings -->\ntail\n";
  const once = withSection(text, "settings", "TABLE");
  assert.equal(once, "# x\n<!-- settings -->\n\nTABLE\n\n<!-- /settings -->\ntail\n");
  assert.equal(withSection(once, "settings", "TABLE"), once);
});

Deno.test("a README without its markers is refused", () => {
  for (const text of ["# x", "<!-- settings -->", "<!-- /settings --> <!-- settings -->"]) {
    assert.throws(() => withSection(text, "settings", "TABLE"), /must stand between/);
  }
});
