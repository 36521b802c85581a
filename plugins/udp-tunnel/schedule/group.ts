// Which paths carry a spread download together: those whose delays lie close enough, and together promise most.
// Pure.

/** What is asked of a path here. */
export interface Candidate {
  path: number;
  rateBitsPerSecond: number;
  owdUs: number;
  lossRatio: number;
}

/** A path that adds less than a quarter to the largest is worth only this part of the spread. */
const LITTLE = 0.25, LITTLE_SPREAD = 0.6;
/** A farther group, or another than now, must promise so much more. */
const BETTER = 1.2;
/**
 * With this share of losses a download reaches half of what the link carries, with ten times as much nearly
 * nothing; clean again is less.
 */
const LOSSY = 0.003, CLEAN = 0.001;

/** What a download may expect of a path, in bits per second. */
export function worth({ rateBitsPerSecond, lossRatio }: Candidate): number {
  return rateBitsPerSecond / (1 + (lossRatio / LOSSY) ** 2);
}

/** Whether spread downloads shall use the path only where cleaner ones are full. @param was so far */
export function isLossy(lossRatio: number, was: boolean): boolean {
  return lossRatio > (was ? CLEAN : LOSSY);
}

/**
 * Chooses the group.
 * @param spreadUs how much later than its first path a group's last one may be
 * @param current first path of the group now
 * @returns paths, the nearest first; empty when there are none
 */
export function chooseGroup(
  candidates: readonly Candidate[],
  spreadUs: number,
  current: number,
): Candidate[] {
  const byDelay = candidates.toSorted((a, b) => a.owdUs - b.owdUs || a.path - b.path);
  let best: Candidate[] = [], bestWorth = 0;
  for (const [index, first] of byDelay.entries()) {
    const near = byDelay.slice(index).filter(({ owdUs }) => owdUs - first.owdUs <= spreadUs);
    const largest = Math.max(...near.map(({ rateBitsPerSecond }) => rateBitsPerSecond));
    const group = near.filter(({ rateBitsPerSecond, owdUs }) =>
      rateBitsPerSecond >= LITTLE * largest || owdUs - first.owdUs <= LITTLE_SPREAD * spreadUs
    );
    const promised = group.reduce((sum, one) => sum + worth(one), 0) * (first.path === current ? BETTER : 1);
    if (best.length === 0 || promised > BETTER * bestWorth) [best, bestWorth] = [group, promised];
  }
  return best;
}
