import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { Json } from "../contract/mod.ts";
import { difference, isObject, mergePatch, patchAt } from "./patch.ts";

// Names of Object.prototype among them: they are settings like others.
const name = fc.oneof(fc.stringMatching(/^[a-z]{1,3}$/), fc.constantFrom("toString", "valueOf", "length"));
const documents = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.integer(),
    fc.boolean(),
    fc.string(),
    fc.array(fc.integer()),
    tie("object"),
  ),
  object: fc.dictionary(name, tie("value"), { maxKeys: 4, noNullPrototype: true }),
})).object as fc.Arbitrary<Json>;

/** An object that holds nothing is no setting, so differences do not tell of it. */
function withoutEmpty(value: Json): Json {
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, withoutEmpty(inner)] as const)
      .filter(([, inner]) => !isObject(inner) || Object.keys(inner).length > 0),
  );
}

Deno.test("differences, applied as patches, lead from one document to the other", () => {
  fc.assert(fc.property(documents, documents, (before, after) => {
    const changes = difference(before, after);
    const led = changes.reduce<Json>(
      (at, change) => mergePatch(at, patchAt(change.path, change.after ?? null)),
      before,
    );
    assert.deepEqual(withoutEmpty(led), withoutEmpty(after));
  }));
});

Deno.test("merge patches give the results of RFC 7396, appendix A", () => {
  const cases: [Json, Json, Json][] = [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [["a", "b"], ["c", "d"], ["c", "d"]],
    [{ a: "b" }, ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ a: "foo" }, "bar", "bar"],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, result] of cases) {
    assert.deepEqual(mergePatch(target, patch), result, JSON.stringify([target, patch]));
  }
});
