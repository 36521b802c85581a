import assert from "node:assert/strict";
import fc from "fast-check";
import { isFor, isFrom, keysOf, targetKey } from "./inner.ts";
import { Places, prefixOf } from "./places.ts";

type Bytes = Uint8Array<ArrayBuffer>;

Deno.test("a box has the same address always, no two have one, and a full pool says so", () => {
  fc.assert(fc.property(fc.array(fc.string(), { maxLength: 40 }), (keys) => {
    const places = new Places("100.127.157.0/28", {});
    const taken = new Map<string, string>();
    for (const key of keys) {
      const address = places.of(key)?.address.join(".");
      if (taken.has(key)) assert.equal(address, taken.get(key));
      else if (address) {
        assert.ok(![...taken.values()].includes(address) && address !== places.gateway);
        taken.set(key, address);
      }
    }
    assert.equal(taken.size, Math.min(13, new Set(keys).size));
    assert.deepEqual(
      new Places("100.127.157.0/28", places.numbers).of([...taken.keys()][0] ?? "")?.address.join("."),
      [...taken.values()][0] ?? "100.127.157.2",
    );
  }));
});

Deno.test("prefixes of boxes are different /64s of the peer's range, and a /64 has one", () => {
  assert.deepEqual([...prefixOf("2001:db8:1:ff00::/56", 2)!], [0x20, 1, 0xd, 0xb8, 0, 1, 0xff, 0]);
  assert.deepEqual([...prefixOf("2001:db8:1:ff00::/56", 257)!], [0x20, 1, 0xd, 0xb8, 0, 1, 0xff, 255]);
  assert.equal(prefixOf("2001:db8:1:ff00::/56", 258), undefined);
  assert.deepEqual([...prefixOf("2001:db8:1:2::/64", 2)!], [0x20, 1, 0xd, 0xb8, 0, 1, 0, 2]);
  assert.equal(prefixOf("2001:db8:1:2::/64", 3), undefined);
  assert.equal(prefixOf("", 2), undefined);
});

Deno.test("a packet belongs to the box whose address it has, and to no other", () => {
  const one = { address: new Uint8Array([100, 127, 157, 2]), prefix: prefixOf("2001:db8:1::/48", 2)! };
  const other = { address: new Uint8Array([100, 127, 157, 3]), prefix: prefixOf("2001:db8:1::/48", 3)! };
  const four = (source: Bytes, target: Bytes) =>
    new Uint8Array([0x45, ...new Uint8Array(11), ...source, ...target, 0, 0]) as Bytes;
  const six = (source: Bytes, target: Bytes) =>
    new Uint8Array([
      0x60,
      ...new Uint8Array(7),
      ...source,
      ...new Uint8Array(8),
      ...target,
      ...new Uint8Array(8),
    ]) as Bytes;
  for (const packet of [four(one.address, other.address), six(one.prefix, other.prefix)]) {
    assert.ok(isFrom(packet, 0, one) && !isFrom(packet, 0, other));
    assert.ok(isFor(packet, 0, other) && !isFor(packet, 0, one));
    assert.ok(keysOf(other).includes(targetKey(packet, 0)) && !keysOf(one).includes(targetKey(packet, 0)));
  }
  assert.ok(
    !isFrom(six(one.prefix, other.prefix), 0, { address: one.address }),
    "a box without a prefix has no IPv6",
  );
});
