// Verbs that plugins declare: help, completion and errors come from their declarations alone.
import { strict as assert } from "node:assert";
import { object } from "@optique/core/constructs";
import { parse } from "@optique/core/parser";
import type { DeclaredHere } from "../client/mod.ts";
import { withDeclared } from "./declared_verbs.ts";
import { group, nameOf, oneOf, type Verb, verb } from "./verb.ts";

const own = (name: string): Verb =>
  verb(name, { brief: "Own.", example: `otb ${name}`, options: {}, run: () => 7 });

function here(plugin: string, actions: object, more: object = {}): DeclaredHere {
  return {
    plugin,
    directory: `/plugins/${plugin}`,
    declared: { verbs: {}, edits: {}, pages: {}, loss: false, ...more, actions: actions as never },
  };
}

const asked = (verb: string, more: object = {}) => ({
  title: "T",
  summary: "S.",
  verb,
  changes: false,
  ...more,
});

/** Words of all verbs, with those of a group behind it. */
function words(verbs: Verb[]): string[] {
  return verbs.map((one) =>
    "group" in one
      ? `${nameOf(one)}: ${
        (one as unknown as { group: { verbs: Verb[] } }).group.verbs.map(nameOf).join(" ")
      }`
      : nameOf(one)
  );
}

Deno.test("verbs of plugins stand among the CLI's own, join its groups where they say, and displace nothing", () => {
  const link = group("link", "Links.", [own("add"), own("list"), own("set")], "otb link list");
  const verbs = withDeclared([own("status"), link], [own("config")], [
    here("a", {
      show: asked("link show", { after: "list" }),
      test: asked("link test"),
      why: asked("why"),
      hidden: { ...asked(""), verb: undefined },
    }),
    here("b", {
      steal: asked("status"),
      spoil: asked("link add"),
      below: asked("status deep"),
      list: asked("dog list"),
      second: asked("why"),
    }, { verbs: { dog: { summary: "Dogs.", example: "otb dog list" } } }),
    here("c", { walk: asked("dog walk") }),
  ]);
  assert.deepEqual(words(verbs), [
    "status",
    "link: add list show set test",
    "why",
    "dog: list walk",
    "config",
  ]);
});

Deno.test("a command line becomes arguments by the declared schema: words, options, choices, lists, numbers, switches", () => {
  const args = {
    type: "object",
    required: ["name"],
    properties: {
      name: { type: "string", positional: true, metavar: "NAME" },
      ifDead: { type: "string", enum: ["bonded", "block"] },
      domains: { type: "array", items: { type: "string" }, option: "--domain", metavar: "NAME" },
      count: { type: "integer", minimum: 0, maximum: 8 },
      force: { type: "boolean", default: false },
    },
  };
  const parser = object({ run: oneOf(withDeclared([], [], [here("a", { do: asked("do", { args }) })])) });
  const isRead = (line: string) => parse(parser, line.split(" ")).success;
  assert.ok(isRead("do x"));
  assert.ok(isRead("do x --if-dead block --domain a --domain b --count 8 --force"));
  for (
    const line of [
      "do",
      "do x y",
      "do x --if-dead maybe",
      "do x --count 9",
      "do x --count many",
      "do x --nope",
    ]
  ) {
    assert.ok(!isRead(line), line);
  }
});
