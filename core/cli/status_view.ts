// `otb status` as text: what matters first, tables that fit the terminal. Pure.
import type {
  HealthReport,
  HeldLinkFact,
  PathDirection,
  PluginReport,
  StatusReport,
  TunnelPathFact,
} from "../client/mod.ts";
import {
  bytes,
  duration,
  lossShort,
  milliseconds,
  percent,
  plural,
  printable,
  rate,
  rateOf,
} from "./format.ts";
import { type Column, table, wrap } from "./table.ts";
import { type Paint, paint } from "./terminal.ts";

/** What the picture depends on besides the report. */
export interface ViewOptions {
  width: number;
  colours: boolean;
  nowMs: number;
  /** Command lines as they are to be typed, before lines are broken; absent: as they stand. */
  told?(text: string): string;
}

const STATE_PAINTS = new Map<string, Paint>(Object.entries<Paint>({
  active: "green",
  up: "green",
  ready: "green",
  standby: "cyan",
  starting: "cyan",
  suspect: "yellow",
  unknown: "yellow",
  "waiting to restart": "yellow",
  stopped: "dim",
  down: "red",
  missing: "red",
  failed: "red",
}));
const SEVERITY_PAINTS = new Map<string, Paint>([["error", "red"], ["warning", "yellow"], ["info", "cyan"]]);

/** The lines of a status report. */
export function statusLines(report: StatusReport, options: ViewOptions): string[] {
  const { colours, nowMs, width, told = asItIs } = options;
  const { role, version, startedAtMs, peers, connections, pending } = report;
  const lines = wrap(told(report.sentence), width).map((line) => paint(colours, "bold", line));
  lines.push(paint(
    colours,
    "dim",
    `${printable(role)}, up for ${duration(nowMs - startedAtMs)}, otb ${printable(version)}`,
  ));
  if (pending) {
    const left = duration(pending.revertsAtMs - nowMs);
    lines.push(
      ...wrap(
        told(
          `Revision ${pending.revision} waits and reverts in ${left}. Keep it: otb config confirm. Take it back: otb config revert.`,
        ),
        width,
      ).map((line) => paint(colours, "yellow", line)),
    );
  }
  lines.push(...health(report.health, options));
  if (report.links.length > 0) lines.push("", ...links(report, options));
  if (report.tunnel) lines.push("", ...tunnel(report.tunnel, options));
  lines.push(
    "",
    ...peers.map(({ name, address, port }) => `Peer ${printable(name)}: ${printable(address)} port ${port}`),
    `Connections: ${connections.open} open, ${connections.total} so far, ${connections.refused} refused${
      connections.protocol === "unknown" ? "" : ` (${PROTOCOLS[connections.protocol]})`
    }`,
  );
  const others = report.held.filter(({ link }) => !report.links.some(({ name }) => name === link));
  for (const fact of others) {
    for (const words of heldWords(fact, nowMs)) lines.push(...wrap(`${fact.link} ${words}`, width));
  }
  if (report.plugins.length > 0) lines.push("", ...pluginLines(report.plugins, options));
  return lines;
}

const PROTOCOLS = {
  mptcp: "MPTCP",
  tcp: "plain TCP",
  striped: "striped over all links",
  mixed: "of several kinds",
};

/** The table of plugins, with the reason below one that is not ready. */
export function pluginLines(plugins: PluginReport[], { width, colours, nowMs }: ViewOptions): string[] {
  const columns: Column[] = [
    { title: "PLUGIN", shrink: true },
    { title: "VERSION" },
    { title: "STATE" },
    { title: "FOR" },
    { title: "RESTARTS", align: "right" },
    { title: "MEMORY", align: "right" },
  ];
  const [head, ...rows] = table(
    columns,
    plugins.map(({ name, version, state, idle, sinceMs, restarts, memoryBytes }) => [
      name,
      version,
      idle ? "idle" : state.replaceAll("-", " "),
      sinceMs > 0 ? duration(nowMs - sinceMs) : "-",
      String(restarts),
      bytes(memoryBytes),
    ]),
    width,
    painter(colours, 2),
  );
  return [
    head!,
    ...rows.flatMap((
      row,
      index,
    ) => [row, ...indented(plugins[index]!.reason ?? plugins[index]!.idle, width)]),
  ];
}

function links({ links, held }: StatusReport, { width, colours, nowMs }: ViewOptions): string[] {
  const columns: Column[] = [
    { title: "LINK", shrink: true },
    { title: "TIER" },
    { title: "STATE" },
    { title: "DOWN", align: "right" },
    { title: "UP", align: "right" },
    { title: "RTT", align: "right" },
    { title: "LOSS", align: "right" },
    { title: "SHARE", align: "right" },
    { title: "FLOWS", align: "right" },
  ];
  const [head, ...rows] = table(
    columns,
    links.map(({ name, tier, observed, path }) => [
      name,
      tier,
      observed.state === "up" ? path?.state ?? "up" : observed.state,
      rate(path?.rxBitsPerSecond),
      rate(path?.txBitsPerSecond),
      milliseconds(path?.rttMs),
      lossShort(path?.loss, path?.lineLoss),
      percent(path?.share),
      String(path?.subflows ?? "-"),
    ]),
    width,
    painter(colours, 2),
  );
  return [
    head!,
    ...rows.flatMap((row, index) => {
      const { observed, path, health } = links[index]!;
      const trouble = health?.state === "down" || health?.state === "degraded" ? health.reason : undefined;
      const stripped = path?.protocol === "tcp" ? "plain TCP: MPTCP does not get through" : undefined;
      return [
        row,
        ...indented(observed.reason ?? trouble ?? path?.reason ?? stripped, width),
        ...held.filter(({ link }) => link === links[index]!.name).flatMap((fact) =>
          heldWords(fact, nowMs).flatMap((words) => indented(words, width))
        ),
      ];
    }),
  ];
}

/** Why a link gets nothing new: a sentence for each direction. */
function heldWords({ up, down }: HeldLinkFact, nowMs: number): string[] {
  return ([["uploads", up], ["downloads", down]] as const).flatMap(([what, proof]) => {
    if (!proof) return [];
    const again = proof.untilMs > nowMs
      ? `in ${duration(proof.untilMs - nowMs)}`
      : "as soon as there is enough to send";
    return `held back for ${what}: ${rate(proof.withBitsPerSecond)} with it, ${
      rate(proof.withoutBitsPerSecond)
    } without; tried again ${again}`;
  });
}

function tunnel(
  { state, reason, sinceMs, mtu, paths }: NonNullable<StatusReport["tunnel"]>,
  { width, colours, nowMs }: ViewOptions,
): string[] {
  const how = paint(
    colours,
    STATE_PAINTS.get(state) ?? "dim",
    state === "unknown" ? "not up yet" : printable(state),
  );
  const since = state === "unknown" ? "" : ` for ${duration(nowMs - sinceMs)}`;
  const size = state === "up" && mtu !== undefined ? `, for packets of up to ${mtu} bytes` : "";
  const lines = [`Tunnel: ${how}${since}${size}`, ...indented(reason, width)];
  if (paths.length === 0) return lines;
  const columns: Column[] = [
    { title: "PATH", shrink: true },
    { title: "STATE" },
    { title: "DOWN", align: "right" },
    { title: "UP", align: "right" },
    { title: "RTT", align: "right" },
    { title: "LOSS", align: "right" },
  ];
  const used = (way: TunnelPathFact["up"]) =>
    rateOf(way?.usedBitsPerSecond, way?.rateBitsPerSecond, way?.isStarting);
  const [head, ...rows] = table(
    columns,
    paths.map(({ link, state, up, down, rttMs }) => [
      link,
      state,
      used(down),
      used(up),
      milliseconds(rttMs),
      tunnelLoss([up, down].filter((way) => way !== undefined)),
    ]),
    width,
    painter(colours, 1),
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

function health(conditions: HealthReport[], { width, colours, told = asItIs }: ViewOptions): string[] {
  const order = ["error", "warning", "info"];
  const sorted = [...conditions].sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
  if (sorted.length === 0) return [];
  return [
    "",
    paint(colours, "bold", plural(sorted.length, "thing") + " to know"),
    ...sorted.flatMap(({ severity, message, next, plugin }) => {
      const [first = "", ...rest] = wrap(`${told(message)} (${plugin})`, width - 10);
      return [
        `${paint(colours, SEVERITY_PAINTS.get(severity) ?? "dim", printable(severity).padEnd(8))}${first}`,
        ...rest.map((line) => `        ${line}`),
        ...next ? wrap(told(`next: ${next}`), width - 10).map((line) => `        ${line}`) : [],
      ];
    }),
  ];
}

function asItIs(text: string): string {
  return text;
}

function painter(colours: boolean, stateColumn: number) {
  return (text: string, row: number, column: number) => {
    if (row < 0) return paint(colours, "dim", text);
    const colour = column === stateColumn ? STATE_PAINTS.get(text) : undefined;
    return colour ? paint(colours, colour, text) : text;
  };
}

function indented(reason: string | undefined, width: number): string[] {
  return reason ? wrap(reason, width - 4).map((line) => `    ${line}`) : [];
}
