// A change is known before it is made: real plugins' code, asked without running; the kernel's plan over it; the revision.
import { deepStrictEqual, equal, rejects } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Changes, type Evaluation } from "../config/changes.ts";
import { Revisions } from "../config/revisions.ts";
import type { Json } from "../contract/mod.ts";
import { Journal } from "../net/journal.ts";
import { Net } from "../net/net.ts";
import { OsFake } from "../net/os_fake.ts";
import { silent } from "../net/testing/namespace.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import { withCore, writePlugin } from "../supervisor/testing/plugins.ts";
import { otherClaims } from "./foreseen.ts";
import { Settings } from "./settings.ts";

const forward = (value: string) => `[{ kind: "sysctl", name: "net/ipv4/ip_forward", value: ${value} }]`;

Deno.test("a change says which plugin takes it while it runs, which is started anew, and what ends with that (12, line 7)", async () => {
  await withCore(async (core, folder) => {
    const manifests = [
      writePlugin(folder, "proxy", "", {
        members: `reload() {}, restartsFor: ["place"], ends: () => [{ what: "connection", count: 412 }],`,
      }),
      writePlugin(folder, "timer", ""),
      writePlugin(folder, "broken", `throw new Error("no such modem");`, { members: "reload() {}," }),
      writePlugin(folder, "silent", "", { members: `ends() { throw new Error("I do not know"); },` }),
      writePlugin(folder, "same", ""),
    ];
    const names = manifests.map(({ name }) => name);
    const configs = (config: Json): { [name: string]: Json } =>
      Object.fromEntries(names.map((name) => [name, name === "same" ? {} : config]));
    const settings = new Settings(manifests, core.places.root, {
      runs: true,
      links: () => [],
      places: () => [],
    });
    const supervisor = new Supervisor(manifests, core);
    try {
      await supervisor.start();
      const { foreseen } = await settings.evaluate({ network: { role: "box" }, plugins: {} });
      const said = async (config: Json) =>
        (await supervisor.effects(configs({ greeting: "hello", place: "here" }), configs(config), foreseen!))
          .map(({ plugin, takes, ends }) => [plugin, takes, ends]);
      const others = [
        ["timer", "restart", []],
        ["broken", "restart", []],
        ["silent", "restart", undefined],
      ];
      deepStrictEqual(await said({ greeting: "ahoy", place: "here" }), [["proxy", "reload", []], ...others]);
      const ends = [{ what: "connection", count: 412 }];
      const effects = await said({ greeting: "hello", place: "there" });
      deepStrictEqual(effects, [["proxy", "restart", ends], ...others]);
    } finally {
      await supervisor.stop();
    }
  });
});

Deno.test("two plugins that would want one thing otherwise are told before the change is stored (12, line 7)", async () => {
  await withCore(async (core, folder) => {
    const db = new DatabaseSync(":memory:"), revisions = new Revisions(db);
    const net = new Net(new OsFake({ sysctls: { "net/ipv4/ip_forward": "0" } }), new Journal(db), silent);
    const manifests = ["one", "other"].map((name) =>
      writePlugin(folder, name, "", {
        members: `claims: ({ place }) => ({ way: place === "here" ? [] : ${forward("place")} }),`,
        otb: { claims: ["sysctl"] },
      })
    );
    const settings = new Settings(manifests, core.places.root, {
      runs: true,
      links: () => [],
      places: () => [],
    });
    revisions.append({
      document: { network: { role: "box" }, plugins: {} },
      author: "init",
      comment: "",
      state: "confirmed",
    });
    let before: Evaluation["foreseen"];
    const changes = new Changes(revisions, {
      evaluate: (document) => settings.evaluate(document),
      live: {
        plan: (_, foreseen) => net.preview(otherClaims(before, foreseen)),
        async apply(_, foreseen) {
          for (const { owner, key, resources } of otherClaims(before, foreseen)) {
            await net.claim(owner, key, resources);
          }
          before = foreseen;
        },
        settle: () => Promise.resolve(undefined),
      },
    });
    const propose = (plugin: string, place: string) =>
      changes.propose({
        patch: { plugins: { [plugin]: { place } } },
        author: { via: "cli", name: "ann" },
        confirm: true,
      });
    deepStrictEqual((await propose("one", "1")).plan, ['sysctl -w "net/ipv4/ip_forward=1"']);
    const stored = revisions.newest()!.revision;
    await rejects(propose("other", "2"), {
      code: "claim-conflict",
      message: /Cannot claim setting net\/ipv4\/ip_forward for "other" .*: current value is "one"/,
    });
    equal(revisions.newest()!.revision, stored, "nothing is stored of it");
    deepStrictEqual((await propose("other", "1")).plan, [], "they want the same");
    deepStrictEqual((await propose("one", "here")).plan, []);
    deepStrictEqual((await propose("other", "here")).plan, ['sysctl -w "net/ipv4/ip_forward=0"']);
    changes.stop();
  });
});
