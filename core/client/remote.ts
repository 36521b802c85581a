// The running core as its clients see it: one method of Core is one RPC method.
import type { Core, LogLine, StatusReport } from "./types.ts";
import { Rpc } from "../supervisor/rpc.ts";
import { CALLS } from "./calls.ts";

type LogOptions = Parameters<Core["logs"]>[0];

/** A change waits for the plugins to settle, a stop for the kernel. */
const CALL_TIMEOUT_MS = 120_000;

/** A Core on the other side of `stream`. */
export function remoteCore(stream: Deno.Conn): Core {
  let onLine: (line: LogLine) => void = () => {};
  let onStatus: (status: StatusReport) => void = () => {};
  const rpc = new Rpc(stream, {
    line: (line: LogLine) => onLine(line),
    status: (status: StatusReport) => onStatus(status),
  });
  const calls = Object.fromEntries(
    CALLS.map((name) => [name, (...args: unknown[]) => rpc.call(name, args, CALL_TIMEOUT_MS)]),
  );
  /** Until the caller has enough, or the core is gone. */
  const untilEnd = async (signal: AbortSignal) => {
    if (signal.aborted) return;
    const aborted = new Promise<void>((resolve) =>
      signal.addEventListener("abort", () => resolve(), { once: true })
    );
    await Promise.race([aborted, rpc.closed]);
  };
  return {
    ...calls,
    live: true,
    async logs({ follow, ...options }: LogOptions, take: (line: LogLine) => void) {
      onLine = take;
      await rpc.call("logs", [{ ...options, follow: follow !== undefined }]);
      if (follow) await untilEnd(follow);
    },
    async watch({ signal }: { signal: AbortSignal }, take: (status: StatusReport) => void) {
      onStatus = take;
      await rpc.call("watch");
      await untilEnd(signal);
    },
    close: () => rpc.close(),
  } as unknown as Core;
}
