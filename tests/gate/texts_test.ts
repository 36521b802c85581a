import assert from "node:assert/strict";
import type { Words } from "@otb/plugin";
import { toJSONSchema } from "zod/v4/core";
import { cliWords } from "../../core/cli/texts/mod.ts";
import { coreWords } from "../../core/texts/mod.ts";
import { readTree } from "./house.ts";
import { type House, type Said, textBreaches } from "./texts.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("every text is used, leads to what there is, and is French where it says so", async () => {
  const { sources, manifests } = readTree();
  const under = (folder: string) =>
    Object.fromEntries(Object.entries(sources).filter(([path]) => path.startsWith(folder)));
  const said: { [name: string]: Said } = {
    core: { words: coreWords, sources: under("core/") },
    cli: { words: cliWords, sources: under("core/cli/") },
  };
  const settings: { [name: string]: unknown } = {};
  for (const name of Object.keys(manifests)) {
    const { default: plugin } = await import(new URL(`plugins/${name}/mod.ts`, ROOT).href);
    settings[name === "_template" ? "my-plugin" : name] = toJSONSchema(plugin.config, {
      io: "input",
      unrepresentable: "any",
    });
    if (plugin.words) said[name] = { words: plugin.words, sources: under(`plugins/${name}/`) };
    else assert.ok(!/health\.raise\(/.test(Object.values(under(`plugins/${name}/`)).join()), name);
  }
  assert.ok(Object.keys(said).length > 10, "suspiciously few plugins have words");
  const house: House = {
    codes: new Set(Object.values(said).flatMap(({ words }) => Object.keys(words.conditions))),
    hasSetting(path) {
      const [plugin = "", ...names] = path.split(".");
      // deno-lint-ignore no-explicit-any
      let at = settings[plugin] as any;
      for (const name of names) at = at?.properties?.[name];
      return at !== undefined;
    },
  };
  for (const [name, one] of Object.entries(said)) assert.deepEqual(textBreaches(one, house), [], name);
});

Deno.test("what is not used, leads nowhere or is English is found", () => {
  const text = (text: string, next?: string) => ({ text, ...next === undefined ? {} : { next } });
  const words = (fr: string, en = "The modem stopped answering"): Words => ({
    conditions: { "modem-silent": { severity: "warning", next: { list: { action: "link list" } } } },
    texts: {
      en: { conditions: { "modem-silent": text(en, "{@list}") } },
      fr: { conditions: { "modem-silent": text(fr, "{@list}") } },
    },
  });
  const house: House = { codes: new Set(["modem-silent"]), hasSetting: (path) => path === "a.b" };
  const sources = { "plugins/a/mod.ts": `ctx.health.raise("modem-silent");` };
  const french = "Le modem ne répond plus";
  assert.deepEqual(textBreaches({ words: words(french), sources }, house), []);
  assert.deepEqual(
    textBreaches({ words: words(french), sources: { "plugins/a/mod.ts": "raise(`modem-${state}`)" } }, house),
    [],
  );
  const breaches = (said: Words, code: { [path: string]: string } = sources) =>
    textBreaches({ words: said, sources: code }, house).join();
  assert.match(breaches(words(french), {}), /nobody raises "modem-silent"/);
  assert.match(
    breaches(words(french), { "plugins/a/texts/en.ts": sources["plugins/a/mod.ts"] }),
    /nobody raises/,
  );
  assert.match(breaches(words("The modem ne répond plus")), /says "The"/);
  assert.match(breaches(words("modem reset now", "modem reset now")), /is the English one/);
  const rule = { severity: "warning" } as const;
  const wrong = words(french);
  assert.match(
    breaches({ ...wrong, conditions: { "modem-silent": { ...rule, dependsOn: ["power-gone"] } } }),
    /depends on "power-gone"/,
  );
  assert.match(
    breaches({ ...wrong, conditions: { "modem-silent": { ...rule, next: { list: { setting: "a.c" } } } } }),
    /the setting a\.c, which is none/,
  );
  const phrases = { lost: "{@nowhere}" };
  assert.match(
    breaches({ ...wrong, texts: { en: { ...wrong.texts.en, phrases }, fr: { ...wrong.texts.fr, phrases } } }),
    /nobody says "lost".*"lost" leads to "nowhere"/,
  );
});
