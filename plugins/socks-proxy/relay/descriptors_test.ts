import { strict as assert } from "node:assert";
import { openNative } from "../../../core/native/ffi.ts";
import { connectionsWithin, ENOUGH_DESCRIPTORS } from "./descriptors.ts";

Deno.test("descriptors are never all used up, whatever their number", () => {
  for (const limit of [256, 1_024, 20_000, 65_536, 1_048_576]) {
    const most = connectionsWithin(limit);
    assert.ok(most > 0 && 2 * most <= limit - Math.min(512, limit / 4), `${most} of ${limit}`);
  }
  assert.ok(connectionsWithin(openNative().descriptors(ENOUGH_DESCRIPTORS)) > 0);
});
