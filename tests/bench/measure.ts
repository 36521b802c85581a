// Small helpers of benchmarks and demo: medians, tables, link specs in words.
import { type LinkSpec, parseLinks } from "../lab/parse.ts";

/** What a link carries as payload of TCP, of its rate: 1,420 of 1,500 bytes, less the frames of the proxy. */
export const PAYLOAD_SHARE = 0.945;

/** Links from words of `parseLinks`. @throws OtbError `links-invalid` */
export function links(...words: string[]): LinkSpec[] {
  return parseLinks(words.join(","));
}

/** The middle value; the mean of the two middle ones for an even count. NaN for none. */
export function median(values: number[]): number {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Rounds to `digits` decimals, for figures in JSON. */
export function round(value: number, digits = 2): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

/** Columns of equal width, the first left-aligned and the others right-aligned. */
export function table(rows: string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    "  " +
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join(
      "  ",
    ).trimEnd()
  ).join("\n");
}
