import { deepStrictEqual, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  attributes,
  familyOf,
  joined,
  type Known,
  messages,
  neighbourKey,
  nftChange,
  pathManagerOf,
  routeChange,
} from "./netlink.ts";

const KNOWN: Known = {
  staticSets: new Set(["otb_a fixed"]),
  neighbours: new Set([neighbourKey(7, new Uint8Array([10, 0, 0, 1]))]),
};

/** One attribute, padded. */
function attribute(type: number, value: number[]): number[] {
  const padding = Array.from({ length: (4 - value.length % 4) % 4 }, () => 0);
  return [4 + value.length, 0, type, 0, ...value, ...padding];
}

const text = (words: string) => [...new TextEncoder().encode(`${words}\0`)];
const message = (type: number, ...body: number[]) => ({ type, body: new Uint8Array(body) });
const int = (value: number) => [...new Uint8Array(new Int32Array([value]).buffer)];

Deno.test("what the kernel tells is told apart: everything, one kind, or nothing of ours", () => {
  const link = (type: number, change: number) =>
    message(type, 0, 0, 1, 0, ...int(7), ...int(0), ...int(change));
  deepStrictEqual(routeChange(link(16, 1), KNOWN), { flapped: new Set([7]) });
  deepStrictEqual(routeChange(link(16, 0), KNOWN), { flapped: new Set() });
  deepStrictEqual(routeChange(link(17, 0), KNOWN), { flapped: new Set([7]) });
  for (const type of [20, 21]) {
    deepStrictEqual(routeChange(message(type), KNOWN), { flapped: new Set() }, "routes go with an address");
  }
  const alone = { route: [24, 25], rule: [32, 33], qdisc: [36, 37, 40, 41, 44, 45] };
  for (const [kind, types] of Object.entries(alone)) {
    for (const type of types) {
      deepStrictEqual(routeChange(message(type), KNOWN), { kinds: new Set([kind]), flapped: new Set() });
    }
  }
  const neighbour = (state: number, last: number) =>
    message(29, 2, 0, 0, 0, ...int(7), state, 0, 0, 0, ...attribute(1, [10, 0, 0, last]));
  strictEqual(routeChange(neighbour(2, 9), KNOWN), undefined, "stations come and go");
  const one = { kinds: new Set(["neighbour"]), flapped: new Set() };
  deepStrictEqual(routeChange(neighbour(0x20, 1), KNOWN), one);
  deepStrictEqual(routeChange(neighbour(0x80, 9), KNOWN), one);

  const nft = (verb: number, table: string, set = "") =>
    nftChange(
      message(10 << 8 | verb, 1, 0, 0, 0, ...attribute(2, text(set)), ...attribute(1, text(table))),
      KNOWN,
    );
  const changed = { kinds: new Set(["nftTable"]), flapped: new Set() };
  deepStrictEqual(nft(8, "otb_a"), changed);
  strictEqual(nft(8, "theirs"), undefined);
  deepStrictEqual(nft(12, "otb_a", "fixed"), changed);
  deepStrictEqual(nft(14, "otb_a", "fixed"), changed);
  strictEqual(nft(12, "otb_a", "answers"), undefined, "DNS fills it");
  strictEqual(nft(15, "otb_a"), undefined, "a new generation says nothing more");
});

Deno.test("several changes are one: anything is more than some kinds", () => {
  const some = { kinds: new Set(["qdisc"] as const), flapped: new Set([1]) };
  deepStrictEqual(joined(some, { kinds: new Set(["nftTable"]), flapped: new Set([2]) }), {
    kinds: new Set(["qdisc", "nftTable"]),
    flapped: new Set([1, 2]),
  });
  deepStrictEqual(joined(some, { flapped: new Set() }), { flapped: new Set([1]) });
  deepStrictEqual(joined(undefined, some), some);
});

Deno.test("the path manager's endpoints and limits are read, and whether more follows", () => {
  const packed = (
    type: number,
    ...body: number[]
  ) => [...int(16 + body.length), type, 0, ...Array(10).fill(0), ...body];
  const endpoint = [
    ...[...attribute(1, [2, 0]), ...attribute(2, [3]), ...attribute(3, [10, 1, 0, 2])],
    ...[...attribute(6, int(2 | 4)), ...attribute(7, int(259))],
  ];
  deepStrictEqual(pathManagerOf(new Uint8Array(packed(30, 3, 1, 0, 0, ...attribute(1, endpoint)))), {
    endpoints: [{ id: 3, address: new Uint8Array([10, 1, 0, 2]), index: 259, flags: ["backup", "subflow"] }],
    isWhole: false,
  });
  const limits = packed(30, 6, 1, 0, 0, ...attribute(2, int(4)), ...attribute(3, int(8)));
  deepStrictEqual(pathManagerOf(new Uint8Array([...limits, ...packed(2, ...int(0))])), {
    endpoints: [],
    limits: { subflows: 8, addAddrAccepted: 4 },
    isWhole: true,
  });
});

Deno.test("whatever bytes come, they are read to their end and no further", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (raw) => {
    const bytes = new Uint8Array(raw);
    for (const one of messages(bytes)) {
      routeChange(one, KNOWN);
      nftChange(one, KNOWN);
      nftChange({ ...one, type: 10 << 8 | one.type & 0xff }, KNOWN);
      attributes(one.body);
    }
    pathManagerOf(bytes);
    familyOf(bytes);
  }));
});
