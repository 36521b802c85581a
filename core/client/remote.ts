// The running core as its clients see it: one method of Core is one RPC method.
import type { Author, Core, LogLine } from "./types.ts";
import { Rpc } from "../supervisor/rpc.ts";
import { CALLS } from "./calls.ts";

type LogOptions = Parameters<Core["logs"]>[0];

/** A change waits for the plugins to settle, a stop for the kernel. */
const CALL_TIMEOUT_MS = 120_000;

/** A Core on the other side of `stream`, for what `author` asks. */
export function remoteCore(stream: Deno.Conn, author: Author): Core {
  let onLine: (line: LogLine) => void = () => {};
  const rpc = new Rpc(stream, { line: (line: LogLine) => onLine(line) });
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
      if (!follow || follow.aborted) return;
      const aborted = new Promise<void>((resolve) =>
        follow.addEventListener("abort", () => resolve(), { once: true })
      );
      await Promise.race([aborted, rpc.closed]);
    },
    close: () => rpc.close(),
  };
  return as(author);
}
