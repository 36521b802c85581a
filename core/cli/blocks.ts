// Blocks of data as lines of a terminal: what plugins show, in the CLI's own hand. Pure.
import type { Block } from "../client/mod.ts";
import { printable } from "./format.ts";
import { type Column, table, wrap } from "./table.ts";
import { type Paint, paint } from "./terminal.ts";

/** What the picture depends on. */
export interface DrawOptions {
  width: number;
  colours: boolean;
}

const PAINTS: { [severity: string]: Paint } = { error: "red", warning: "yellow" };
/** Values keep this much room beside their labels, however long those are. */
const LEAST_VALUE = 30, LEAST_STEP = 40;

/** Lines of blocks, one below the other: sentences and figures as one text, everything else with space around it. */
export function blockLines(blocks: Block[], options: DrawOptions): string[] {
  const lines: string[] = [];
  let before: Block["kind"] | undefined;
  for (const [index, block] of blocks.entries()) {
    // The first of several in a row stands for all of them.
    if (block.kind === "stat" && blocks[index - 1]?.kind === "stat") continue;
    const drawn = block.kind === "stat" ? stats(blocks.slice(index), options.width) : drawOne(block, options);
    if (drawn.length === 0) continue;
    const isText = ["notice", "stat"].includes(block.kind) && ["notice", "stat"].includes(before ?? "");
    if (before !== undefined && !isText) lines.push("");
    lines.push(...drawn);
    before = block.kind;
  }
  return lines;
}

function drawOne(block: Exclude<Block, { kind: "stat" }>, { width, colours }: DrawOptions): string[] {
  switch (block.kind) {
    case "notice": {
      const colour = PAINTS[block.severity ?? ""];
      return wrap(block.text, width).map((line) => colour ? paint(colours, colour, line) : line);
    }
    case "table": {
      if (block.rows.length === 0) return block.empty === undefined ? [] : [printable(block.empty)];
      const columns = block.columns.map((column): Column => {
        const { title, ...how } = typeof column === "string" ? { title: column } : column;
        return { ...how, title: title.toUpperCase() };
      });
      return table(
        columns,
        block.rows.map((row) => (Array.isArray(row) ? row : row.cells).map(String)),
        width,
      );
    }
    case "steps":
      return [
        printable(block.title),
        ...block.steps.flatMap((step, index) => {
          const [first = "", ...rest] = wrap(step, Math.max(LEAST_STEP, width - 5));
          return [`  ${index + 1}. ${first}`, ...rest.map((line) => `     ${line}`)];
        }),
      ];
    case "log":
      return block.lines.map((line) => printable(line));
    case "chart":
      return block.series.map(({ name, points }) =>
        printable(`${block.label}, ${name}: ${points.at(-1)?.[1] ?? "-"} ${block.unit}`)
      );
    case "form":
      // Its verb has the same fields.
      return [];
  }
}

/** The figures with which these blocks begin: labels in one column, and what belongs to each beside it. */
function stats(blocks: Block[], width: number): string[] {
  const rows: [label: string, value: string][] = [];
  for (const block of blocks) {
    if (block.kind !== "stat") break;
    rows.push([printable(block.label), `${block.value}${block.unit ? ` ${block.unit}` : ""}`]);
  }
  const indent = Math.max(...rows.map(([label]) => label.length)) + 2;
  return rows.flatMap(([label, value]) =>
    wrap(value, Math.max(LEAST_VALUE, width - indent)).map((line, index) =>
      (index === 0 ? label : "").padEnd(indent) + line
    )
  );
}
