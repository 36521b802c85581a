import assert from "node:assert/strict";
import fc from "fast-check";
import {
  bytes,
  duration,
  lossShort,
  lossWords,
  milliseconds,
  percent,
  plural,
  rate,
  rateOf,
} from "./figures.ts";
import { printable } from "../client/printable.ts";

Deno.test("figures read as a person writes them", () => {
  assert.deepEqual([0, 999, 1000, 41_500_000, 999_960, 123_456_789, 2.5e9].map(rate), [
    "0 bit/s",
    "999 bit/s",
    "1.0 kbit/s",
    "41.5 Mbit/s",
    "1.0 Mbit/s",
    "123 Mbit/s",
    "2.5 Gbit/s",
  ]);
  assert.deepEqual([rateOf(41.5e6, 50e6), rateOf(0, 999), rateOf(2e6, 2.5e9), rateOf(110e6, 123e6, true)], [
    "41.5 of 50.0 Mbit/s",
    "0 of 999 bit/s",
    "0.0 of 2.5 Gbit/s",
    "110 of 123+ Mbit/s",
  ]);
  assert.deepEqual([0, 1023, 1024, 200 * 2 ** 20].map(bytes), ["0 B", "1023 B", "1.0 KiB", "200 MiB"]);
  assert.deepEqual([0.42, 9.96, 23.4, 999.6, 1200].map(milliseconds), [
    "0.4 ms",
    "10 ms",
    "23 ms",
    "1.0 s",
    "1.2 s",
  ]);
  assert.deepEqual([0, 0.003, 0.0996, 0.5, 1].map(percent), ["0 %", "0.3 %", "10 %", "50 %", "100 %"]);
  assert.deepEqual([-5, 0, 12_000, 60_000, 200_000, 3_600_000, 90_000_000].map(duration), [
    "0 s",
    "0 s",
    "12 s",
    "1 min",
    "3 min 20 s",
    "1 h",
    "1 d 1 h",
  ]);
  assert.deepEqual([0, 1, 2].map((count) => plural(count, "link")), ["0 links", "1 link", "2 links"]);
});

Deno.test("what is not known is a dash", () => {
  const unknown = [rateOf(1, undefined), rateOf(NaN, 5)];
  assert.deepEqual([...unknown, rate(undefined), bytes(NaN), milliseconds(Infinity), percent(undefined)], [
    "-",
    "-",
    "-",
    "-",
    "-",
    "-",
  ]);
});

Deno.test("a rate never shows four digits before the unit, and never loses more than 5 %", () => {
  const units: { [unit: string]: number } = { "bit/s": 1, "kbit/s": 1e3, "Mbit/s": 1e6, "Gbit/s": 1e9 };
  fc.assert(fc.property(fc.double({ min: 1, max: 9.9e11, noNaN: true }), (value) => {
    const [figure, unit] = rate(value).split(" ");
    assert.ok(Number(figure) < 1000, rate(value));
    const shown = Number(figure) * units[unit!]!;
    assert.ok(Math.abs(shown - value) <= Math.max(0.5, value * 0.05), `${value} shows as ${rate(value)}`);
  }));
});

Deno.test("text of others cannot steer the terminal", () => {
  assert.equal(printable("a\x1b[2Jb\nc\u202e"), "a?[2Jb c?");
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => assert.ok(!/[\p{Cc}]/u.test(printable(text)))),
  );
});

Deno.test("loss says whose it is: the line's in per cent, a full queue's in a word", () => {
  const cases: [number | undefined, number | undefined, string, string | undefined][] = [
    [undefined, undefined, "-", undefined],
    [0, 0, "0 %", "0 % lost by the line"],
    [0.012, 0.012, "1.2 %", "1.2 % lost by the line"],
    [0.013, 0.012, "1.2 %", "1.2 % lost by the line"],
    [0.02, undefined, "full", "its queue is full, and lost 2.0 % by that"],
    [0.02, 0, "full", "its queue is full, and lost 2.0 % by that"],
    [0.03, 0.01, "1.0 %", "its queue is full, and lost 2.0 % by that; 1.0 % lost by the line"],
    [0.001, 0, "0 %", "0 % lost by the line"],
  ];
  for (const [loss, lineLoss, short, words] of cases) {
    assert.deepEqual([lossShort(loss, lineLoss), lossWords(loss, lineLoss)], [short, words]);
  }
});
