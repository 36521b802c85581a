// What flows while `otb bench failover` cuts links: a download, an upload, or an idle session, with its gaps and whether it was whole.
import type { Gap } from "../lab/meter.ts";
import { Lines } from "../lab/programs.ts";
import { SERVER_ADDRESS, type World } from "../worlds/world.ts";
import { gapsUntil } from "./failover_figures.ts";

export const FLOWS = ["download", "upload", "session"] as const;
export type FlowKind = typeof FLOWS[number];

const SESSION_PORT = 9302;
/** A session that was ended has ended by then, milliseconds. */
const PATIENCE_MS = 60_000;

/** What became of one connection; times are milliseconds since the epoch. */
export interface Flowed {
  gaps: Gap[];
  /** Why it is not whole: a reset, an early end, or bytes that were not sent. */
  broken?: string;
}

/** One connection of a device. */
export interface Flow {
  /** Resolves once all links carry it, or the idle one has carried something. */
  isFlowing: Promise<unknown>;
  /** Ends it in order where it does not end by itself. @param untilMs when the last look at it was over, since the epoch */
  end(untilMs: number): Promise<Flowed>;
}

/** Begins one; a download or an upload ends by itself after so many seconds, and not before. */
export function begin(world: World, kind: FlowKind, seconds: number): Flow {
  return kind === "session" ? session(world) : transfer(world, kind === "upload", seconds);
}

function transfer(world: World, upload: boolean, seconds: number): Flow {
  const running = world.transfer("device1", { seconds, upload });
  running.catch(() => {});
  return {
    isFlowing: world.box.until(({ links }) =>
      links.every(({ path }) => (upload ? path?.txBitsPerSecond ?? 0 : path?.rxBitsPerSecond ?? 0) > 1e6)
    ),
    async end(untilMs) {
      const { startedMs, arrivals, gaps, checksumOk, error } = await running;
      const endMs = startedMs + seconds * 1000;
      const broken = error ?? (checksumOk ? undefined : "bytes that were not sent") ??
        (endMs < untilMs ? "was over before the last cut, as this machine is too busy" : undefined);
      return { gaps: gapsUntil(gaps, arrivals, endMs), ...(broken && { broken }) };
    },
  };
}

/** Each line's way is a gap from its sending to its arrival. */
function session(world: World): Flow {
  const gaps: Gap[] = [];
  const program = (role: string, ...words: string[]) => {
    const lines = new Lines(world.lab, role, ["tests/lab/session.ts", ...words]);
    lines.listen((line) => "way" in line && gaps.push(line as unknown as Gap));
    return lines;
  };
  const server = program("server", "serve", String(SESSION_PORT));
  const client = server.next(({ ready }) => ready === true).then(() =>
    program("device1", "ask", `${SERVER_ADDRESS}:${SESSION_PORT}`)
  );
  const ended = client.then((lines) => lines.next<{ error?: string }>((line) => "ended" in line));
  ended.catch(() => {});
  return {
    isFlowing: client.then((lines) => lines.next(({ way }) => way === "down")),
    async end() {
      const lines = await client;
      try {
        await lines.write("end").catch(() => {});
        const { error } = await Promise.race([ended, late()]);
        return { gaps, ...(error !== undefined && { broken: error }) };
      } finally {
        await Promise.all([lines.stop(), server.stop()]);
      }
    },
  };
}

function late(): Promise<{ error: string }> {
  return new Promise((resolve) => setTimeout(() => resolve({ error: "does not end" }), PATIENCE_MS));
}
