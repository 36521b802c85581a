// The page of rates: to what each link, or in the cloud each address, is held.
import { type Json, page } from "@otb/plugin";

export const ratesPage = page({
  title: "Rates",
  nav: "links",
  blocks({ discipline, links, addresses }) {
    if (Array.isArray(addresses)) {
      const rows = addresses as { address: string; bitsPerSecond: number }[];
      return [{
        kind: "table",
        columns: ["Address", "Mbit/s"],
        rows: rows.map(({ address, bitsPerSecond }) => [address, mbps(bitsPerSecond)]),
      }];
    }
    return [
      { kind: "stat", label: "Discipline", value: String(discipline) },
      {
        kind: "table",
        columns: ["Link", "Up, Mbit/s", "Down, Mbit/s", "Down by"],
        rows: (links as { [name: string]: Json }[] ?? []).map((row) => ({
          cells: [
            String(row.link),
            mbps(row.upBitsPerSecond),
            mbps(row.downBitsPerSecond),
            String(row.downBy),
          ],
          actions: [{ action: "speed-test", args: { link: String(row.link) } }],
        })),
      },
    ];
  },
});

function mbps(bits: Json | undefined): string {
  return typeof bits === "number" ? (bits / 1e6).toFixed(1) : "not held";
}
