import assert from "node:assert/strict";
import * as z from "zod/mini";
import { CLOCK, fact, factOf, LINK_RATE, type OtbError, TUNNEL } from "./mod.ts";
import type { Json } from "./json.ts";
import { PluginFacts } from "./plugin_facts.ts";

const SIZES = factOf("size", "box", z.object({ bytes: z.number(), name: z.optional(z.string()) }));

function plugin() {
  const sent: [string, Json | null][] = [];
  const facts = new PluginFacts({
    name: "mine",
    reads: ["clock", "size", "tunnel"],
    publishes: ["clock", "size", "link-rate"],
    send: (id, value) => sent.push([id, value]),
  });
  return { facts, sent, news: () => sent.splice(0) };
}

const code = (code: string, words = /./) => (error: unknown) =>
  (error as OtbError).code === code && words.test((error as Error).message);

Deno.test("what is published whole takes back what vanished, and leaves alone what is as it was", () => {
  const { facts, news } = plugin();
  facts.publishAll(SIZES, new Map([["a", { bytes: 1 }], ["b", { bytes: 2, name: undefined }]]));
  assert.deepEqual(news(), [["size/a", { bytes: 1 }], ["size/b", { bytes: 2 }]]);
  facts.publishAll(SIZES, new Map([["b", { bytes: 2 }], ["c/d", { bytes: 3 }]]));
  assert.deepEqual(news(), [["size/a", null], ["size/c/d", { bytes: 3 }]]);
  facts.publish(SIZES, "b", { bytes: 4 });
  facts.publish(SIZES, "b", { bytes: 4 });
  facts.publish(SIZES, "a", undefined);
  facts.publish(CLOCK, { state: "set" });
  facts.publishAll(SIZES, new Map());
  assert.deepEqual(news(), [["size/b", { bytes: 4 }], ["clock", { state: "set" }], ["size/b", null], [
    "size/c/d",
    null,
  ]]);
  assert.deepEqual(facts.told(), [["clock", { state: "set" }]]);
});

Deno.test("a set with one wrong value is refused as a whole, and says what is wrong where", () => {
  const { facts, news } = plugin();
  facts.publishAll(SIZES, new Map([["a", { bytes: 1 }]]));
  news();
  const wrong = new Map([["b", { bytes: 1 }], ["c", { bytes: NaN }]]);
  assert.throws(
    () => facts.publishAll(SIZES, wrong),
    code(
      "fact-invalid",
      /^Cannot publish the fact "size" as it\.bytes must be a number: current value is null$/,
    ),
  );
  assert.deepEqual(news(), []);
  assert.throws(
    () => facts.publish(LINK_RATE, "dsl", { link: "dsl", downBy: "me" as "box" }),
    code("fact-invalid", /it\.downBy must be peer or box or nobody: current value is "me"/),
  );
  assert.throws(
    () => facts.publish(SIZES, "", { bytes: 1 }),
    code("fact-invalid", /its subject must be a box/),
  );
});

Deno.test("a fact that the manifest does not name exactly is neither published nor followed", () => {
  const { facts } = plugin();
  assert.throws(() => facts.publish(fact("sizes", z.number()), 1), code("fact-not-declared"));
  assert.throws(() => facts.publish(TUNNEL, undefined), code("fact-not-declared"));
  assert.throws(() => facts.watch(LINK_RATE), code("fact-not-declared"));
});

Deno.test("who follows sees each change once, as another value", () => {
  const { facts } = plugin();
  const clock = facts.watch(CLOCK), sizes = facts.watch(SIZES);
  let wakes = 0;
  for (const view of [clock, sizes]) view.subscribe(() => wakes++);
  assert.deepEqual([clock.current, sizes.current.size], [undefined, 0]);
  facts.take("clock", { state: "set" });
  facts.take("size/a/b", { bytes: 1 });
  const before = sizes.current;
  facts.take("size/c", { bytes: 2 });
  facts.take("size/c", { bytes: 2 });
  facts.take("link-rate/dsl", { link: "dsl", downBy: "box" });
  assert.deepEqual([clock.current?.state, [...sizes.current.keys()], before.size, wakes], [
    "set",
    ["a/b", "c"],
    1,
    3,
  ]);
  facts.takeAll([["size/c", { bytes: 2 }]]);
  assert.deepEqual([clock.current, [...sizes.current.keys()], wakes], [undefined, ["c"], 5]);
});

Deno.test("a key is small letters, digits and dashes", () => {
  for (const key of ["link/", "Link", "", "1st", "a b"]) {
    assert.throws(() => fact(key, z.number()), TypeError);
  }
});
