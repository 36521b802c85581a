// The grammar of links on a command line. Pure.
import { OtbError } from "@otb/plugin";

/** One emulated link; rates in Mbit/s, delays one-way in each direction. */
export interface LinkSpec {
  name: string;
  downMbps: number;
  upMbps: number;
  delayMs: number;
  jitterMs?: number;
  lossPercent?: number;
  /** Per direction; default 100 ms at its rate, at least 64 KiB. */
  queueBytes?: number;
  /** The same as a time at each direction's rate, milliseconds. */
  queueMs?: number;
  /** Larger IP packets vanish on the way, both ways, and nobody is told (a black hole of path MTU discovery). */
  wholeBytes?: number;
  /** The modem takes MPTCP's options out of the packets. */
  stripMptcp?: boolean;
}

const NAMES = ["fibre", "cable", "dsl", "lte", "sat", "phone", "radio", "village"];
const LIMITS = {
  downMbps: [0.1, 1000],
  upMbps: [0.1, 1000],
  delayMs: [0, 2000],
  lossPercent: [0, 50],
  queueMs: [1, 5000],
} as const;

/**
 * Links from `down/up/delay[/loss[/buffer]]` words joined by commas: Mbit/s, one-way milliseconds, percent, milliseconds.
 *
 * @throws OtbError `links-invalid`
 */
export function parseLinks(text: string): LinkSpec[] {
  const words = text.split(",");
  if (words.length > NAMES.length) throw refuse(`there may be at most ${NAMES.length}`, text);
  return words.map((word, index) => {
    const parts = word.split("/");
    if (parts.length < 3 || parts.length > 5 || parts.some((part) => !/^\d+(\.\d+)?$/.test(part))) {
      throw refuse("each must be down/up/delay, with /loss and /buffer after it where wanted", word);
    }
    const [downMbps, upMbps, delayMs, lossPercent = 0, queueMs] = parts.map(Number) as [
      number,
      number,
      number,
      number?,
      number?,
    ];
    const values = { downMbps, upMbps, delayMs, lossPercent, ...(queueMs !== undefined && { queueMs }) };
    checkLimits(values);
    return { name: NAMES[index]!, ...values };
  });
}

/** Refuses figures that the emulator can't do. @throws OtbError `links-invalid` */
export function checkLimits(values: { [name: string]: number | undefined }): void {
  for (const [name, [low, high]] of Object.entries(LIMITS)) {
    const value = values[name];
    if (value !== undefined && (value < low || value > high)) {
      throw refuse(`${name} must be ${low} to ${high}`, String(value));
    }
  }
}

function refuse(rule: string, value: string): OtbError {
  return new OtbError(
    "links-invalid",
    `Cannot make links as ${rule}: current value is "${value}"`,
    "For example --links 100/20/10,30/10/25/0.5",
  );
}
