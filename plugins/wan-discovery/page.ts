// The page of modems: which link each is, and where.
import { page } from "@otb/plugin";

const FIELDS = ["name", "description", "interface", "address", "state"];

export const modemsPage = page({
  title: "Modems",
  nav: "links",
  blocks: ({ modems = [] }) => [{
    kind: "table",
    columns: ["Link", "Modem", "Interface", "Address", "State"],
    rows: (modems as { [field: string]: string }[]).map((modem) => ({
      cells: FIELDS.map((field) => modem[field] ?? ""),
      actions: [{ action: "show", args: { name: modem.name ?? "" } }],
    })),
    empty: "No modem was found yet.",
  }],
});
