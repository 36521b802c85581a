// What a plugin shows: data, never HTML. Each face draws the blocks in its own way.
import type { Status } from "./context.ts";
import type { Json } from "./json.ts";
import type { Language } from "./text.ts";

/** For whom blocks are made. */
export interface Viewer {
  language: Language;
  /** Milliseconds since the epoch. */
  nowMs: number;
}

/** Who says nothing of that reads English, now. */
export function viewerOf(view?: Viewer | null): Viewer {
  return view ?? { language: "en", nowMs: Date.now() };
}

/** One block of a page, or of an answer. */
export type Block =
  /** One figure; several in a row are told as a list. */
  | { kind: "stat"; label: string; value: string | number; unit?: string }
  | { kind: "table"; columns: (string | TableColumn)[]; rows: TableRow[]; empty?: string }
  | { kind: "chart"; label: string; unit: string; series: { name: string; points: [number, number][] }[] }
  /** What a person does, one after the other. */
  | { kind: "steps"; title: string; steps: string[] }
  /** Lines as they stand. */
  | { kind: "log"; lines: string[] }
  /** The form of an action or an edit of this plugin, or of its settings at a path. */
  | { kind: "form"; action: string }
  | { kind: "form"; path: string }
  /** A sentence. */
  | { kind: "notice"; text: string; severity?: "info" | "warning" | "error" };

/** A column; one that gives way is cut where there is no room. */
export interface TableColumn {
  title: string;
  align?: "left" | "right";
  shrink?: boolean;
}

/** The cells of a row, and what can be done about it. */
export type TableRow = Cell[] | { cells: Cell[]; actions: ActionReference[] };

/** What stands in a cell. */
export type Cell = string | number;

/** An action or an edit of the same plugin, with arguments that are known already. */
export interface ActionReference {
  action: string;
  args?: Json;
  /** What the button says where that is not the action's title. */
  title?: string;
}

/** A page of a plugin. */
export interface Page {
  title: string;
  /** Where it stands in the menu. */
  nav: "network" | "devices" | "links" | "system";
  /** Pure: from what the plugin published as its status. */
  blocks(status: Status, view: Viewer): Block[];
}

/** Types a page. */
export function page(declared: Page): Page {
  return declared;
}
