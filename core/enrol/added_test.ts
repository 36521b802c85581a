import { strict as assert } from "node:assert";
import { OtbError } from "../contract/mod.ts";
import { readDeclared } from "../supervisor/declared.ts";
import { addPlugin, removePlugin } from "./added.ts";
import { statePaths } from "./paths.ts";

const MODULE = `import * as z from "zod/mini";
import { definePlugin } from "@otb/plugin";
export default definePlugin({ config: z.strictObject({}), start() {} });
`;

/** A state directory where something was set up, and a plugin's folder. */
async function withFolder(
  body: (
    state: string,
    folder: string,
    write: (otb?: object, name?: string) => Promise<void>,
  ) => Promise<void>,
): Promise<void> {
  const temporary = await Deno.makeTempDir({ prefix: "otb-added-" });
  const state = `${temporary}/state`, folder = `${temporary}/mine`;
  try {
    await Deno.mkdir(state);
    await Deno.writeTextFile(`${state}/otb.db`, "");
    await Deno.mkdir(folder);
    await Deno.writeTextFile(`${folder}/mod.ts`, MODULE);
    await body(state, folder, async (otb = {}, name = "@you/mine") => {
      const manifest = { contract: "^2", summary: "Does nothing", roles: ["box"], ...otb };
      const deno = { name, version: "1.0.0", exports: "./mod.ts", otb: manifest };
      await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(deno));
    });
  } finally {
    // What makeDirectories made in /run for this state.
    const run = await Deno.readLink(`${state}/run`).catch(() => undefined);
    if (run) await Deno.remove(run, { recursive: true }).catch(() => {});
    await Deno.remove(temporary, { recursive: true });
  }
}

const refused = (code: string) => (error: unknown) => error instanceof OtbError && error.code === code;
const names = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name).sort();

Deno.test("what is added is a copy of the plugin's own plain files, and another one takes its place", async () => {
  await withFolder(async (state, folder, write) => {
    await write({ claims: ["address"] });
    for (const name of ["mod_test.ts", ".env"]) await Deno.writeTextFile(`${folder}/${name}`, "");
    await Deno.mkdir(`${folder}/node_modules`);
    const { replaces, permissions } = await addPlugin(state, folder, { trusted: false });
    assert.deepEqual([replaces, permissions], [false, ["claims of the kernel: address"]]);
    const { added } = statePaths(state);
    assert.deepEqual(names(`${added}/mine`), ["declared.json", "deno.json", "mod.ts"]);
    await Deno.writeTextFile(`${folder}/more.ts`, "");
    assert.deepEqual(names(`${added}/mine`), ["declared.json", "deno.json", "mod.ts"]);
    assert.equal((await addPlugin(state, folder, { trusted: false })).replaces, true);
    assert.deepEqual(names(`${added}/mine`), ["declared.json", "deno.json", "mod.ts", "more.ts"]);
    assert.deepEqual(names(added), ["mine"]);
    await removePlugin(state, "mine", () => Promise.resolve());
    assert.deepEqual(names(added), []);
  });
});

Deno.test("its verbs are those of its code, whatever its folder says; what would do something to a terminal is refused", async () => {
  await withFolder(async (state, folder, write) => {
    await write();
    const code = (summary: string) =>
      MODULE.replace(
        "start() {}",
        `start() {}, actions: { look: { title: "Look", summary: ${
          JSON.stringify(summary)
        }, verb: "mine look", run: () => 0 } }`,
      );
    await Deno.writeTextFile(`${folder}/mod.ts`, code("Look at it."));
    await Deno.writeTextFile(`${folder}/declared.json`, '{"actions":{}}');
    await addPlugin(state, folder, { trusted: false });
    const { added } = statePaths(state);
    assert.equal(readDeclared(`${added}/mine`).actions.look!.verb, "mine look");
    await Deno.writeTextFile(`${folder}/mod.ts`, code("Look\x1b[2J"));
    await assert.rejects(addPlugin(state, folder, { trusted: false }), refused("declared-invalid"));
    assert.deepEqual(names(added), ["mine"]);
  });
});

Deno.test("who has the rights of root is added with consent alone, which says what it may do", async () => {
  await withFolder(async (state, folder, write) => {
    await write({ tier: "trusted", native: true });
    await assert.rejects(
      addPlugin(state, folder, { trusted: false }),
      (error) => refused("plugin-not-trusted")(error) && /runs native code/.test((error as Error).message),
    );
    assert.equal((await addPlugin(state, folder, { trusted: true })).tier, "trusted");
  });
});

Deno.test("what could not run is refused in one sentence, and nothing of it stays", async () => {
  await withFolder(async (state, folder, write) => {
    const add = () => addPlugin(state, folder, { trusted: true });
    await assert.rejects(add, refused("manifest-invalid"));
    await write({}, "@you/qos");
    await assert.rejects(add, refused("plugin-name-taken"));
    await write({ tier: "trusted", programs: [{ name: "otb-no-such-program", debian: "nothing" }] });
    await assert.rejects(add, refused("program-missing"));
    await write();
    await Deno.writeTextFile(`${folder}/mod.ts`, 'import "@nobody/has-it";');
    await assert.rejects(add, refused("plugin-uninspectable"));
    await Deno.writeTextFile(`${folder}/mod.ts`, MODULE.replace("{}", "{ name: z.string() }"));
    await assert.rejects(add, refused("plugin-defaults"));
    await Deno.writeTextFile(`${folder}/mod.ts`, MODULE);
    await Deno.symlink("/etc/passwd", `${folder}/passwd`);
    await assert.rejects(add, refused("plugin-not-plain"));
    assert.deepEqual(names(statePaths(state).added), []);
  });
});

Deno.test("a name that nobody added is not removed, and no settings are taken away for it", async () => {
  await withFolder(async (state) => {
    for (const name of ["qos", "..", "mine"]) {
      await assert.rejects(removePlugin(state, name, () => assert.fail("forgot")), refused("plugin-unknown"));
    }
  });
});
