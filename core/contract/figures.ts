// Figures as a person reads them: rates, sizes, durations, shares. Pure.

const RATE_STEPS: [number, string][] = [[1e9, "Gbit/s"], [1e6, "Mbit/s"], [1e3, "kbit/s"]];
const SIZE_STEPS: [number, string][] = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [
  2 ** 10,
  "KiB",
]];

/** Bits per second, for example `41.5 Mbit/s`; three significant digits at most. */
export function rate(bitsPerSecond: number | undefined): string {
  return scaled(bitsPerSecond, RATE_STEPS, "bit/s");
}

/** How much of a rate is used, in one unit: `41.5 of 50.0 Mbit/s`; with `open` the rate is at least that: `41.5 of 50.0+ Mbit/s`. */
export function rateOf(
  usedBitsPerSecond: number | undefined,
  bitsPerSecond: number | undefined,
  open = false,
): string {
  if (usedBitsPerSecond === undefined || bitsPerSecond === undefined) return "-";
  const [whole = "", unit = ""] = rate(bitsPerSecond).split(" ");
  const factor = RATE_STEPS.find(([, name]) => name === unit)?.[0] ?? 1;
  const used = usedBitsPerSecond / factor;
  if (!Number.isFinite(used) || unit === "") return "-";
  const amount = factor > 1 && used < 99.95 ? used.toFixed(1) : String(Math.round(used));
  return `${amount} of ${whole}${open ? "+" : ""} ${unit}`;
}

/** Bytes in binary steps, for example `12.3 MiB`. */
export function bytes(count: number | undefined): string {
  return scaled(count, SIZE_STEPS, "B");
}

/** Round trips and the like, for example `0.4 ms`, `23 ms`, `1.2 s`. */
export function milliseconds(ms: number | undefined): string {
  if (ms === undefined || !Number.isFinite(ms)) return "-";
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  return ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** How long something lasts, in its two largest units: `12 s`, `3 min 20 s`, `2 h 5 min`, `4 d 1 h`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) =>
    `${count} ${unit}`
  )
    .join(" ");
}

/** A share of 0 to 1 as per cent, with a decimal below ten. */
export function percent(share: number | undefined): string {
  if (share === undefined || !Number.isFinite(share)) return "-";
  const value = share * 100;
  return `${value === 0 || value >= 9.95 ? Math.round(value) : value.toFixed(1)} %`;
}

/** Loss in a few letters: what the line loses by itself, or `full` where only a queue that is full loses. */
export function lossShort(loss: number | undefined, lineLoss: number | undefined): string {
  if (loss === undefined) return "-";
  if (lineLoss === undefined) return "full";
  return isFull(loss, lineLoss) && lineLoss < FULL_LOSS ? "full" : percent(lineLoss);
}

/** The same in words, and both where both are; undefined while nothing is known. */
export function lossWords(loss: number | undefined, lineLoss: number | undefined): string | undefined {
  if (loss === undefined) return undefined;
  const line = lossShort(loss, lineLoss);
  return [
    ...isFull(loss, lineLoss)
      ? [`its queue is full, and lost ${percent(loss - (lineLoss ?? 0))} by that`]
      : [],
    ...line === "full" ? [] : [`${line} lost by the line`],
  ].join("; ");
}

function isFull(loss: number, lineLoss = 0): boolean {
  return loss - lineLoss >= Math.max(FULL_LOSS, lineLoss / 2);
}

/** Less than this by a full queue is not worth a word. */
const FULL_LOSS = 0.002;

/** `1 link`, `2 links`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function scaled(value: number | undefined, steps: [number, string][], unit: string): string {
  if (value === undefined || !Number.isFinite(value)) return "-";
  // Compared after rounding, so that 999.96 kbit/s reads 1.0 Mbit/s and never 1000 kbit/s.
  const step = steps.find(([factor]) => Math.round(value / factor * 1000) >= 1000);
  if (!step) return `${Math.round(value)} ${unit}`;
  const amount = value / step[0];
  return `${amount < 99.95 ? amount.toFixed(1) : Math.round(amount)} ${step[1]}`;
}
