// The tunnel for people: data blocks.
import type { PanelBlock, Status } from "@otb/plugin";

/** One path in the status. */
export interface PathStatus {
  path: string;
  state: string;
  rttMs: number | null;
  mtu: number;
  /** Mbit/s that the path is believed to carry, this end sending. */
  rateMbps: number;
  lossPercent: number;
}

export function panel({ state, paths = [] }: Status): PanelBlock[] {
  return [
    { kind: "stat", label: "Tunnel", value: String(state) },
    {
      kind: "table",
      columns: ["Path", "State", "Round trip, ms", "MTU", "Rate, Mbit/s", "Loss, %"],
      rows: (paths as unknown as PathStatus[]).map(({ path, state, rttMs, mtu, rateMbps, lossPercent }) => [
        path,
        state,
        rttMs ?? "-",
        mtu,
        rateMbps,
        lossPercent,
      ]),
    },
  ];
}
