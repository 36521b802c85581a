// Actions, edits, pages and what is lost: asked of a plugin in its process, and of its code alone in the one that may do nothing.
import { strict as assert } from "node:assert";
import { fileURLToPath } from "node:url";
import type { ConfigSnapshot, Core, Proposal } from "../client/types.ts";
import { declarationsOf } from "../contract/declared.ts";
import type { Json, OtbError } from "../contract/mod.ts";
import { Supervised } from "../supervisor/supervised.ts";
import { RecordingCore, writePlugin } from "../supervisor/testing/plugins.ts";
import { Declarations } from "./declarations.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

const MEMBERS = `
  actions: {
    count: contract.action({
      title: "Count", summary: "Count links.",
      args: z.strictObject({ from: z._default(z.int(), 0) }),
      run: (running, { from }) => ({ count: running.links + from }),
      idle: ({ from }, { greeting }) => ({ count: from, greeting }),
      show: ({ count }, { language, args }, running) =>
        [{ kind: "notice", text: [count, args.from, language, running === undefined].join(" ") }],
    }),
  },
  edits: {
    greet: contract.edit({
      title: "Greet", summary: "Say otherwise.", look: "count",
      args: z.strictObject({ words: z.string() }),
      edit({ words }, { greeting }, looked) {
        if (words === greeting) throw new contract.OtbError("greeting-same", "Cannot say the same", "Say more.");
        if (words === "open") Deno.readTextFileSync("/etc/passwd");
        return { patch: { greeting: words + looked.count }, done: "Said " + words };
      },
    }),
  },
  pages: { links: contract.page({ title: "Links", nav: "links", blocks: ({ up }) => [{ kind: "stat", label: "Up", value: up }] }) },
  loss: (running) => running.links > 0 ? { sentences: [running.links + " links go."] } : undefined,
`;

Deno.test("one declaration is a call with an answer for a person, a change of settings, and a page", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "otb-" });
  const manifest = writePlugin(folder, "counting", `ctx.publishStatus({ up: 2 }); return { links: 2 };`, {
    members: MEMBERS,
  });
  const { default: module } = await import(`file://${manifest.directory}/mod.ts`);
  Deno.writeTextFileSync(`${manifest.directory}/declared.json`, JSON.stringify(declarationsOf(module)));
  const declarations = new Declarations([manifest], ROOT);
  const plugin = new Supervised(manifest, new RecordingCore(folder));
  try {
    assert.deepEqual(declarations.problems, []);
    assert.deepEqual(declarations.actions().map(({ kind, name, changes }) => [kind, name, changes]), [
      ["action", "count", false],
      ["edit", "greet", true],
    ]);
    assert.deepEqual(declarations.pages(), [{
      plugin: "counting",
      name: "links",
      title: "Links",
      nav: "links",
    }]);
    assert.deepEqual([declarations.having("loss"), declarations.having("guide")], [["counting"], []]);

    const proposed: Proposal[] = [];
    const core: Pick<Core, "live" | "config" | "act" | "propose"> = {
      live: true,
      config: () =>
        Promise.resolve(
          {
            revision: 5,
            effective: { plugins: { counting: { greeting: "hello" } } },
          } as unknown as ConfigSnapshot,
        ),
      act: (_, action, args) => plugin.act(action, args),
      propose: (proposal) => {
        proposed.push(proposal);
        return Promise.resolve({ problems: [], differences: [], plan: [], effects: [] });
      },
    };
    const greet = (args: Json) => declarations.edit(core, "counting", "greet", args, { comment: "as asked" });
    // Nothing runs yet: settings alone answer.
    const idle = await declarations.idle(
      "counting",
      "count",
      { from: 3 },
      { language: "fr", nowMs: 0 },
      core,
    );
    assert.deepEqual(idle?.result, { count: 3, greeting: "hello" });
    assert.deepEqual(idle?.blocks, [{ kind: "notice", text: "3 3 fr true" }]);
    assert.equal((await greet({ words: "hi" })).done, "Said hi");

    await plugin.start();
    assert.deepEqual(await plugin.act("count", { from: 1 }), {
      result: { count: 3 },
      blocks: [{ kind: "notice", text: "3 1 en false" }],
    });
    assert.deepEqual(await plugin.ask("show", "page", { page: "links", view: {} }), {
      title: "Links",
      blocks: [{ kind: "stat", label: "Up", value: 2 }],
    });
    assert.deepEqual(await plugin.ask("tell", "loss"), { sentences: ["2 links go."] });
    await greet({ words: "hi" });
    assert.deepEqual(proposed, [
      { comment: "as asked", base: 5, patch: { plugins: { counting: { greeting: "hi0" } } } },
      { comment: "as asked", base: 5, patch: { plugins: { counting: { greeting: "hi2" } } } },
    ]);

    const refused = (asked: Promise<unknown>, code: string) =>
      assert.rejects(
        asked,
        (error: OtbError) => error.code === code || assert.fail(`${error.code}: ${error.message}`),
      );
    await refused(greet({ words: "hello" }), "greeting-same");
    await refused(greet({ words: 5 }), "args-invalid");
    await refused(plugin.act("count", { from: "x" }), "args-invalid");
    await refused(greet({ words: "open" }), "plugin-uninspectable");
    await refused(plugin.ask("show", "page", { page: "none", view: {} }), "page-unknown");
    await refused(declarations.edit(core, "counting", "none", {}, { comment: "as asked" }), "action-unknown");
    await refused(declarations.edit(core, "nobody", "greet", {}, { comment: "as asked" }), "plugin-unknown");
    assert.equal(proposed.length, 2, "what is refused proposes nothing");
  } finally {
    await plugin.stop();
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("declarations that cannot be read are told, and leave the plugin without them", () => {
  const folder = Deno.makeTempDirSync({ prefix: "otb-" });
  try {
    const manifest = writePlugin(folder, "broken", "");
    Deno.writeTextFileSync(`${manifest.directory}/declared.json`, "{");
    const declarations = new Declarations([manifest], ROOT);
    assert.deepEqual([declarations.actions(), declarations.problems[0]?.code], [[], "declared-invalid"]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
