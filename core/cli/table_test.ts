import assert from "node:assert/strict";
import fc from "fast-check";
import { cut, table, wrap } from "./table.ts";

Deno.test("columns are aligned, figures to the right", () => {
  const lines = table([{ title: "LINK" }, { title: "DOWN", align: "right" }, { title: "STATE" }], [
    ["fibre", "41.5 Mbit/s", "active"],
    ["lte", "-", "down"],
  ]);
  assert.deepEqual(lines, [
    "LINK          DOWN  STATE",
    "fibre  41.5 Mbit/s  active",
    "lte              -  down",
  ]);
});

Deno.test("a table gives way in the columns that may shrink", () => {
  const [, row] = table([{ title: "NAME", shrink: true }, { title: "STATE" }], [[
    "a-very-long-name",
    "active",
  ]], 16);
  assert.equal(row, "a-very-…  active");
});

Deno.test("no line is wider than the terminal while a column can shrink, whatever stands in the cells", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.string({ unit: "grapheme" }), fc.string({ maxLength: 6 })), { maxLength: 8 }),
    fc.integer({ min: 20, max: 100 }),
    (rows, width) => {
      const lines = table([{ title: "WHAT", shrink: true }, { title: "B" }], rows, width);
      assert.equal(lines.length, rows.length + 1);
      for (const line of lines) assert.ok([...line].length <= width, line);
    },
  ));
});

Deno.test("paint sees the finished text, and the title row as row -1", () => {
  const lines = table(
    [{ title: "A" }, { title: "B" }],
    [["1", "2"]],
    80,
    (text, row) => row < 0 ? `<${text}>` : text,
  );
  assert.deepEqual(lines, ["<A>  <B>", "1  2"]);
});

Deno.test("words are broken between lines and none is lost", () => {
  assert.deepEqual(wrap("one two three", 7), ["one two", "three"]);
  assert.deepEqual(wrap("", 7), []);
  fc.assert(
    fc.property(
      fc.array(fc.stringMatching(/^[a-z]{1,12}$/)),
      fc.integer({ min: 1, max: 30 }),
      (words, width) => {
        assert.deepEqual(wrap(words.join(" "), width).join(" ").split(" ").filter(Boolean), words);
      },
    ),
  );
});

Deno.test("cut text ends with an ellipsis", () => {
  assert.equal(cut("abcdef", 6), "abcdef");
  assert.equal(cut("abcdef", 5), "abcd…");
});
