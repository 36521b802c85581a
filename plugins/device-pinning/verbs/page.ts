// The page of rules: what they come to now, and the forms that change them.
import { page } from "@otb/plugin";

export const rulesPage = page({
  title: "Rules",
  nav: "devices",
  blocks: ({ peer, tunnel, rules = [] }) => [
    { kind: "stat", label: "Peer", value: String(peer) },
    { kind: "stat", label: "Tunnel", value: String(tunnel) },
    {
      kind: "table",
      columns: ["Rule", "Now", { title: "Hits", align: "right" }],
      rows: (rules as { name: string; now: string; hits: number }[]).map(({ name, now, hits }) => ({
        cells: [name, now, hits],
        actions: [{ action: "rule-move", args: { name } }, { action: "rule-remove", args: { name } }],
      })),
    },
    { kind: "form", action: "rule-add" },
  ],
});
