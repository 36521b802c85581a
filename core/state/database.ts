// Opens the one SQLite file of a state directory, durable, with a version per component.
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { OtbError } from "../contract/mod.ts";

/**
 * Opens or creates the database: write-ahead log, every commit on disk before it returns.
 *
 * @param copy where a disk that can only be read has the database copied to: what it says is read there, and writes are refused
 * @throws OtbError `database-corrupt`, `state-not-writable`, `disk-full`
 */
export function openDatabase(path: string, copy?: string): DatabaseSync {
  try {
    return open(path);
  } catch (error) {
    if (copy === undefined || !isReadOnly(path)) throw error;
    for (const part of ["", "-wal"]) {
      try {
        Deno.removeSync(copy + part);
      } catch {
        // There was none.
      }
      try {
        Deno.copyFileSync(path + part, copy + part);
      } catch (error) {
        if (part === "") throw databaseError(error, path);
      }
    }
    const db = open(copy);
    db.exec("PRAGMA query_only = ON");
    return db;
  }
}

/** Whether its disk can only be read, as one is after it failed. */
function isReadOnly(path: string): boolean {
  try {
    Deno.openSync(path, { write: true }).close();
    return false;
  } catch (error) {
    return /os error 30\b/.test(String(error));
  }
}

function open(path: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 5_000 });
    try {
      db.exec("PRAGMA journal_mode = WAL");
    } catch (error) {
      // The index of the log may need room that the disk no longer has; for one process alone it is kept in memory instead.
      db.exec("PRAGMA locking_mode = EXCLUSIVE");
      if (Object.values(db.prepare("PRAGMA journal_mode = WAL").get() ?? {})[0] !== "wal") throw error;
    }
    db.exec("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
    // On a disk that can only be read there is nothing to change, and it still says how the network is to be.
    if ((Deno.statSync(path).mode ?? 0) & 0o077) Deno.chmodSync(path, 0o600);
    // Found now, with what to do, rather than in the middle of a change.
    const damage = String(Object.values(db.prepare("PRAGMA quick_check(1)").get() ?? {})[0]);
    if (damage !== "ok") throw new Error(`malformed: ${damage}`);
    return db;
  } catch (error) {
    db?.close();
    throw databaseError(error, path);
  }
}

/**
 * Brings the tables of one component up to date: runs the steps it has not run yet, all or none.
 *
 * @throws OtbError `database-newer` when a later otb wrote it
 */
export function migrate(db: DatabaseSync, component: string, steps: string[]): void {
  // Most starts find all in order, which needs no write.
  if (isUpToDate(db, component, steps.length)) return;
  transaction(db, () => {
    db.exec(
      "CREATE TABLE IF NOT EXISTS schema_version (component TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT",
    );
    const row = db.prepare("SELECT version FROM schema_version WHERE component = ?").get(component);
    const version = Number(row?.version ?? 0);
    if (version > steps.length) {
      throw new OtbError(
        "database-newer",
        `Cannot use the database as its part "${component}" must not be newer than this otb: current value is "${version}"`,
        "Install the newer otb again, or restore a backup.",
      );
    }
    if (version === steps.length) return;
    for (const step of steps.slice(version)) db.exec(step);
    db.prepare(
      "INSERT INTO schema_version VALUES (?, ?) ON CONFLICT DO UPDATE SET version = excluded.version",
    )
      .run(component, steps.length);
  });
}

function isUpToDate(db: DatabaseSync, component: string, version: number): boolean {
  const [known] = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").all();
  if (!known) return false;
  const row = db.prepare("SELECT version FROM schema_version WHERE component = ?").get(component);
  return row?.version === version;
}

/** What was asked of each database, by its SQL. */
const STATEMENTS = new WeakMap<DatabaseSync, Map<string, StatementSync>>();

/**
 * A statement for what is asked again and again, prepared once. The memory of one (10 KB and more) is SQLite's own: V8 does not
 * know of it, and sees no reason to collect statements that nobody holds any more.
 */
export function statement(db: DatabaseSync, sql: string): StatementSync {
  const known = STATEMENTS.get(db) ?? new Map<string, StatementSync>();
  STATEMENTS.set(db, known);
  const found = known.get(sql) ?? db.prepare(sql);
  known.set(sql, found);
  return found;
}

/** Runs `body` alone among all writers of the file, and undoes it when it throws. @throws OtbError `disk-full`, `disk-failing`, `state-not-writable`, `database-busy` */
export function transaction<T>(db: DatabaseSync, body: () => T): T {
  try {
    db.exec("BEGIN IMMEDIATE");
    const result = body();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw databaseError(error, db.location() ?? "in memory");
  }
}

/** What SQLite says (sqlite.org/rescode.html), for a person. */
function databaseError(error: unknown, path: string): unknown {
  if (error instanceof OtbError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const refuse = (code: string, rule: string, next: string) =>
    new OtbError(code, `Cannot use the database as ${rule}: current value is "${path}" (${text})`, next, {
      cause: error,
    });
  if (/not a database|malformed/.test(text)) {
    return refuse(
      "database-corrupt",
      "it must be a whole SQLite file",
      "Restore a backup, or move the state directory away and set up anew.",
    );
  }
  if (/database is locked|database is busy/.test(text)) {
    return refuse(
      "database-busy",
      "another process must not hold it for long",
      "Try again; otb status shows whether a core runs.",
    );
  }
  if (/disk is full|No space/.test(text)) {
    return refuse(
      "disk-full",
      "the disk must have room",
      "Free some room and try again; nothing was changed.",
    );
  }
  if (/disk I\/O/.test(text)) {
    return refuse(
      "disk-failing",
      "the disk must take what is written",
      "Look into dmesg for why it does not; nothing was changed.",
    );
  }
  if (/unable to open|readonly|denied/.test(text)) {
    return refuse(
      "state-not-writable",
      "it must be writable",
      "Run otb as root, or choose another directory with --state.",
    );
  }
  return error;
}
