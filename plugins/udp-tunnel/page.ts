// The page of the tunnel: its paths and what each carries.
import { page } from "@otb/plugin";

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

export const tunnelPage = page({
  title: "Tunnel",
  nav: "links",
  blocks: ({ state, paths = [] }) => [
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
  ],
});
