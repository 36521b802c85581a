// The durable record of what we put into the kernel, so that a killed core can take it over or take it away.
import type { DatabaseSync } from "node:sqlite";
import { identity, type Resource } from "./model.ts";
import type { JournalEntry } from "./plan.ts";

/** Remembers resources in SQLite: an entry is written before the kernel is told, and removed after. */
export class Journal {
  readonly #database: DatabaseSync;

  /** Creates its table `net_journal` in the given database where it is missing. */
  constructor(database: DatabaseSync) {
    this.#database = database;
    database.exec(`CREATE TABLE IF NOT EXISTS net_journal (
      identity TEXT PRIMARY KEY,
      owner TEXT NOT NULL,
      key TEXT NOT NULL,
      resource TEXT NOT NULL,
      previous TEXT,
      is_foreign INTEGER NOT NULL,
      applied INTEGER NOT NULL,
      fingerprint TEXT,
      others TEXT
    ) STRICT, WITHOUT ROWID`);
    // Journals of before several owners could share a resource.
    const columns = database.prepare("SELECT name FROM pragma_table_info('net_journal')").all();
    if (!columns.some(({ name }) => name === "others")) {
      database.exec("ALTER TABLE net_journal ADD COLUMN others TEXT");
    }
  }

  /** All entries, in a stable order. */
  entries(): JournalEntry[] {
    return this.#database.prepare("SELECT * FROM net_journal ORDER BY identity").all().map((row) => ({
      owner: row.owner as string,
      key: row.key as string,
      resource: JSON.parse(row.resource as string) as Resource,
      previous: row.previous === null ? undefined : JSON.parse(row.previous as string) as Resource,
      foreign: row.is_foreign === 1,
      applied: row.applied === 1,
      fingerprint: row.fingerprint as string ?? undefined,
      others: row.others === null ? undefined : JSON.parse(row.others as string),
    }));
  }

  /** Writes or replaces entries, all or none, before it returns. */
  put(entries: JournalEntry[]): void {
    if (entries.length === 0) return;
    this.#atOnce(() => {
      const insert = this.#database.prepare(
        "INSERT OR REPLACE INTO net_journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      );
      for (const { owner, key, resource, previous, foreign, applied, fingerprint, others } of entries) {
        insert.run(
          identity(resource),
          owner,
          key,
          JSON.stringify(resource),
          previous ? JSON.stringify(previous) : null,
          foreign ? 1 : 0,
          applied ? 1 : 0,
          fingerprint ?? null,
          others ? JSON.stringify(others) : null,
        );
      }
    });
  }

  /** Notes how the kernel shows an entry. */
  fingerprint(id: string, hash: string): void {
    this.#database.prepare("UPDATE net_journal SET fingerprint = ? WHERE identity = ?").run(hash, id);
  }

  /** The kernel has taken these. */
  confirm(identities: string[]): void {
    this.#each("UPDATE net_journal SET applied = 1 WHERE identity = ?", identities);
  }

  /** These are seen to be gone from the kernel, or are not ours. */
  forget(identities: string[]): void {
    this.#each("DELETE FROM net_journal WHERE identity = ?", identities);
  }

  #each(sql: string, identities: string[]): void {
    if (identities.length === 0) return;
    this.#atOnce(() => {
      const statement = this.#database.prepare(sql);
      for (const id of identities) statement.run(id);
    });
  }

  #atOnce(change: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      change();
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }
}
