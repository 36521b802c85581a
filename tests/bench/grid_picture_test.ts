import { strict as assert } from "node:assert";
import { type GridResult, picture } from "./grid_picture.ts";

const ONE: GridResult = {
  name: "fibre & <DSL>",
  way: "up",
  connections: 1,
  sumMbps: 100,
  bestMbps: 92,
  mbps: { striped: 99, mptcp: 16 },
  ofSum: { striped: 0.99, mptcp: 0.16 },
  ofBest: 1.076,
  ofMptcp: 6.19,
  pass: true,
};

Deno.test("the picture has each figure of one connection over each mix, and no name breaks it", () => {
  const svg = picture([ONE, { ...ONE, connections: 8 }, { ...ONE, way: "down" }]);
  for (const figure of [">92<", ">16<", ">99<"]) assert.equal(svg.split(figure).length - 1, 2, figure);
  assert.ok(svg.includes("fibre &amp; &lt;DSL>, up"));
  assert.equal(svg.split("<rect").length - 1, 3 + 2 * 3);
});

Deno.test("a share above all is drawn to the edge, and told as it is", () => {
  const svg = picture([{ ...ONE, ofSum: { striped: 1.3, mptcp: 0 } }]);
  assert.ok(svg.includes(">130<") && svg.includes('width="374.0"') && svg.includes('width="0.0"'));
});
