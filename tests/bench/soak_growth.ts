// Whether something grows: a slope over all runs of a process, as each run begins anew. Pure.

/** One look at a process. */
export interface Sample {
  /** Seconds since the start of the bench. */
  atS: number;
  pid: number;
  memoryMb: number;
  descriptors: number;
}

/** What became of one process by name, over all its runs. */
export interface Growth {
  runs: number;
  /** Looks that count: of runs that were warm. */
  looks: number;
  memoryMb: number;
  /** Per minute, by least squares over the warm part of all runs, each with a level of its own. */
  memoryMbPerMinute: number;
  descriptors: number;
  descriptorsPerMinute: number;
}

/** @param warmS what a run takes to have used everything once, seconds from its first look */
export function growth(samples: Sample[], warmS: number): Growth {
  const runs = [...Map.groupBy(samples, ({ pid }) => pid).values()];
  const warm = runs.map((run) => run.filter(({ atS }) => atS - run[0]!.atS >= warmS)).filter(({ length }) =>
    length > 2
  );
  const slope = (pick: (sample: Sample) => number) => {
    let above = 0, below = 0;
    for (const run of warm) {
      const meanX = mean(run.map(({ atS }) => atS)), meanY = mean(run.map(pick));
      for (const sample of run) {
        above += (sample.atS - meanX) * (pick(sample) - meanY);
        below += (sample.atS - meanX) ** 2;
      }
    }
    return below === 0 ? 0 : above / below * 60;
  };
  const looks = warm.flat();
  return {
    runs: runs.length,
    looks: looks.length,
    memoryMb: mean(looks.map(({ memoryMb }) => memoryMb)),
    memoryMbPerMinute: slope(({ memoryMb }) => memoryMb),
    descriptors: mean(looks.map(({ descriptors }) => descriptors)),
    descriptorsPerMinute: slope(({ descriptors }) => descriptors),
  };
}

function mean(values: number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
