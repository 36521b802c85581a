// The running core as its clients see it: one method of Core is one RPC method.
import type { Core, LogLine } from "./types.ts";
import { Rpc } from "../supervisor/rpc.ts";
import { CALLS } from "./calls.ts";

type LogOptions = Parameters<Core["logs"]>[0];

/** A change waits for the plugins to settle, a stop for the kernel. */
const CALL_TIMEOUT_MS = 120_000;

/** A Core on the other side of `stream`. */
export function remoteCore(stream: Deno.Conn): Core {
  let onLine: (line: LogLine) => void = () => {};
  const rpc = new Rpc(stream, { line: (line: LogLine) => onLine(line) });
  const calls = Object.fromEntries(
    CALLS.map((name) => [name, (...args: unknown[]) => rpc.call(name, args, CALL_TIMEOUT_MS)]),
  );
  return {
    ...calls,
    live: true,
    async logs({ follow, ...options }: LogOptions, take: (line: LogLine) => void) {
      onLine = take;
      await rpc.call("logs", [{ ...options, follow: follow !== undefined }]);
      if (!follow || follow.aborted) return;
      const aborted = new Promise<void>((resolve) =>
        follow.addEventListener("abort", () => resolve(), { once: true })
      );
      await Promise.race([aborted, rpc.closed]);
    },
    close: () => rpc.close(),
  } as unknown as Core;
}
