// Figures and text as a person reads them on a terminal.
export {
  bytes,
  duration,
  lossShort,
  milliseconds,
  percent,
  plural,
  printable,
  rate,
  rateOf,
} from "../client/mod.ts";
