import assert from "node:assert/strict";
import fc from "fast-check";
import { mergePatch } from "../client/mod.ts";
import { parseAssignments, parseFields, parseValue } from "./assignments.ts";

Deno.test("several settings become one patch, and null survives", () => {
  assert.deepEqual(
    parseAssignments([
      "network.lan.address=10.0.0.1/8",
      "network.lan.mtu=null",
      "socks-proxy.listen=true",
      "plugins.x.y={}",
    ]),
    {
      network: { lan: { address: "10.0.0.1/8", mtu: null } },
      plugins: { "socks-proxy": { listen: true }, x: { y: {} } },
    },
  );
});

Deno.test("a value is JSON where it is JSON, otherwise text", () => {
  assert.deepEqual(["1", "true", "[1]", '"1"', "1.2.3.4", "", "a=b"].map(parseValue), [
    1,
    true,
    [1],
    "1",
    "1.2.3.4",
    "",
    "a=b",
  ]);
});

for (
  const word of [
    "",
    "=1",
    "network=1",
    "network.lan",
    "network..lan=1",
    ".a=1",
    "network.=1",
    "a.__proto__=1",
  ]
) {
  Deno.test(`"${word}" is refused`, () =>
    assert.throws(() => parseAssignments([word]), /^OtbError: Cannot /));
}

Deno.test("a setting that is set twice is refused", () => {
  assert.throws(() => parseAssignments(["a.b=1", "a.b=2"]), /twice/);
  assert.throws(() => parseAssignments(["a.b=1", "a.b.c=2"]), /twice/);
});

Deno.test("any value at any path arrives there", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/).filter((text) => !(text in {}));
  const value = fc.oneof(fc.string({ unit: "binary" }), fc.integer(), fc.boolean(), fc.array(fc.string()));
  fc.assert(fc.property(fc.array(name, { minLength: 2, maxLength: 5 }), value, (path, value) => {
    const patch = parseAssignments([`network.${path.join(".")}=${JSON.stringify(value)}`]);
    const result = mergePatch({}, patch as never) as { network: unknown };
    const found = path.reduce<unknown>(
      (inner, key) => (inner as Record<string, unknown>)[key],
      result.network,
    );
    assert.deepEqual(found, value);
  }));
});

Deno.test("fields become arguments; none is none", () => {
  assert.deepEqual(parseFields(["link=fibre", "times=3"]), { link: "fibre", times: 3 });
  assert.equal(parseFields([]), undefined);
  assert.throws(() => parseFields(["=3"]), /FIELD=VALUE/);
});
