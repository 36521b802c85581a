// `otb status` as text: what matters first, tables that fit the terminal. Pure.
import type {
  HealthReport,
  HeldLinkFact,
  Language,
  PathDirection,
  PluginReport,
  StatusReport,
  TunnelPathFact,
} from "../client/mod.ts";
import { bytes, duration, lossShort, milliseconds, percent, printable, rate, rateOf } from "./format.ts";
import { type Column, table, wrap } from "./table.ts";
import { type Say, speaker, word } from "./texts/mod.ts";
import { type Paint, paint } from "./terminal.ts";

/** What the picture depends on besides the report. */
export interface ViewOptions {
  width: number;
  colours: boolean;
  nowMs: number;
  /** English unless told otherwise. */
  language?: Language;
  /** Command lines as they are to be typed, before lines are broken; absent: as they stand. */
  told?(text: string): string;
}

/** States as they are told, and in which colour. */
const STATES: { readonly [state: string]: Paint } = Object.assign(Object.create(null), {
  active: "green",
  up: "green",
  ready: "green",
  standby: "cyan",
  starting: "cyan",
  suspect: "yellow",
  unknown: "yellow",
  "waiting-to-restart": "yellow",
  idle: "dim",
  stopped: "dim",
  down: "red",
  missing: "red",
  failed: "red",
});
const SEVERITY_PAINTS = new Map<string, Paint>([["error", "red"], ["warning", "yellow"], ["info", "cyan"]]);

/** The lines of a status report. */
export function statusLines(report: StatusReport, options: ViewOptions): string[] {
  const { colours, nowMs, width, told = asItIs, language } = options;
  const say = speaker(language);
  const { role, version, startedAtMs, peers, connections, pending } = report;
  const lines = wrap(told(report.sentence), width).map((line) => paint(colours, "bold", line));
  lines.push(paint(
    colours,
    "dim",
    say("head", {
      role: word(say, role, role),
      time: duration(nowMs - startedAtMs),
      version: printable(version),
    }),
  ));
  if (pending) {
    const left = duration(pending.revertsAtMs - nowMs);
    lines.push(
      ...wrap(
        told(say("pending", { revision: pending.revision, left })),
        width,
      ).map((line) => paint(colours, "yellow", line)),
    );
  }
  lines.push(...health(report.health, options));
  if (report.links.length > 0) lines.push("", ...links(report, options));
  if (report.tunnel) lines.push("", ...tunnel(report.tunnel, options));
  lines.push(
    "",
    ...peers.map(({ name, address, port }) =>
      say("peer", { name: printable(name), address: printable(address), port })
    ),
    say("connections", { ...connections, how: word(say, `carried-${connections.protocol}`, "") }),
  );
  const others = report.held.filter(({ link }) => !report.links.some(({ name }) => name === link));
  for (const fact of others) {
    for (const words of heldWords(fact, nowMs, say)) lines.push(...wrap(`${fact.link} ${words}`, width));
  }
  if (report.plugins.length > 0) lines.push("", ...pluginLines(report.plugins, options));
  return lines;
}

/** The table of plugins, with the reason below one that is not ready. */
export function pluginLines(plugins: PluginReport[], options: ViewOptions): string[] {
  const { width, colours, nowMs, language } = options;
  const say = speaker(language);
  const columns: Column[] = [
    { title: say("col-plugin"), shrink: true },
    { title: say("col-version") },
    { title: say("col-state") },
    { title: say("col-for") },
    { title: say("col-restarts"), align: "right" },
    { title: say("col-memory"), align: "right" },
  ];
  const [head, ...rows] = table(
    columns,
    plugins.map(({ name, version, state, idle, sinceMs, restarts, memoryBytes }) => [
      name,
      version,
      word(say, idle ? "state-idle" : `state-${state}`, state),
      sinceMs > 0 ? duration(nowMs - sinceMs) : "-",
      String(restarts),
      bytes(memoryBytes),
    ]),
    width,
    painter(colours, 2, plugins.map(({ state }) => state)),
  );
  return [
    head!,
    ...rows.flatMap((
      row,
      index,
    ) => [row, ...indented(plugins[index]!.reason ?? plugins[index]!.idle, width)]),
  ];
}

function links({ links, held }: StatusReport, { width, colours, nowMs, language }: ViewOptions): string[] {
  const say = speaker(language);
  const states = links.map(({ observed, path }) =>
    observed.state === "up" ? path?.state ?? "up" : observed.state
  );
  const columns: Column[] = [
    { title: say("col-link"), shrink: true },
    { title: say("col-tier") },
    { title: say("col-state") },
    { title: say("col-down"), align: "right" },
    { title: say("col-up"), align: "right" },
    { title: say("col-rtt"), align: "right" },
    { title: say("col-loss"), align: "right" },
    { title: say("col-share"), align: "right" },
    { title: say("col-flows"), align: "right" },
  ];
  const [head, ...rows] = table(
    columns,
    links.map(({ name, tier, path }, index) => [
      name,
      tier,
      word(say, `state-${states[index]!}`, states[index]!),
      rate(path?.rxBitsPerSecond),
      rate(path?.txBitsPerSecond),
      milliseconds(path?.rttMs),
      lossShort(path?.loss, path?.lineLoss),
      percent(path?.share),
      String(path?.subflows ?? "-"),
    ]),
    width,
    painter(colours, 2, states),
  );
  return [
    head!,
    ...rows.flatMap((row, index) => {
      const { observed, path, health } = links[index]!;
      const trouble = health?.state === "down" || health?.state === "degraded" ? health.reason : undefined;
      const stripped = path?.protocol === "tcp" ? say("stripped") : undefined;
      return [
        row,
        ...indented(observed.reason ?? trouble ?? path?.reason ?? stripped, width),
        ...held.filter(({ link }) => link === links[index]!.name).flatMap((fact) =>
          heldWords(fact, nowMs, say).flatMap((words) => indented(words, width))
        ),
      ];
    }),
  ];
}

/** Why a link gets nothing new: a sentence for each direction. */
function heldWords({ up, down }: HeldLinkFact, nowMs: number, say: Say): string[] {
  return ([["uploads", up], ["downloads", down]] as const).flatMap(([what, proof]) => {
    if (!proof) return [];
    const again = proof.untilMs > nowMs
      ? say("again-in", { left: duration(proof.untilMs - nowMs) })
      : say("again-soon");
    return say("held", {
      what: say(what),
      with: rate(proof.withBitsPerSecond),
      without: rate(proof.withoutBitsPerSecond),
      again,
    });
  });
}

function tunnel(
  { state, reason, sinceMs, mtu, paths }: NonNullable<StatusReport["tunnel"]>,
  { width, colours, nowMs, language }: ViewOptions,
): string[] {
  const say = speaker(language);
  const lines = [
    say("tunnel", {
      state: paint(
        colours,
        STATES[state] ?? "dim",
        say(state === "unknown" ? "tunnel-unknown" : `state-${state}`),
      ),
      since: state === "unknown" ? "" : say("since", { time: duration(nowMs - sinceMs) }),
      size: state === "up" && mtu !== undefined ? say("size", { mtu }) : "",
    }),
    ...indented(reason, width),
  ];
  if (paths.length === 0) return lines;
  const columns: Column[] = [
    { title: say("col-path"), shrink: true },
    { title: say("col-state") },
    { title: say("col-down"), align: "right" },
    { title: say("col-up"), align: "right" },
    { title: say("col-rtt"), align: "right" },
    { title: say("col-loss"), align: "right" },
  ];
  const used = (way: TunnelPathFact["up"]) =>
    rateOf(way?.usedBitsPerSecond, way?.rateBitsPerSecond, way?.isStarting);
  const [head, ...rows] = table(
    columns,
    paths.map(({ link, state, up, down, rttMs }) => [
      link,
      word(say, `state-${state}`, state),
      used(down),
      used(up),
      milliseconds(rttMs),
      tunnelLoss([up, down].filter((way) => way !== undefined)),
    ]),
    width,
    painter(colours, 1, paths.map(({ state }) => state)),
  );
  return [...lines, head!, ...rows.flatMap((row, index) => [row, ...indented(paths[index]!.reason, width)])];
}

/** What the worse of both directions loses; one whose queue stands while it carries what it can loses by that. */
function tunnelLoss(ways: PathDirection[]): string {
  if (ways.length === 0) return "-";
  const isFull = ({ queueMs, usedBitsPerSecond, rateBitsPerSecond }: PathDirection) =>
    queueMs >= STANDING_MS && usedBitsPerSecond >= rateBitsPerSecond * PLATEAU_SHARE;
  const lost = Math.max(...ways.map(({ loss }) => loss));
  const byLine = Math.max(0, ...ways.filter((way) => !isFull(way)).map(({ loss }) => loss));
  return lossShort(lost, byLine);
}

/** A queue that stands, and as much of a path's rate in use as fills it. */
const STANDING_MS = 10, PLATEAU_SHARE = 0.6;

function health(conditions: HealthReport[], options: ViewOptions): string[] {
  const { width, colours, told = asItIs, language } = options;
  const say = speaker(language);
  const order = ["error", "warning", "info"];
  const sorted = [...conditions].sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
  if (sorted.length === 0) return [];
  return [
    "",
    paint(colours, "bold", say("to-know", { count: sorted.length })),
    ...sorted.flatMap(({ severity, message, next, plugin }) => {
      const [first = "", ...rest] = wrap(`${told(message)} (${plugin})`, width - 10);
      return [
        `${
          paint(colours, SEVERITY_PAINTS.get(severity) ?? "dim", word(say, severity, severity).padEnd(8))
        }${first}`,
        ...rest.map((line) => `        ${line}`),
        ...next ? wrap(told(say("next", { next })), width - 10).map((line) => `        ${line}`) : [],
      ];
    }),
  ];
}

function asItIs(text: string): string {
  return text;
}

/** @param states of the rows, whose column has their colours */
function painter(colours: boolean, stateColumn: number, states: string[]) {
  return (text: string, row: number, column: number) => {
    const colour = row < 0 ? "dim" : column === stateColumn ? STATES[states[row]!] : undefined;
    return colour ? paint(colours, colour, text) : text;
  };
}

function indented(reason: string | undefined, width: number): string[] {
  return reason ? wrap(reason, width - 4).map((line) => `    ${line}`) : [];
}
