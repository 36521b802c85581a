import assert from "node:assert/strict";
import fc from "fast-check";
import { isFor, isFrom, keysOf, targetKey } from "./inner_address.ts";
import { AddressPool, prefixOf } from "./address_pool.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const DAY_MS = 86_400_000;
const POOL = "100.127.157.0/28", ROOM = 13;

/** Asks for a place, for a box with a key of its own unless said otherwise. */
function ask(
  pool: AddressPool,
  holder: string,
  { boxId = holder, former = `${holder} before`, most = 1, live = [] as string[] } = {},
): string | undefined {
  const isLive = (one: string) => live.includes(one);
  return pool.of(holder, { boxId, former, most, isLive })?.address.join(".");
}

Deno.test("a box has the same address always, no two have one", () => {
  const names = fc.array(fc.string({ minLength: 1 }), { maxLength: 40 });
  fc.assert(fc.property(names, (holders) => {
    const pool = new AddressPool(POOL, {});
    const live: string[] = [], taken = new Map<string, string>();
    for (const holder of holders) {
      const address = ask(pool, holder, { live });
      if (taken.has(holder)) assert.equal(address, taken.get(holder));
      else if (address) {
        assert.ok(![...taken.values()].includes(address) && address !== pool.gateway);
        taken.set(holder, address);
        live.push(holder);
        pool.used(holder, DAY_MS);
      }
    }
    assert.equal(taken.size, Math.min(ROOM, new Set(holders).size), "all are there: a full pool says so");
    const again = new AddressPool(POOL, pool.stored);
    for (const [holder, address] of taken) assert.equal(ask(again, holder), address);
  }));
});

Deno.test("keys by the hundred take no more addresses than one box may have, and nobody else's (9, line 5)", () => {
  const pool = new AddressPool("100.127.157.0/24", {});
  const home = ask(pool, "home");
  pool.used("home", DAY_MS);
  for (let count = 0; count < 300; count++) ask(pool, `key${count}`, { boxId: "shared", most: 16 });
  assert.equal(Object.keys(pool.stored).length, 1, "nobody of them came, so nothing stays");
  assert.equal(ask(pool, "home"), home);
  for (let count = 0; count < 200; count++) {
    assert.ok(ask(pool, `box${count}`), "and there is room for others");
  }
});

Deno.test("an address is given away only when all are taken: the one that was not used for the longest time", () => {
  const pool = new AddressPool(POOL, {});
  const addresses = Array.from({ length: ROOM }, (_, index) => {
    const address = ask(pool, `box${index}`);
    pool.used(`box${index}`, (ROOM - index) * DAY_MS);
    return address;
  });
  const live = [`box${ROOM - 1}`];
  assert.equal(ask(pool, "new", { live }), addresses[ROOM - 2], "the oldest is there, the next one not");
  assert.equal(ask(pool, `box${ROOM - 1}`, { live }), addresses[ROOM - 1]);
});

Deno.test("a box that gets a key of its own keeps its address, and one that is revoked leaves it", () => {
  const pool = new AddressPool(POOL, { "a static key": 5 });
  assert.equal(ask(pool, "id", { former: "a static key" }), "100.127.157.5");
  pool.used("id", DAY_MS);
  assert.deepEqual(pool.stored, { id: [5, DAY_MS, "id"] });
  pool.release("id");
  assert.deepEqual(pool.stored, {});
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
