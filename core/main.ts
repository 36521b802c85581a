// Composition of a running core: lock, database, kernel, logs, plugins; ends in order on a signal.
import { requireInitialised } from "./enrol/init.ts";
import { takeLock } from "./enrol/lock.ts";
import { makeDirectories, statePaths } from "./enrol/paths.ts";
import { serveCore } from "./running/serve.ts";
import { RunningCore } from "./running/running.ts";
import { ensureTunnelKey } from "./enrol/tunnel_key.ts";
import type { LogLine } from "./client/types.ts";
import { Revisions } from "./config/revisions.ts";
import { Secrets } from "./config/secrets.ts";
import { Journal } from "./net/journal.ts";
import { Net } from "./net/net.ts";
import { OsLinux } from "./net/os_linux.ts";
import { OtbError, type Role } from "./contract/mod.ts";
import { openDatabase } from "./state/database.ts";
import { Logs } from "./running/log.ts";
import { catchUncaught, describeUncaught } from "./supervisor/uncaught.ts";
import { findPlugins } from "./supervisor/manifest.ts";
import { settleMemory } from "./supervisor/settled.ts";

/** How `otb up` runs the core. */
export interface RunOptions {
  stateDirectory: string;
  /** Ends the core in order. */
  signal: AbortSignal;
  /** Told of every log line. */
  onLine?(line: LogLine): void;
  /** Told once when every plugin had its first try. */
  onStarted?(core: RunningCore): void;
}

/**
 * Runs the role that the state directory holds until it is told to stop; afterwards nothing of it is left in the kernel.
 *
 * @throws OtbError `not-root`, `not-initialised`, `already-running`, `settings-refused`
 */
export async function runCore({ stateDirectory, signal, onLine, onStarted }: RunOptions): Promise<void> {
  if (Deno.uid() !== 0) {
    throw new OtbError(
      "not-root",
      `Cannot change the network as otb must run as root: current value is "uid ${Deno.uid()}"`,
      "sudo ./otb up",
    );
  }
  const paths = statePaths(stateDirectory);
  requireInitialised(paths);
  makeDirectories(paths);
  const lock = await takeLock(paths.lock);
  const ended = Promise.withResolvers<void>();
  const db = openDatabase(paths.database, `${paths.run}/otb.db`);
  const secrets = new Secrets(paths.secrets);
  // A machine that was set up by an earlier otb has none.
  ensureTunnelKey(secrets);
  const logs = new Logs(paths.logs, secrets.redactor());
  let core: RunningCore | undefined;
  if (onLine) logs.follow(onLine);
  const log = (level: LogLine["level"]) => (message: string, properties?: Record<string, unknown>) =>
    logs.write({
      atMs: Date.now(),
      level,
      plugin: "core",
      message,
      properties: properties as LogLine["properties"],
    });
  const coreLog = { debug: log("debug"), info: log("info"), warn: log("warning"), error: log("error") };
  // Whatever was forgotten somewhere: the LAN's routing hangs on this process.
  const stopCatching = catchUncaught((error) => {
    coreLog.error("Something failed that nobody waited for", {
      code: "uncaught",
      ...describeUncaught(error),
    });
    core?.noteUncaught(error);
  });
  try {
    const { role } = new Revisions(db).inForce().document.network as unknown as { role: Role };
    const { manifests, problems } = findPlugins([paths.plugins, paths.added], role);
    for (const problem of problems) coreLog.error(problem.message, { code: problem.code });
    const journal = new Journal(db, {
      aside: paths.journal,
      onFailure: (error) => core?.storage.failed(error),
    });
    const net = new Net(new OsLinux(), journal, coreLog);
    core = new RunningCore({ paths, db, secrets, net, journal, logs, manifests, role, end: ended.resolve });
    const server = serveCore(core, paths.socket);
    try {
      signal.addEventListener("abort", () => ended.resolve(), { once: true });
      if (signal.aborted) ended.resolve();
      coreLog.info(`Starting as ${role}`, { plugins: manifests.map(({ name }) => name).join(", ") });
      const running = core;
      const started = running.start().then(() => {
        settleMemory();
        onStarted?.(running);
      });
      await Promise.race([started, ended.promise]);
      await ended.promise;
      await started.catch(() => {});
    } finally {
      for (const sentence of await core.shutdown()) coreLog.warn(sentence);
      server.close();
      try {
        Deno.removeSync(paths.socket);
      } catch {
        // Somebody else removed it.
      }
      coreLog.info("Stopped");
    }
  } finally {
    stopCatching();
    db.close();
    lock.close();
  }
}
