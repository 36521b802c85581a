// Links of `otb bench grid` that change while they are measured.
import type { Lab } from "../lab/lab.ts";
import type { LinkSpec } from "../lab/parse.ts";

/** What happens to the first link of a mix while it is measured. */
export interface Moving {
  jitterMs?: number;
  /** What it then carries of its rate. */
  share: number;
  everyMs: number;
  /** So many make a fair average. */
  turns: number;
  move(lab: Lab, first: LinkSpec, turn: number): Promise<void>;
}

/** By the name of the mix. */
export const MOVING: { [name: string]: Moving } = {
  "Starlink 200 with gaps + DSL 20": {
    jitterMs: 15,
    share: 1 - 0.2 / 15,
    everyMs: 15_000,
    turns: 1,
    async move(lab, { name }) {
      await lab.cut(name);
      await new Promise((resolve) => setTimeout(resolve, 200));
      await lab.restore(name);
    },
  },
  "phone that swings 30 to 3 + DSL 12": {
    share: 0.55,
    everyMs: 8_000,
    turns: 2,
    move: (lab, { name, downMbps, upMbps }, turn) =>
      lab.set(name, turn % 2 === 0 ? { downMbps: downMbps / 10, upMbps: upMbps / 10 } : { downMbps, upMbps }),
  },
};
