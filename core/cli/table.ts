// Tables of plain text that fit a terminal. Pure.
import { printable } from "./format.ts";

/** How one column behaves. */
export interface Column {
  title: string;
  align?: "left" | "right";
  /** Gives way when the table is too wide; its text is cut with an ellipsis. */
  shrink?: boolean;
}

/** Paints a finished cell; widths are measured before, so escape sequences do no harm. */
export type Paint = (text: string, row: number, column: number) => string;

const GAP = "  ";
const NARROWEST = 4;

/**
 * Lines of a table with a title row; no line is wider than `width` as long as the columns that may shrink allow it.
 *
 * Row -1 is the title row for `paint`.
 */
export function table(
  columns: Column[],
  rows: string[][],
  width = Infinity,
  paint: Paint = (text) => text,
): string[] {
  const cells = [columns.map(({ title }) => title), ...rows].map((row) =>
    columns.map((_, index) => printable(row[index] ?? ""))
  );
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => length(row[index]!))));
  let excess = widths.reduce((sum, one) => sum + one, 0) + GAP.length * (columns.length - 1) - width;
  while (excess > 0) {
    const widest = columns.map((column, index) => ({ column, index }))
      .filter(({ column, index }) => column.shrink && widths[index]! > NARROWEST)
      .sort((a, b) => widths[b.index]! - widths[a.index]!)[0];
    if (!widest) break;
    widths[widest.index]!--;
    excess--;
  }
  return cells.map((row, index) =>
    row.map((text, column) => {
      const fitted = cut(text, widths[column]!);
      const space = " ".repeat(widths[column]! - length(fitted));
      const painted = paint(fitted, index - 1, column);
      if (columns[column]!.align === "right") return space + painted;
      return column === columns.length - 1 ? painted : painted + space;
    }).join(GAP).trimEnd()
  );
}

/** Text cut to `width` characters, with an ellipsis when something is missing. */
export function cut(text: string, width: number): string {
  const letters = [...text];
  return letters.length <= width ? text : `${letters.slice(0, Math.max(0, width - 1)).join("")}…`;
}

/** Words broken into lines of at most `width`; a longer word stands alone. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of printable(text).split(" ").filter((word) => word !== "")) {
    if (line !== "" && length(line) + 1 + length(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return line === "" ? lines : [...lines, line];
}

function length(text: string): number {
  return [...text].length;
}
