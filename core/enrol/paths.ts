// Where everything lies in the state directory and in the otb tree.
import { createHash } from "node:crypto";
import { OtbError } from "../contract/mod.ts";

/** Absolute paths of one otb installation and one state directory. */
export interface StatePaths {
  state: string;
  database: string;
  secrets: string;
  logs: string;
  /** Sockets, process records and the lock: a link to where the machine keeps what ends with it. */
  run: string;
  /** Parent of the plugins' own directories. */
  data: string;
  lock: string;
  /** Takes the record of what is in the kernel while the database can't. */
  journal: string;
  /** Socket of the core for clients. */
  socket: string;
  /** Root of the otb tree. */
  root: string;
  plugins: string;
  /** Plugins of others, as they were when root added them. */
  added: string;
}

/** Paths for a state directory; nothing is created. */
export function statePaths(stateDirectory: string): StatePaths {
  const state = absolute(stateDirectory);
  const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
  return {
    state,
    database: `${state}/otb.db`,
    secrets: `${state}/secrets`,
    logs: `${state}/log`,
    run: `${state}/run`,
    data: `${state}/plugins`,
    lock: `${state}/run/lock`,
    journal: `${state}/run/journal`,
    socket: `${state}/run/core.sock`,
    root,
    plugins: `${root}/plugins`,
    added: `${state}/added`,
  };
}

/** Creates the directories for the owner only. @throws OtbError `state-not-writable` */
export function makeDirectories(paths: StatePaths): void {
  try {
    Deno.mkdirSync(paths.state, { recursive: true, mode: 0o700 });
    makeRun(paths);
    for (const directory of [paths.run, paths.data, paths.logs, paths.secrets]) {
      Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    }
    if ((Deno.statSync(paths.state).mode ?? 0) & 0o077) Deno.chmodSync(paths.state, 0o700);
  } catch (error) {
    throw new OtbError(
      "state-not-writable",
      `Cannot use the state directory as it must be writable: current value is "${paths.state}" (${
        (error as Error).message
      })`,
      "Run otb as root, or choose another one with --state.",
    );
  }
}

/**
 * Sockets and records are made and removed while plugins come and go, which must work with a full disk too: they lie in /run,
 * in memory. Without a /run of the machine's, and for who may not write there, they lie in the state directory.
 */
function makeRun({ state, run, lock }: StatePaths): void {
  const target = `/run/otb/${createHash("sha256").update(state).digest("hex").slice(0, 16)}`;
  try {
    Deno.mkdirSync(target, { recursive: true, mode: 0o700 });
    const link = linkOf(run);
    if (link === target) return;
    // A directory of an earlier otb: a core that runs there holds its lock. A link elsewhere came with a copy of another state.
    if (link === undefined && exists(lock) && !isFree(lock)) return;
    Deno.removeSync(run, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) return;
  }
  try {
    Deno.symlinkSync(target, run);
  } catch {
    // A directory is made instead.
  }
}

function linkOf(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function isFree(lock: string): boolean {
  using file = Deno.openSync(lock, { read: true });
  return file.tryLockSync(false);
}

function absolute(path: string): string {
  const joined = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  return joined.replace(/\/+$/, "") || "/";
}
