// The record of what we put into the kernel, so that a killed core can take it over or take it away. The kernel's state matters
// more than its record: where the disk takes nothing, entries are kept in memory and in a file aside, which lies where the
// kernel's state does (tmpfs: both are gone after a restart of the machine), until the disk takes them again.
import type { DatabaseSync } from "node:sqlite";
import { statement, transaction } from "../state/database.ts";
import { identity, type Resource } from "./model.ts";
import type { JournalEntry } from "./plan.ts";

/** What a journal may be given beside its database. */
export interface JournalOptions {
  /** Path of the file that takes the entries while the database can't. */
  aside?: string;
  /** Told of each write that the database refused. */
  onFailure?(error: unknown): void;
}

/** Remembers resources: an entry is written before the kernel is told, and removed after. */
export class Journal {
  readonly #database: DatabaseSync;
  readonly #options: JournalOptions;
  #entries = new Map<string, JournalEntry>();
  /** The database is not as the entries are. */
  #isBehind = false;

  /** Creates its table `net_journal` in the given database where it is missing. */
  constructor(database: DatabaseSync, options: JournalOptions = {}) {
    this.#database = database;
    this.#options = options;
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
    const aside = this.#readAside();
    for (const entry of aside ?? this.#read()) this.#entries.set(identity(entry.resource), entry);
    this.#isBehind = aside !== undefined;
    this.flush();
  }

  /** All entries, in a stable order. */
  entries(): JournalEntry[] {
    return [...this.#entries].sort(([a], [b]) => a < b ? -1 : 1).map(([, entry]) => entry);
  }

  /** Writes or replaces entries, all or none, before it returns. */
  put(entries: JournalEntry[]): void {
    this.#change(entries.map((entry) => [identity(entry.resource), entry]));
  }

  /** Notes how the kernel shows an entry. */
  fingerprint(id: string, hash: string): void {
    const entry = this.#entries.get(id);
    if (entry) this.#change([[id, { ...entry, fingerprint: hash }]]);
  }

  /** The kernel has taken these. */
  confirm(identities: string[]): void {
    this.#change(identities.flatMap((id) => {
      const entry = this.#entries.get(id);
      return entry && !entry.applied ? [[id, { ...entry, applied: true }] as const] : [];
    }));
  }

  /** These are seen to be gone from the kernel, or are not ours. */
  forget(identities: string[]): void {
    this.#change(identities.filter((id) => this.#entries.has(id)).map((id) => [id, undefined]));
  }

  /** Has the database follow, where it could not before; false while it still can't. */
  flush(): boolean {
    if (!this.#isBehind) return true;
    return this.#write(() => {
      this.#database.exec("DELETE FROM net_journal");
      for (const [id, entry] of this.#entries) this.#store(id, entry);
    });
  }

  #change(changes: (readonly [id: string, entry: JournalEntry | undefined])[]): void {
    if (changes.length === 0) return;
    for (const [id, entry] of changes) {
      if (entry) this.#entries.set(id, entry);
      else this.#entries.delete(id);
    }
    if (this.#isBehind) return void this.flush();
    this.#write(() => {
      for (const [id, entry] of changes) this.#store(id, entry);
    });
  }

  #store(id: string, entry: JournalEntry | undefined): void {
    if (!entry) return void statement(this.#database, "DELETE FROM net_journal WHERE identity = ?").run(id);
    const { owner, key, resource, previous, foreign, applied, fingerprint, others } = entry;
    statement(this.#database, "INSERT OR REPLACE INTO net_journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)").run(
      id,
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

  #write(change: () => void): boolean {
    try {
      transaction(this.#database, change);
    } catch (error) {
      this.#isBehind = true;
      this.#writeAside();
      this.#options.onFailure?.(error);
      return false;
    }
    if (this.#isBehind) this.#removeAside();
    this.#isBehind = false;
    return true;
  }

  #read(): JournalEntry[] {
    return statement(this.#database, "SELECT * FROM net_journal").all().map((row) => ({
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

  /** What a core that ended while the disk took nothing knew last. */
  #readAside(): JournalEntry[] | undefined {
    try {
      return this.#options.aside === undefined
        ? undefined
        : JSON.parse(Deno.readTextFileSync(this.#options.aside));
    } catch {
      // There is none, or it was torn: then the database is the best there is.
      return undefined;
    }
  }

  #writeAside(): void {
    const { aside } = this.#options;
    if (aside === undefined) return;
    try {
      Deno.writeTextFileSync(`${aside}.new`, JSON.stringify([...this.#entries.values()]), { mode: 0o600 });
      Deno.renameSync(`${aside}.new`, aside);
    } catch {
      // Memory is left: as long as this process lives nothing is forgotten.
    }
  }

  #removeAside(): void {
    try {
      if (this.#options.aside !== undefined) Deno.removeSync(this.#options.aside);
    } catch {
      // It could not be written either.
    }
  }
}
