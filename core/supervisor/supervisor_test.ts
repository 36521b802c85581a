import { strict as assert } from "node:assert";
import { drawn, type OtbError, type Words } from "../contract/mod.ts";
import { leftByAnotherCore, withCore, writePlugin } from "./testing/plugins.ts";

/** A path as its publisher tells it. */
const PATH = {
  ...{
    link: "fibre",
    peer: "peer",
    state: "active",
    protocol: "striped",
    rxBitsPerSecond: 0,
    txBitsPerSecond: 0,
  },
  ...{ acknowledgedBitsPerSecond: 0, share: 0, subflows: 1, congestion: "bbr" },
};
const address = `{ kind: "address", interface: "lan0", cidr: "192.168.100.1/24" }`;

Deno.test("a plugin starts with what it needs, and stops in reverse order", async () => {
  await withCore(async (core, folder, lead) => {
    core.settings = { greeting: "bonjour" };
    core.store.set("polite/seen", 1);
    const plugin = lead(writePlugin(
      folder,
      "polite",
      `ctx.defer(() => ctx.store.set("end", "first"));
       ctx.defer(() => ctx.store.set("end", "second"));
       await ctx.store.set("seen", (await ctx.store.get("seen")) + 1);
       await ctx.claim("lan", [${address}]);
       ctx.facts.publish(SAID, { words: ctx.config.greeting });
       ctx.log.info("secret is " + ctx.secret("psk"), { also: ctx.secret("psk") });
       ctx.publishStatus({ ready: true });`,
      { otb: { secrets: ["psk"] } },
    ));
    await plugin.start();
    assert.equal(plugin.report().state, "ready", plugin.report().reason);
    assert.deepEqual(plugin.report().status, { ready: true });
    assert.equal(core.store.get("polite/seen"), 2);
    assert.deepEqual(core.facts.get("said"), { words: "bonjour" });
    assert.equal(core.claims.size, 1);
    await core.until(() => core.logs.length > 0);
    assert.deepEqual(core.logs, ['polite info secret is *** {"also":"***"}']);
    await plugin.stop();
    assert.equal(core.store.get("polite/end"), "first");
    assert.equal(core.claims.size, 0);
    assert.equal(core.facts.get("said"), undefined);
  });
});

Deno.test("what others tell while a plugin starts reaches it", async () => {
  await withCore(async (core, folder, lead) => {
    const plugin = lead(writePlugin(
      folder,
      "slow",
      `const paths = ctx.facts.watch(facts.PATH);
       ctx.facts.publish(SAID, 1);
       for (let tries = 0; paths.current.size === 0 && tries < 200; tries++) await new Promise((r) => setTimeout(r, 10));
       ctx.facts.publish(F, [...paths.current.keys()]);`,
      { otb: { reads: ["path"] } },
    ));
    const started = plugin.start();
    await core.until(() => core.facts.get("said") === 1);
    core.facts.publish({ name: "other", publishes: ["path"] }, "path/fibre", PATH);
    await started;
    assert.deepEqual(core.facts.get("f"), ["fibre"]);
  });
});

Deno.test("a start that fails undoes its half and says why", async () => {
  await withCore(async (core, folder, lead) => {
    const plugin = lead(
      writePlugin(
        folder,
        "half",
        `ctx.defer(() => ctx.store.set("undone", true)); throw new Error("no such modem");`,
      ),
    );
    await plugin.start();
    assert.equal(core.store.get("half/undone"), true);
    assert.equal(plugin.report().state, "waiting-to-restart");
    assert.match(plugin.report().reason!, /no such modem/);
  });
});

Deno.test("a plugin that claims in a loop is slowed, and refused what it has waiting beyond measure", async () => {
  await withCore(async (core, folder, lead) => {
    const plugin = lead(writePlugin(
      folder,
      "looping",
      `let done = 0, refused = 0;
       const sinceMs = performance.now();
       for (let turn = 0; turn < 400; turn++) {
         ctx.claim("k", turn % 2 ? [] : [${address}]).then(() => done++, ({ code }) => {
           if (code === "claim-too-often") refused++;
         });
       }
       setTimeout(() => ctx.publishStatus({ done, refused, ms: performance.now() - sinceMs }), 1500);`,
    ));
    await plugin.start();
    const status = () => plugin.report().status as { done: number; refused: number; ms: number };
    await core.until(() => status().ms !== undefined);
    assert.ok(status().refused > 50 && status().refused <= 200, `${status().refused} refused`);
    assert.ok(status().done <= 101 + status().ms / 1000 * 20, `${status().done} in ${status().ms} ms`);
  });
});

Deno.test("a killed plugin comes back and keeps its claims; what it no longer wants is swept", async () => {
  await withCore(async (core, folder, lead) => {
    const plugin = lead(writePlugin(
      folder,
      "crashing",
      `const run = ((await ctx.store.get("run")) ?? 0) + 1;
       await ctx.store.set("run", run);
       await ctx.claim("kept", [${address}]);
       if (run === 1) await ctx.claim("dropped", [{ kind: "address", interface: "lan0", cidr: "10.0.0.1/8" }]);`,
    ));
    await plugin.start();
    const { pid } = plugin.report();
    assert.deepEqual([...core.claims.keys()], ["crashing/kept", "crashing/dropped"]);
    Deno.kill(pid!, "SIGKILL");
    await core.until(() => plugin.report().state === "waiting-to-restart");
    assert.deepEqual([...core.claims.keys()], ["crashing/kept", "crashing/dropped"]);
    await core.until(() => plugin.report().state === "ready");
    assert.notEqual(plugin.report().pid, pid);
    assert.deepEqual([...core.claims.keys()], ["crashing/kept"]);
    assert.equal(plugin.report().restarts, 1);
  });
});

Deno.test("facts of a killed plugin stay while it comes back; what the new run does not tell again goes after the grace", async () => {
  await withCore(async (core, folder, lead) => {
    const plugin = lead(
      writePlugin(
        folder,
        "forgetful",
        `const run = ((await ctx.store.get("run")) ?? 0) + 1;
         await ctx.store.set("run", run);
         if (run === 1) { ctx.facts.publish(THING, "lost", 1); ctx.facts.publish(THING, "found", 1); }
         else setTimeout(() => ctx.facts.publish(THING, "found", 1), 500);`,
      ),
      3_000,
    );
    const told: string[] = [];
    core.facts.subscribe((key, value) => told.push(`${key} ${value}`));
    await plugin.start();
    await core.until(() => told.length === 2);
    Deno.kill(plugin.report().pid!, "SIGKILL");
    await core.until(() => plugin.report().restarts === 1 && plugin.report().state === "ready");
    assert.deepEqual([core.facts.get("thing/lost"), core.facts.get("thing/found")], [1, 1]);
    await core.until(() => core.facts.get("thing/lost") === undefined);
    assert.equal(core.facts.get("thing/found"), 1);
    assert.ok(!told.includes("thing/found null"), "readers never missed what was found again");
  });
});

Deno.test("a running plugin has a changed secret before it hears of the change, and masks the new one", async () => {
  await withCore(async (core, folder, lead) => {
    const plugin = lead(writePlugin(
      folder,
      "rekeyed",
      `ctx.facts.watch(facts.BOXES).subscribe(() => {
         ctx.facts.publish(SAID, ctx.secret("psk"));
         ctx.log.info("now " + ctx.secret("psk"));
       });`,
      { otb: { secrets: ["psk"], reads: ["boxes"] } },
    ));
    await plugin.start();
    core.psk = "another-battery-staple";
    plugin.tellSecrets();
    core.facts.publish({ name: "core", publishes: ["boxes"] }, "boxes", { revision: "2", names: [] });
    await core.until(() => core.facts.get("said") === core.psk);
    await core.until(() => core.logs.includes("rekeyed info now ***"));
    assert.equal(plugin.report().restarts, 0);
  });
});

Deno.test("facts of a plugin that does not come back go after the grace", async () => {
  await withCore(async (core, folder, lead) => {
    const plugin = lead(
      writePlugin(
        folder,
        "dying",
        `if (await ctx.store.get("ran")) throw new Error("no");
         await ctx.store.set("ran", true);
         ctx.facts.publish(THING, "x", 1);`,
      ),
      2_000,
    );
    await plugin.start();
    Deno.kill(plugin.report().pid!, "SIGKILL");
    await core.until(() => plugin.report().state === "waiting-to-restart");
    assert.equal(core.facts.get("thing/x"), 1);
    await core.until(() => core.facts.get("thing/x") === undefined);
  });
});

Deno.test("a plugin that leaks is ended and started again with the reason", async () => {
  await withCore(async (core, folder, lead) => {
    const plugin = lead(writePlugin(
      folder,
      "leaking",
      `if (await ctx.store.get("leaked")) return;
       await ctx.store.set("leaked", true);
       const kept = []; globalThis.kept = kept;
       const timer = setInterval(() => kept.push(new Uint8Array(4 << 20).fill(1)), 2); ctx.defer(() => clearInterval(timer));`,
      { otb: { memoryLimitMb: 100 } },
    ));
    await plugin.start();
    await core.until(() => plugin.report().restarts === 1);
    assert.match(core.logs.join("\n"), /more than its limit of 100 MB|out of memory|ended/);
    await core.until(() => plugin.report().state === "ready");
  });
});

Deno.test("a crash loop is told apart from one crash", async () => {
  await withCore(async (core, folder, lead) => {
    const plugin = lead(writePlugin(folder, "looping", `Deno.exit(3);`));
    await plugin.start();
    assert.equal(plugin.report().state, "waiting-to-restart");
    assert.ok(plugin.health.has("plugin-restarting"));
    await core.until(() => plugin.report().state === "failed");
    assert.ok(plugin.health.has("plugin-crash-loop"));
  });
});

/** One condition, as a plugin declares it. */
const WORDS: Words = {
  conditions: { c: { severity: "info" } },
  texts: {
    en: { conditions: { c: { text: "The {name} stopped answering" } } },
    fr: { conditions: { c: { text: "Le {name} ne répond plus" } } },
  },
};

Deno.test("a hostile plugin raises only what it declared, with what can be drawn; words that are none keep it from starting", async () => {
  await withCore(async (core, folder, lead) => {
    const raise = (...raised: unknown[]) => `ctx.health.raise(...${JSON.stringify(raised)});`;
    const plugin = lead(writePlugin(
      folder,
      "alarming",
      raise("c", { name: "x".repeat(100_000) }) + raise("peer-gone", {}) + raise("c", { name: { evil: 1 } }) +
        raise("__proto__", {}) + raise("constructor", {}) + `ctx.publishStatus({ ready: true });`,
      { members: `words: ${JSON.stringify(WORDS)},` },
    ));
    await plugin.start();
    await core.until(() => core.logs.filter((line) => /The condition/.test(line)).length === 4);
    assert.deepEqual([...plugin.health.keys()], ["c"]);
    assert.equal(String(plugin.health.get("c")!.parameters.name).length, 4_000);
    const large = { ...WORDS.texts.en, phrases: { x: "x".repeat(3_000) } };
    for (
      const [name, words] of Object.entries({
        large: { ...WORDS, texts: { ...WORDS.texts, en: large } },
        untranslated: { ...WORDS, texts: { ...WORDS.texts, fr: {} } },
        loud: { ...WORDS, conditions: { c: { severity: "fatal" } } },
      })
    ) {
      const wrong = lead(
        writePlugin(folder, name, "", { members: `words: ${JSON.stringify(words)} as never,` }),
      );
      await wrong.start();
      assert.match(wrong.report().reason ?? "", /did not start: Cannot take a plugin's texts as /);
    }
  });
});

Deno.test("a running plugin is taken over by the next core, with its claims, facts and status", async () => {
  await withCore(async (core, folder, lead) => {
    const manifest = writePlugin(
      folder,
      "lasting",
      `await ctx.claim("lan", [${address}]); ctx.facts.publish(F, 1); ctx.publishStatus({ n: 7 });
       const paths = ctx.facts.watch(facts.PATH);
       ctx.facts.publish(THING, "paths", paths.current.size);
       paths.subscribe(({ size }) => ctx.facts.publish(THING, "paths", size));
       ctx.health.raise("c", { name: "modem" });`,
      { members: `words: ${JSON.stringify(WORDS)},`, otb: { reads: ["path"] } },
    );
    const published = `{ name: "other", publishes: ["path"] }, "path/fibre", ${JSON.stringify(PATH)}`;
    const pid = await leftByAnotherCore(manifest, folder, `core.facts.publish(${published});`);
    const plugin = lead(manifest, 500);
    await plugin.start();
    assert.equal(plugin.report().pid, pid);
    assert.equal(core.facts.get("thing/paths"), 1);
    assert.deepEqual(plugin.report().status, { n: 7 });
    assert.equal(core.facts.get("f"), 1);
    assert.deepEqual(drawn(plugin.health.get("c")!.words, ["c", plugin.health.get("c")!.parameters], "fr"), {
      code: "c",
      severity: "info",
      message: "Le modem ne répond plus",
    });
    assert.deepEqual([...core.claims.keys()], ["lasting/lan"]);
    // Who told of the path is gone with the first core.
    await core.until(() => core.facts.get("thing/paths") === 0);
  });
});

Deno.test("settings reach a running plugin, by reload where it has one and by restart where not or where it says so", async () => {
  await withCore(async (core, folder, lead) => {
    const told = `ctx.facts.publish(GREETING, ctx.config.greeting);`;
    const restarting = lead(writePlugin(folder, "restarting", told));
    await restarting.start();
    const before = restarting.report().pid;
    core.settings = { greeting: "ahoy" };
    await restarting.reload();
    assert.notEqual(restarting.report().pid, before);
    assert.equal(core.facts.get("greeting"), "ahoy");
    const reloading = lead(writePlugin(folder, "reloading", `globalThis.ctx = ctx;`, {
      members:
        `reload(_, next) { if (next.greeting === "no") throw new Error("not that"); ctx.facts.publish(AGAIN, next.greeting); },
         restartsFor: ["place"],
         ends: () => [{ what: "connection", count: 412 }],`,
    }));
    await reloading.start();
    const kept = reloading.report().pid;
    assert.deepEqual(await reloading.ends(), [{ what: "connection", count: 412 }]);
    assert.deepEqual(await restarting.ends(), []);
    core.settings = { greeting: "salut" };
    await reloading.reload();
    assert.equal(reloading.report().pid, kept);
    await core.until(() => core.facts.get("again") === "salut");
    core.settings = { greeting: "no" };
    await assert.rejects(() => reloading.reload(), /not that/);
    core.settings = { greeting: "salut", place: "there" };
    await reloading.reload();
    assert.notEqual(reloading.report().pid, kept);
  });
});

Deno.test("the sandbox holds: files, network, programs, undeclared claims and facts are refused", async () => {
  await withCore(async (_core, folder, lead) => {
    const attempts: [string, string][] = [
      ["read", `await Deno.readTextFile("/etc/passwd")`],
      ["write", `await Deno.writeTextFile("/tmp/otb-intruder", "")`],
      ["net", `await Deno.connect({ hostname: "127.0.0.1", port: 9 })`],
      [
        "core",
        `await Deno.connect({ transport: "unix", path: ${JSON.stringify(`${folder}/run/core.sock`)} })`,
      ],
      ["run", `await new Deno.Command("id").output()`],
      ["env", `Deno.env.get("HOME")`],
      ["ffi", `Deno.dlopen("/lib/x86_64-linux-gnu/libc.so.6", {})`],
      ["claim", `await ctx.claim("x", [{ kind: "sysctl", name: "net/ipv4/ip_forward", value: "1" }])`],
      ["watch", `ctx.facts.watch(facts.PATH)`],
      ["publish", `ctx.facts.publish(facts.PATH, "fibre", {})`],
      ["secret", `ctx.secret("psk")`],
    ];
    const plugin = lead(writePlugin(
      folder,
      "curious",
      `const outcome = {};
       ${
        attempts.map(([name, code]) =>
          `try { ${code}; outcome.${name} = "allowed"; } catch (e) { outcome.${name} = e.name === "NotCapable" ? "refused" : e.code ?? String(e); }`
        ).join("\n")
      }
       ctx.publishStatus(outcome);`,
    ));
    await plugin.start();
    const { claim, watch, publish, secret, ...rest } = plugin.report().status;
    assert.deepEqual(Object.entries(rest).filter(([, outcome]) => outcome !== "refused"), []);
    assert.deepEqual([claim, watch, publish, secret], [
      "claim-not-declared",
      "fact-not-declared",
      "fact-not-declared",
      "secret-missing",
    ]);
  });
});

Deno.test("a wrong fact is refused where it is published, and by the core where the process is hostile", async () => {
  await withCore(async (core, folder, lead) => {
    const plugin = lead(writePlugin(
      folder,
      "lying",
      `const codes = [];
       const attempt = (publish) => { try { publish(); } catch (e) { codes.push(e.code, e.message); } };
       attempt(() => ctx.facts.publish(facts.LINK_WAY, "dsl", { link: "dsl", interface: "wan0", source: "x", table: "1", mark: 2 }));
       attempt(() => ctx.facts.publish(facts.LISTENS, "other", { services: [] }));
       // Another declaration of the same key stands for a process that goes around its own check.
       ctx.facts.publish(factOf("link-way", "link", z.any()), "dsl", { link: "dsl" });
       ctx.facts.publish(factOf("listens", "any", z.any()), "other", { services: [] });
       ctx.facts.publish(facts.LISTENS, "lying", { services: [] });
       ctx.publishStatus({ codes });`,
      { otb: { publishes: ["link-way", "listens"] } },
    ));
    await plugin.start();
    await core.until(() => core.facts.get("listens/lying") !== undefined);
    assert.deepEqual(plugin.report().status.codes, [
      "fact-invalid",
      'Cannot publish the fact "link-way" as it.table must be a number: current value is "1"',
      "fact-invalid",
      'Cannot publish the fact "listens" as a plugin tells only its own, "lying": current value is "other"',
    ]);
    assert.deepEqual(core.facts.of(["link-way", "listens"]).map(([id]) => id), ["listens/lying"]);
    assert.equal(
      core.logs.filter((line) => line.startsWith("lying warning Cannot publish the fact")).length,
      2,
    );
  });
});

Deno.test("an action that is not there names those that are", async () => {
  await withCore(async (_core, folder, lead) => {
    const plugin = lead(
      writePlugin(folder, "acting", ``, {
        members: `actions: { greet: { summary: "Says hello", run: () => "hello" } },`,
      }),
    );
    await plugin.start();
    assert.equal((await plugin.act("greet", undefined)).result, "hello");
    await assert.rejects(
      () => plugin.act("shout", undefined),
      (error: OtbError) => error.code === "action-unknown" && error.message.includes("greet"),
    );
  });
});
