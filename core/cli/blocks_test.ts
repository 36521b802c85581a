import { strict as assert } from "node:assert";
import type { Block } from "../client/mod.ts";
import { blockLines } from "./blocks.ts";

const draw = (blocks: Block[], width = 40) => blockLines(blocks, { width, colours: false });

Deno.test("sentences and figures stand as one text; a table, steps and a log have space around them", () => {
  const lines = draw([
    { kind: "notice", text: "The modem answers, and so the box stays silent." },
    { kind: "stat", label: "Leases", value: 3, unit: "of 50" },
    { kind: "stat", label: "On", value: "eth0" },
    {
      kind: "table",
      columns: ["Server", { title: "Hits", align: "right" }],
      rows: [["a", 5], { cells: ["b", 12], actions: [{ action: "forget" }] }],
    },
    {
      kind: "steps",
      title: "Modem, http://192.168.1.1",
      steps: ["Open it.", "Switch DHCP off, then save it there."],
    },
    { kind: "form", action: "reserve" },
    { kind: "log", lines: ["one", "two"] },
  ]);
  assert.deepEqual(lines, [
    "The modem answers, and so the box stays",
    "silent.",
    "Leases  3 of 50",
    "On      eth0",
    "",
    "SERVER  HITS",
    "a          5",
    "b         12",
    "",
    "Modem, http://192.168.1.1",
    "  1. Open it.",
    "  2. Switch DHCP off, then save it there.",
    "",
    "one",
    "two",
  ]);
});

Deno.test("an empty table says so or nothing; a long value continues beside its label", () => {
  assert.deepEqual(draw([{ kind: "table", columns: ["A"], rows: [], empty: "None yet." }]), ["None yet."]);
  assert.deepEqual(draw([{ kind: "table", columns: ["A"], rows: [] }]), []);
  assert.deepEqual(
    draw([{ kind: "stat", label: "Where", value: "behind the modem in the hall, upstairs" }], 37),
    [
      "Where  behind the modem in the hall,",
      "       upstairs",
    ],
  );
});

Deno.test("what others write in a block does nothing to a terminal", () => {
  const evil = "\x1b[2J\notb: all is well";
  const blocks: Block[] = [
    { kind: "notice", text: evil },
    { kind: "stat", label: evil, value: evil },
    { kind: "steps", title: evil, steps: [evil] },
    { kind: "log", lines: [evil] },
    { kind: "table", columns: [evil], rows: [[evil]] },
    { kind: "table", columns: ["A"], rows: [], empty: evil },
  ];
  for (const line of draw(blocks, 200)) {
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(line, /\x1b|\n/);
  }
});
