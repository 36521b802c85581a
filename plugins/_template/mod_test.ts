import assert from "node:assert/strict";
import { drawn, type Link } from "@otb/plugin";
import { declarationsOf, FakeContext } from "@otb/plugin/testing";
import { config } from "./config.ts";
import declared from "./declared.json" with { type: "json" };
import deno from "./deno.json" with { type: "json" };
import { judge } from "./links_up.ts";
import plugin from "./mod.ts";
import { linksPage } from "./page.ts";
import { words } from "./texts/mod.ts";
import { expect } from "./verbs.ts";

const view = { language: "en" as const, nowMs: 0 };

function link(name: string, state: "up" | "down"): Link {
  return { name, interface: `${name}0`, found: false, tier: "primary", observed: { state } };
}

Deno.test("links that are up are counted, and too few raise a condition", () => {
  const links = [link("fibre", "up"), link("lte", "down")];
  assert.deepEqual(judge(links, 1), { up: 1 });
  const { up, condition } = judge(links, 2);
  assert.equal(up, 1);
  assert.equal(condition?.[0], "too-few-links");
  assert.match(drawn(words, condition!).message, /^Only 1 of 2 links are up, and 2 should be/);
  assert.match(drawn(words, condition!, "fr").message, /^Seulement 1 lien marche sur 2, et il en faudrait 2/);
});

Deno.test("it follows the links, and a change of settings, until it is stopped", async () => {
  const ctx = new FakeContext(plugin, {
    manifest: deno.otb,
    links: [link("fibre", "up"), link("lte", "up")],
  });
  const running = await plugin.start(ctx);
  assert.deepEqual(ctx.status, { up: 2, atLeast: 1 });
  assert.deepEqual(ctx.published.get("my-plugin"), { up: 2 });
  assert.equal(plugin.actions!.count!.run(running, undefined), 2);
  assert.deepEqual(linksPage.blocks(ctx.status, view)[0], { kind: "stat", label: "Links up", value: 2 });
  ctx.links.set([link("fibre", "down"), link("lte", "down")]);
  assert.deepEqual([...ctx.conditions.keys()], ["too-few-links"]);
  plugin.reload!(running, { atLeast: 0 });
  assert.deepEqual([...ctx.conditions.keys()], []);
  await ctx.stop();
  ctx.links.set([]);
  assert.deepEqual(ctx.status, { up: 0, atLeast: 0 });
});

Deno.test("settings have defaults, and unknown ones are refused", () => {
  assert.deepEqual(config.parse({}), { atLeast: 1 });
  assert.equal(config.safeParse({ atLeats: 2 }).success, false);
});

Deno.test("the check refuses to wait for more links than there are", () => {
  const world = { network: { role: "box" as const, peers: [] }, links: [link("fibre", "up")] };
  assert.deepEqual(plugin.check!({ atLeast: 1 }, world), []);
  assert.equal(plugin.check!({ atLeast: 2 }, world)[0]?.path, "atLeast");
});

Deno.test("an edit makes a patch of the settings", () => {
  assert.deepEqual(expect.edit({ links: 2 }, config.parse({}), undefined).patch, { atLeast: 2 });
});

Deno.test("declared.json says what is declared here", () => {
  assert.deepEqual(declared, declarationsOf(plugin));
});
