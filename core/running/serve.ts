// The listener by which a running core answers its clients.
import { CALLS } from "../client/calls.ts";
import { readAuthor, ROOT } from "../client/author.ts";
import type { Core, LogLine } from "../client/types.ts";
import { accepted } from "../contract/accepted.ts";
import type { Language } from "../contract/mod.ts";
import { listenUnix, Rpc } from "../supervisor/rpc.ts";

/** Serves `core` on a Unix socket for the owner only; returns how to stop. */
export function serveCore(core: Core, path: string): { close(): void } {
  const listener = listenUnix(path);
  const clients = new Set<Rpc>();
  void (async () => {
    for await (const stream of accepted(listener)) {
      const gone = new AbortController();
      let asked = core.as(ROOT);
      const rpc: Rpc = new Rpc(stream, {
        ...Object.fromEntries(
          CALLS.map((
            name,
          ) => [name, (args: unknown[]) => (asked[name] as (...args: unknown[]) => unknown)(...args)]),
        ),
        author: (said: unknown) => void (asked = core.as(readAuthor(said))),
        logs: async ([options]: [{ plugin?: string; lines?: number; follow: boolean }]) => {
          const take = (line: LogLine) => rpc.notify("line", line);
          const done = core.logs({ ...options, follow: options.follow ? gone.signal : undefined }, take);
          if (!options.follow) await done;
          else done.catch(() => {});
        },
        watch: ([{ language }]: [{ language?: Language }]) => {
          core.watch({ signal: gone.signal, language }, (status) => rpc.notify("status", status)).catch(
            () => {},
          );
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
