import { strict as assert } from "node:assert";
import {
  CONNECTION_MARK,
  MARK,
  markOf,
  masked,
  MOST_SLOTS,
  ROUTING_TABLE,
  RULE_PRIORITY,
  RULE_SHIFT,
} from "./numbers.ts";

/** The bits that must not meet; those of two values within one field aside. */
function disjoint(fields: { [name: string]: number }): void {
  let taken = 0n;
  for (const [name, bits] of Object.entries(fields)) {
    assert.equal(taken & BigInt(bits), 0n, `${name} has bits of another`);
    taken |= BigInt(bits);
  }
  assert.ok(taken < 1n << 32n);
}

/** Single numbers and ranges that must not meet. */
function apart(ranges: { [name: string]: [number, number] }): void {
  const sorted = Object.entries(ranges).sort(([, [a]], [, [b]]) => a - b);
  for (const [index, [name, [first, last]]] of sorted.entries()) {
    assert.ok(first <= last, name);
    const before = sorted[index - 1];
    assert.ok(!before || before[1][1] < first, `${name} meets ${before?.[0]}`);
  }
}

Deno.test("no two owners have a bit of a mark, a table or a priority in common, and others have room in each", () => {
  const { high, low, ...marks } = MARK;
  disjoint(marks);
  assert.equal(high | low, MARK.priority);
  disjoint(CONNECTION_MARK);
  assert.equal(CONNECTION_MARK.rule, 0xfff * 2 ** RULE_SHIFT);
  const slots = (base: number): [number, number] => [base + 1, base + MOST_SLOTS];
  apart({
    main: [ROUTING_TABLE.main, ROUTING_TABLE.main],
    others: [ROUTING_TABLE.others.first, ROUTING_TABLE.others.last],
    links: slots(ROUTING_TABLE.links),
    intercepted: [ROUTING_TABLE.intercepted, ROUTING_TABLE.intercepted],
    tunnel: [ROUTING_TABLE.tunnel, ROUTING_TABLE.tunnel],
  });
  apart({
    intercepted: [RULE_PRIORITY.intercepted, RULE_PRIORITY.intercepted],
    others: [RULE_PRIORITY.others.first, RULE_PRIORITY.others.last],
    marks: slots(RULE_PRIORITY.marks),
    near: [RULE_PRIORITY.near, RULE_PRIORITY.near],
    tunnel: [RULE_PRIORITY.tunnel, RULE_PRIORITY.tunnel],
    sources: slots(RULE_PRIORITY.sources),
  });
});

Deno.test("a slot's mark fits into its field, and is written as programs take it", () => {
  for (let slot = 1; slot <= MOST_SLOTS; slot++) assert.equal(markOf(slot) & ~MARK.link, 0);
  assert.equal(masked(markOf(2), MARK.link), "0x200/0xff00");
});
