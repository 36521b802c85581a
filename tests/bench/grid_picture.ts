// A picture of what `otb bench grid` measured, for the README: bars for each mix, as shares of what its links carry. Pure.
import type { Transport } from "../worlds/world.ts";
import type { Way } from "./grid_mix.ts";

/** One mix in one direction over so many connections at once; Mbit/s of all of them in steady state. */
export interface GridResult {
  name: string;
  way: Way;
  connections: number;
  /** What the links carry of TCP's payload, by their rates. */
  sumMbps: number;
  /** One connection by otb, striped, with the best link alone; that link is the one of the highest rate, of equals the nearest. */
  bestMbps: number;
  mbps: { [transport in Transport]: number };
  ofSum: { [transport in Transport]: number };
  /** Of the striped ones. */
  ofBest: number;
  ofMptcp: number;
  /** From the beginning of the one connection on. */
  first?: { seconds: number; mbps: number; bestMbps: number; ofBest: number };
  pass: boolean;
}

/** Pixels. */
const LABEL = 290, BAR = 340, ROW = 12, GAP = 14, TOP = 64, FIGURE = 50;
const SERIES = [
  {
    name: "the best link alone",
    colour: "#85858a",
    of: ({ bestMbps, sumMbps }: GridResult) => bestMbps / sumMbps,
  },
  { name: "kernel Multipath TCP", colour: "#8b48d6", of: ({ ofSum }: GridResult) => ofSum.mptcp },
  { name: "otb, striped", colour: "#11734a", of: ({ ofSum }: GridResult) => ofSum.striped },
];
const GROUP = SERIES.length * ROW + GAP;

/** SVG that reads on light and dark pages: what one connection had. */
export function picture(all: GridResult[]): string {
  const results = all.filter(({ connections }) => connections === 1);
  const width = LABEL + BAR * 1.1 + FIGURE, height = TOP + results.length * GROUP + 8;
  const legend = SERIES.map(({ name, colour }, index) =>
    `<rect x="${LABEL + index * 160}" y="10" width="10" height="10" fill="${colour}"/>` +
    text(LABEL + index * 160 + 15, 19, name)
  );
  const scale = [0, 0.5, 1].map((share) =>
    `<line x1="${LABEL + share * BAR}" x2="${LABEL + share * BAR}" y1="${TOP - 14}" y2="${
      height - 8
    }" stroke="#85858a" stroke-width="${share === 1 ? 1 : 0.4}"/>` +
    text(LABEL + share * BAR, TOP - 20, `${share * 100} %`, "middle")
  );
  const groups = results.map((result, row) => {
    const y = TOP + row * GROUP;
    const bars = SERIES.map(({ colour, of }, index) => {
      const share = Math.min(1.1, Math.max(0, of(result))), at = y + index * ROW;
      return `<rect x="${LABEL}" y="${at}" width="${(share * BAR).toFixed(1)}" height="${
        ROW - 2
      }" fill="${colour}"/>` +
        text(LABEL + share * BAR + 5, at + ROW - 3, `${(of(result) * 100).toFixed(0)}`);
    });
    return text(LABEL - 10, y + 1.5 * ROW + 3, `${result.name}, ${result.way}`, "end") + bars.join("");
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11" role="img">`,
    "<title>One TCP connection over mixes of links, as a share of what the links carry</title>",
    "<style>text { fill: #17181c } @media (prefers-color-scheme: dark) { text { fill: #f2f2ee } }</style>",
    ...legend,
    ...scale,
    ...groups,
    "</svg>",
    "",
  ].join("\n");
}

function text(x: number, y: number, words: string, anchor = "start"): string {
  const safe = words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${safe}</text>`;
}
