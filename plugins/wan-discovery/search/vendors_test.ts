import assert from "node:assert/strict";
import data from "./vendors.json" with { type: "json" };
import { guess, vendorSchema } from "./vendors.ts";

Deno.test("the data is as its schema says, and no block or name is there twice", () => {
  const { makers } = vendorSchema.parse(data);
  const blocks = makers.flatMap((maker) => maker.blocks.flatMap((line) => line.split(" ")));
  assert.equal(new Set(blocks).size, blocks.length);
  assert.equal(new Set(makers.map(({ name }) => name)).size, makers.length);
});

Deno.test("what the modem says of itself is surer than who made it; the unknown stays unknown", () => {
  assert.deepEqual(guess("f4:ca:e5:00:00:01", []), { label: "Freebox", name: "freebox" });
  assert.deepEqual(guess("f4:ca:e5:00:00:01", ["MSFT", "my Livebox 6"]), {
    label: "Livebox",
    name: "livebox",
  });
  assert.deepEqual(guess("02:00:00:00:00:01", ["home"]), {});
});
