import assert from "node:assert/strict";
import type { Link } from "@otb/plugin";
import { config } from "./config.ts";
import { judge } from "./links_up.ts";
import plugin from "./mod.ts";
import { linksPage } from "./page.ts";
import { expect } from "./verbs.ts";

function link(name: string, state: "up" | "down"): Link {
  return { name, interface: `${name}0`, found: false, tier: "primary", observed: { state } };
}

Deno.test("links that are up are counted, and too few raise a condition", () => {
  const links = [link("fibre", "up"), link("lte", "down")];
  assert.deepEqual(judge(links, 1), { up: 1 });
  const { up, condition } = judge(links, 2);
  assert.equal(up, 1);
  assert.equal(condition?.code, "too-few-links");
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

Deno.test("an edit makes a patch of the settings, and the page shows what was published", () => {
  assert.deepEqual(expect.edit({ count: 2 }, config.parse({}), undefined).patch, { atLeast: 2 });
  const [first] = linksPage.blocks({ up: 1, atLeast: 2 }, { language: "en", nowMs: 0 });
  assert.deepEqual(first, { kind: "stat", label: "Links up", value: 1 });
});

Deno.test("declared.json says what is declared here", async () => {
  const { declarationsOf } = await import("../../core/contract/declared.ts");
  const file = new URL("declared.json", import.meta.url);
  assert.deepEqual(JSON.parse(Deno.readTextFileSync(file)), declarationsOf(plugin));
});
