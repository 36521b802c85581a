import { strict as assert } from "node:assert";
import { readDeclared } from "./declared.ts";

function read(content: unknown): ReturnType<typeof readDeclared> {
  const folder = Deno.makeTempDirSync({ prefix: "otb" });
  try {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    if (content !== undefined) Deno.writeTextFileSync(`${folder}/declared.json`, text);
    return readDeclared(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const look = { title: "Look", summary: "Say how many.", verb: "count look" };

Deno.test("who declares nothing needs no file, and what is left out has its usual meaning", () => {
  assert.deepEqual(read(undefined).actions, {});
  const { actions } = read({ actions: { look } });
  assert.deepEqual(actions.look, { ...look, changes: false, idle: false });
});

Deno.test("declarations of others are taken as data: what steers a terminal, is no word of a verb or too long is refused", () => {
  const bad = [
    "{",
    { actions: { look: { ...look, summary: "All is well\x1b[2J" } } },
    { actions: { look: { ...look, summary: "one\ntwo" } } },
    { actions: { look: { ...look, summary: "turned \u202e round" } } },
    { actions: { look: { ...look, summary: "x".repeat(1_000) } } },
    { actions: { look: { ...look, verb: "Count Look" } } },
    { actions: { look: { ...look, verb: "a b c" } } },
    { actions: { look: { ...look, verb: "--state" } } },
    { actions: { look: { ...look, code: "Deno.exit()" } } },
    {
      actions: {
        look: {
          ...look,
          args: { type: "object", properties: { a: { type: "string", option: "--json=x" } } },
        },
      },
    },
    { actions: { look: { ...look, args: { type: "object", properties: { a: { description: "\x9b" } } } } } },
    { verbs: { count: { summary: "s", example: "otb count\x07" } } },
    { shell: "sh" },
  ];
  for (const content of bad) {
    assert.throws(() => read(content), { code: "declared-invalid" }, JSON.stringify(content));
  }
});
