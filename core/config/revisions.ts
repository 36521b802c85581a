// The history of the configuration: every version that was ever in force or waiting, in SQLite.
import type { DatabaseSync } from "node:sqlite";
import type { Revision } from "../client/types.ts";
import { type Json, OtbError } from "../contract/mod.ts";
import { migrate, statement, transaction } from "../state/database.ts";

/** How many revisions are kept. */
const KEEP = 200;

const STEPS = [
  `CREATE TABLE revision (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,
    parent INTEGER,
    document TEXT NOT NULL,
    author TEXT NOT NULL,
    comment TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'confirmed', 'reverted')),
    reverts_at_ms INTEGER
  ) STRICT`,
  // Revisions of before it was noted have none.
  "ALTER TABLE revision ADD COLUMN via TEXT CHECK (via IN ('cli', 'web', 'cloud', 'core'))",
];

/** The whole configuration as stored: only what differs from the defaults. */
export interface Document {
  network: Json;
  plugins: { [name: string]: Json };
}

/** A revision with its content; `revertsAtMs` only while pending. */
export interface StoredRevision extends Revision {
  document: Document;
  revertsAtMs?: number;
}

/** What `append` takes; `base` must be the newest revision, unless there is none yet. */
export interface NewRevision {
  base?: number;
  document: Document;
  author: string;
  via?: Revision["via"];
  comment: string;
  state: Revision["state"];
  revertsAtMs?: number;
}

/** Reads and writes revisions; two processes never both win. */
export class Revisions {
  constructor(private readonly db: DatabaseSync) {
    migrate(db, "config", STEPS);
  }

  /** @throws OtbError `revision-conflict` when somebody else was first, `disk-full` */
  append({ base, document, author, via, comment, state, revertsAtMs }: NewRevision): StoredRevision {
    return transaction(this.db, () => {
      const newest = this.newest();
      if (base !== newest?.revision) {
        throw new OtbError(
          "revision-conflict",
          `Cannot store the change as it must be based on the newest revision${
            newest ? ` ${newest.revision} (by ${newest.author}: ${newest.comment})` : ", and there is none"
          }: current value is "${base ?? "none"}"`,
          "Look at what changed with otb config diff, and make your change again.",
        );
      }
      const { lastInsertRowid } = statement(
        this.db,
        "INSERT INTO revision (parent, document, author, via, comment, created_at_ms, state, reverts_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      ).run(
        this.#inForceOrNone()?.revision ?? null,
        JSON.stringify(document),
        author,
        via ?? null,
        comment,
        Date.now(),
        state,
        revertsAtMs ?? null,
      );
      // However many changes were refused since: what is in force stays.
      statement(
        this.db,
        "DELETE FROM revision WHERE revision <= ? AND revision < (SELECT max(revision) FROM revision WHERE state = 'confirmed')",
      ).run(Number(lastInsertRowid) - KEEP);
      return this.get(Number(lastInsertRowid))!;
    });
  }

  /** Ends the waiting of a pending revision. @throws OtbError `nothing-pending` when it does not wait (any more), `disk-full` */
  setState(revision: number, state: "confirmed" | "reverted"): StoredRevision {
    return transaction(this.db, () => {
      const { changes } = statement(
        this.db,
        "UPDATE revision SET state = ?, reverts_at_ms = NULL WHERE revision = ? AND state = 'pending'",
      ).run(state, revision);
      if (Number(changes) === 0) {
        throw new OtbError(
          "nothing-pending",
          `Cannot mark revision ${revision} ${state} as it must be waiting: current value is "${
            this.get(revision)?.state ?? "unknown"
          }"`,
        );
      }
      return this.get(revision)!;
    });
  }

  newest(): StoredRevision | undefined {
    return this.#one("SELECT * FROM revision ORDER BY revision DESC LIMIT 1");
  }

  get(revision: number): StoredRevision | undefined {
    return this.#one("SELECT * FROM revision WHERE revision = ?", revision);
  }

  pending(): StoredRevision | undefined {
    return this.#one("SELECT * FROM revision WHERE state = 'pending' ORDER BY revision DESC LIMIT 1");
  }

  /** The newest confirmed or pending revision. @throws OtbError `not-initialised` */
  inForce(): StoredRevision {
    const found = this.#inForceOrNone();
    if (!found) {
      throw new OtbError(
        "not-initialised",
        "Cannot read the configuration as there is none yet",
        'Run "otb init".',
      );
    }
    return found;
  }

  #inForceOrNone(): StoredRevision | undefined {
    return this.#one("SELECT * FROM revision WHERE state <> 'reverted' ORDER BY revision DESC LIMIT 1");
  }

  /** What was confirmed last: where a pending change goes back to. */
  confirmed(): StoredRevision | undefined {
    return this.#one("SELECT * FROM revision WHERE state = 'confirmed' ORDER BY revision DESC LIMIT 1");
  }

  history(limit = 20): Revision[] {
    return statement(this.db, "SELECT * FROM revision ORDER BY revision DESC LIMIT ?").all(limit)
      .map((row) => fromRow(row as unknown as Row)).map(({ document: _, revertsAtMs: __, ...revision }) =>
        revision
      );
  }

  #one(sql: string, ...values: number[]): StoredRevision | undefined {
    const row = statement(this.db, sql).get(...values);
    return row && fromRow(row as unknown as Row);
  }
}

interface Row {
  revision: number;
  parent: number | null;
  document: string;
  author: string;
  via: Revision["via"] | null;
  comment: string;
  created_at_ms: number;
  state: Revision["state"];
  reverts_at_ms: number | null;
}

function fromRow(row: Row): StoredRevision {
  return {
    revision: row.revision,
    parent: row.parent ?? undefined,
    createdAtMs: row.created_at_ms,
    author: row.author,
    ...row.via === null ? {} : { via: row.via },
    comment: row.comment,
    state: row.state,
    document: JSON.parse(row.document),
    revertsAtMs: row.reverts_at_ms ?? undefined,
  };
}
