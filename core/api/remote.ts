// The running core as its clients see it, and the listener on the other end: one method of Core is one RPC method.
import { accepted } from "../contract/accepted.ts";
import type { Core, LogLine } from "../client.ts";
import { listenUnix, Rpc } from "../supervisor/rpc.ts";

/** Calls that only pass their arguments on. */
const CALLS = [
  "status",
  "config",
  "propose",
  "confirm",
  "revert",
  "history",
  "diff",
  "schemas",
  "plugins",
  "act",
  "boxes",
  "addBox",
  "boxCode",
  "renameBox",
  "revokeBox",
  "join",
  "stop",
  "remains",
] as const;

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

/** Serves `core` on a Unix socket for the owner only; returns how to stop. */
export function serveCore(core: Core, path: string): { close(): void } {
  const listener = listenUnix(path);
  const clients = new Set<Rpc>();
  void (async () => {
    for await (const stream of accepted(listener)) {
      const gone = new AbortController();
      const rpc: Rpc = new Rpc(stream, {
        ...Object.fromEntries(
          CALLS.map((
            name,
          ) => [name, (args: unknown[]) => (core[name] as (...args: unknown[]) => unknown)(...args)]),
        ),
        logs: async ([options]: [{ plugin?: string; lines?: number; follow: boolean }]) => {
          const take = (line: LogLine) => rpc.notify("line", line);
          const done = core.logs({ ...options, follow: options.follow ? gone.signal : undefined }, take);
          if (!options.follow) await done;
          else done.catch(() => {});
        },
      });
      clients.add(rpc);
      void rpc.closed.then(() => {
        gone.abort();
        clients.delete(rpc);
      });
    }
  })();
  return {
    close() {
      listener.close();
      for (const rpc of clients) rpc.close();
    },
  };
}
