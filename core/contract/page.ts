// What a plugin shows: data, never HTML.

/** A block of a plugin's panel: data, never HTML. */
export type PanelBlock =
  | { kind: "stat"; label: string; value: string | number; unit?: string }
  | { kind: "table"; columns: string[]; rows: (string | number)[][] }
  | { kind: "chart"; label: string; unit: string; series: { name: string; points: [number, number][] }[] }
  | { kind: "log"; lines: string[] }
  | { kind: "form"; path: string };
