import { strict as assert } from "node:assert";
import fc from "fast-check";
import { type Context, definePlugin, drawn, type Raised, texts, translation, words } from "./mod.ts";
import { fill } from "./text.ts";

const en = texts({
  conditions: {
    "rule-shadowed": {
      text: 'Rule "{rule}" never matches, as rule "{by}" takes it all{more}.',
      next: "{@move}, or {@remove}.",
    },
    "links-few": { text: "Only {count} {count:link works|links work}." },
    quiet: { text: "Nothing is heard.", next: "Look at the cable of {port}." },
  },
  phrases: { "and-more": "; so it is with {count} more", named: '"{name}"' },
});
const fr = translation(en, {
  conditions: {
    "rule-shadowed": {
      text: "La règle « {rule} » ne sert jamais : la règle « {by} » prend tout avant elle{more}.",
      next: "{@move}, ou {@remove}.",
    },
    "links-few": { text: "Il n'y a que {count} {count:lien qui marche|liens qui marchent}." },
    quiet: { text: "On n'entend rien.", next: "Regardez le câble de {port}." },
  },
  phrases: { "and-more": " ; de même pour {count} autres", named: "« {name} »" },
});
const some = words({ en, fr }, {
  "rule-shadowed": {
    severity: "warning",
    next: {
      move: { action: "rule move {rule} --before {by}" },
      remove: { action: "rule remove {rule}" },
    },
  },
  "links-few": {
    severity: "error",
    next: { one: { link: "{first}" }, two: { setting: "a.b", value: "true" } },
  },
  quiet: { severity: "info" },
});
type Some = typeof some;

Deno.test("a condition is drawn in each language, its references as command lines", () => {
  const more = some.phrase("and-more", { count: 2 });
  assert.deepEqual(drawn(some, ["rule-shadowed", { rule: "a", by: "b", more }]), {
    code: "rule-shadowed",
    severity: "warning",
    message: 'Rule "a" never matches, as rule "b" takes it all; so it is with 2 more.',
    next: "otb rule move a --before b, or otb rule remove a.",
  });
  assert.deepEqual(drawn(some, ["rule-shadowed", { rule: "a", by: "b", more: "" }], "fr"), {
    code: "rule-shadowed",
    severity: "warning",
    message: "La règle « a » ne sert jamais : la règle « b » prend tout avant elle.",
    next: "otb rule move a --before b, ou otb rule remove a.",
  });
  const few = drawn(some, ["links-few", { count: 1, first: "dsl" }]);
  assert.deepEqual([few.message, few.next], [
    "Only 1 link works.",
    "otb link show dsl; otb config set a.b=true",
  ]);
});

Deno.test("a word goes by the number and the language: none are many in English, and one in French", () => {
  const said = (count: number, language: "en" | "fr") =>
    fill("{count} {count:link|links}", { count }, { language });
  assert.deepEqual([0, 1, 2].map((count) => said(count, "en")), ["0 links", "1 link", "2 links"]);
  assert.deepEqual([0, 1, 2].map((count) => said(count, "fr")), ["0 link", "1 link", "2 links"]);
});

Deno.test("lists are joined, phrases are filled, and phrases that hold each other end", () => {
  const names = ["a", "b"].map((name) => some.phrase("named", { name }));
  assert.equal(
    fill("{names} stopped", { names }, { language: "fr", phrases: fr.phrases }),
    "« a », « b » stopped",
  );
  const endless = { phrase: "x", parameters: { x: { phrase: "x", parameters: {} } } };
  assert.equal(fill("{x}.", { x: endless }, { language: "en", phrases: { x: "({x})" } }), "(()).");
  assert.equal(fill("{x}.", { x: { phrase: "constructor" } }, { language: "en" }), ".");
  assert.equal(fill("{toString}{@toString}.", {}, { language: "en" }), ".");
});

Deno.test("a value is never read as a template", () => {
  fc.assert(fc.property(fc.string(), fc.string(), (a, b) => {
    assert.equal(fill("{a}|{b}", { a, b }, { language: "en" }), `${a}|${b}`);
  }));
});

Deno.test("what is missing, too much or has other parameters does not compile", () => {
  const plugin = (ctx: Context<unknown, Some>) => {
    ctx.health.raise("quiet", { port: "eth0" });
    ctx.health.clear("quiet");
    const raised: Raised<Some>[] = [["quiet", { port: "eth0" }]];
    for (const one of raised) ctx.health.raise(...one);
    // @ts-expect-error: no such condition
    ctx.health.raise("loud");
    // @ts-expect-error: no such condition
    ctx.health.clear("loud");
    // @ts-expect-error: a parameter of the next step is missing
    ctx.health.raise("quiet");
    // @ts-expect-error: a parameter of the text is missing
    ctx.health.raise("rule-shadowed", { rule: "a", more: "" });
    // @ts-expect-error: a parameter that no text has
    ctx.health.raise("quiet", { port: "eth0", by: "b" });
    // @ts-expect-error: a parameter that is nothing to be written
    ctx.health.raise("quiet", { port: {} });
    // @ts-expect-error: a parameter of a reference is missing
    ctx.health.raise("links-few", { count: 1 });
    // @ts-expect-error: a phrase with another parameter
    some.phrase("named", { count: 1 });
    // @ts-expect-error: no such phrase
    some.phrase("unnamed");
  };
  const wordless = (ctx: Context<unknown>) => {
    // @ts-expect-error: a plugin without words has no condition
    ctx.health.raise("quiet", { port: "eth0" });
  };
  const one = texts({ conditions: { a: { text: "The modem {name} stopped answering" } } });
  // @ts-expect-error: the translation lacks a text
  translation(one, { conditions: {} });
  // @ts-expect-error: the translation has one too many
  translation(one, { conditions: { a: { text: "{name}" }, b: { text: "" } } });
  // @ts-expect-error: the translation lacks a parameter
  translation(one, { conditions: { a: { text: "Le modem ne répond plus" } } });
  // @ts-expect-error: the translation has another parameter
  translation(one, { conditions: { a: { text: "Le modem {name} ne répond plus à {who}" } } });
  // @ts-expect-error: a text without a rule is not used
  words({ en: one, fr: one }, {});
  const led = texts({ conditions: { a: { text: "", next: "{@show}" } } });
  // @ts-expect-error: a rule without the reference that its text has
  words({ en: led, fr: led }, { a: { severity: "info", next: { list: { action: "link list" } } } });
  // @ts-expect-error: a rule without any
  words({ en: led, fr: led }, { a: { severity: "info" } });
  // @ts-expect-error: a rule without a text
  words({ en: one, fr: one }, { a: { severity: "info" }, b: { severity: "info" } });
  const define = () =>
    definePlugin({
      config: undefined as never,
      words: some,
      start(ctx) {
        ctx.health.raise("quiet", { port: "eth0" });
        // @ts-expect-error: no such condition
        ctx.health.raise("loud");
      },
    });
  assert.ok([plugin, wordless, define].every((one) => typeof one === "function"));
});
