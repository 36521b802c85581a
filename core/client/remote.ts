// The running core as its clients see it: one method of Core is one RPC method.
import type { Author, Core, LogLine, StatusReport } from "./types.ts";
import { Rpc } from "../supervisor/rpc.ts";
import { CALLS } from "./calls.ts";

type LogOptions = Parameters<Core["logs"]>[0];

/** A change waits for the plugins to settle, a stop for the kernel. */
const CALL_TIMEOUT_MS = 120_000;

/** A Core on the other side of `stream`, for what `author` asks. */
export function remoteCore(stream: Deno.Conn, author: Author): Core {
  let onLine: (line: LogLine) => void = () => {};
  let onStatus: (status: StatusReport) => void = () => {};
  const rpc = new Rpc(stream, {
    line: (line: LogLine) => onLine(line),
    status: (status: StatusReport) => onStatus(status),
  });
  /** Until the caller has enough, or the core is gone. */
  const untilEnd = async (signal: AbortSignal) => {
    if (signal.aborted) return;
    const aborted = new Promise<void>((resolve) =>
      signal.addEventListener("abort", () => resolve(), { once: true })
    );
    await Promise.race([aborted, rpc.closed]);
  };
  let told: Author | undefined;
  const as = (author: Author): Core => ({
    ...Object.fromEntries(CALLS.map((name) => [name, (...args: unknown[]) => {
      // Calls are taken in order: what follows is this one's.
      if (told !== author) rpc.notify("author", told = author);
      return rpc.call(name, args, CALL_TIMEOUT_MS);
    }])),
    ...common,
    as,
  } as unknown as Core);
  const common = {
    live: true,
    async logs({ follow, ...options }: LogOptions, take: (line: LogLine) => void) {
      onLine = take;
      await rpc.call("logs", [{ ...options, follow: follow !== undefined }]);
      if (follow) await untilEnd(follow);
    },
    async watch({ signal, language }: Parameters<Core["watch"]>[0], take: (status: StatusReport) => void) {
      onStatus = take;
      await rpc.call("watch", [{ language }]);
      await untilEnd(signal);
    },
    close: () => rpc.close(),
  };
  return as(author);
}
