// Plugins that do not run always: real ones in real processes, which are there while they are wanted.
import { strict as assert } from "node:assert";
import { leftByAnotherCore, withCore, writePlugin } from "./testing/plugins.ts";

/** Who publishes the fact. */
const PINNING = { name: "pinning", publishes: ["thing", "other"] };
const address = `{ kind: "address", interface: "lan0", cidr: "192.168.100.1/24" }`;

Deno.test("a plugin that runs while a fact is there has no process before and after (12, line 9)", async () => {
  await withCore(async (core, folder, lead) => {
    core.settings = { greeting: "hello" };
    const plugin = lead(
      writePlugin(
        folder,
        "streams",
        `await ctx.claim("k", [${address}]); ctx.publishStatus({ greeting: ctx.config.greeting });`,
        { otb: { runs: { whileFact: "thing" } } },
      ),
      100,
    );
    await plugin.start();
    const before = plugin.report();
    assert.deepEqual([before.state, before.pid, before.idle], [
      "ready",
      undefined,
      "runs while there is a fact thing",
    ]);
    // Settings that come meanwhile are those that it starts with.
    core.settings = { greeting: "ahoy" };
    await plugin.reload();
    assert.equal(plugin.report().pid, undefined);
    core.facts.publish(PINNING, "other", 1);
    core.facts.publish(PINNING, "thing/one", 1);
    await core.until(() => plugin.report().status.greeting === "ahoy");
    const { pid, idle } = plugin.report();
    assert.equal(idle, undefined);
    assert.deepEqual([...core.claims.keys()], ["streams/k"]);
    // It is wanted again before it went.
    core.facts.publish(PINNING, "thing/one", null);
    core.facts.publish(PINNING, "thing/two", 1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(plugin.report().pid, pid);
    core.facts.publish(PINNING, "thing/two", null);
    await core.until(() => plugin.report().idle !== undefined);
    assert.deepEqual([plugin.report().pid, plugin.report().restarts, core.claims.size], [undefined, 0, 0]);
    assert.throws(() => Deno.statSync(`/proc/${pid}/exe`));
  });
});

Deno.test("a plugin that runs on a call is there for its actions, and goes some time after the last (12, line 9)", async () => {
  await withCore(async (core, folder, lead) => {
    const actions = { members: `actions: { add: { summary: "", run: () => 4 } },`, otb: { runs: "on-call" } };
    const plugin = lead(writePlugin(folder, "tests", "", actions), 300);
    await plugin.start();
    assert.equal(plugin.report().pid, undefined);
    const add = async () => (await plugin.act("add", undefined)).result;
    assert.deepEqual(await Promise.all([add(), add()]), [4, 4]);
    const { pid } = plugin.report();
    assert.ok(pid);
    assert.equal(await add(), 4);
    assert.equal(plugin.report().pid, pid);
    await core.until(() => plugin.report().pid === undefined);
    assert.equal(plugin.report().state, "ready");
  });
});

Deno.test("a plugin that runs on a schedule does its work when it starts, and is gone when it is done (12, line 9)", async () => {
  await withCore(async (core, folder, lead) => {
    const plugin = lead(
      writePlugin(
        folder,
        "backup",
        `await ctx.store.set("runs", (await ctx.store.get("runs") ?? 0) + 1);`,
        { otb: { runs: { everyMinutes: 60 } } },
      ),
    );
    await plugin.start();
    assert.equal(core.store.get("backup/runs"), 1);
    assert.deepEqual([plugin.report().pid, plugin.report().idle], [undefined, "runs every 60 minutes"]);
  });
});

Deno.test("a core that comes back takes over who ran as it was wanted, and lets go of it when nobody wants it (12, line 9)", async () => {
  await withCore(async (core, folder, lead) => {
    const manifest = writePlugin(folder, "streams", "", { otb: { runs: { whileFact: "thing" } } });
    const pid = await leftByAnotherCore(
      manifest,
      folder,
      `core.facts.publish(${JSON.stringify(PINNING)}, "thing/one", 1);`,
    );
    const plugin = lead(manifest, 400);
    await plugin.start();
    assert.equal(plugin.report().pid, pid, "who wants it may not have come back yet");
    await core.until(() => plugin.report().idle !== undefined);
    assert.equal(plugin.report().pid, undefined);
  });
});
