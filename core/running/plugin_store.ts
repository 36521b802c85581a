// What plugins remember: a table of values by plugin and key. What the disk does not take is kept in memory until it does.
import type { DatabaseSync } from "node:sqlite";
import type { Json } from "../contract/mod.ts";
import { migrate, statement, transaction } from "../state/database.ts";

const STEPS = [
  "CREATE TABLE plugin_store (plugin TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (plugin, key)) STRICT",
];

/** Small durable values of all plugins. */
export class PluginStore {
  /** What waits for the disk, null for what is to go, by plugin and key as JSON. */
  #waiting = new Map<string, Json | null>();

  /** @param onFailure told of each write that the database refused */
  constructor(
    private readonly db: DatabaseSync,
    private readonly onFailure: (error: unknown) => void = () => {},
  ) {
    migrate(db, "plugin-store", STEPS);
  }

  get(plugin: string, key: string): Json | null {
    const waiting = this.#waiting.get(JSON.stringify([plugin, key]));
    if (waiting !== undefined) return waiting;
    const row = statement(this.db, "SELECT value FROM plugin_store WHERE plugin = ? AND key = ?").get(
      plugin,
      key,
    );
    return row ? JSON.parse(String(row.value)) : null;
  }

  /** On disk when it returns; where it throws, it is written as soon as the disk takes it. @throws OtbError `disk-full` and the like */
  set(plugin: string, key: string, value: Json | null): void {
    const name = JSON.stringify([plugin, key]);
    this.#waiting.set(name, value);
    this.#write([[name, value]]);
  }

  /** Writes what waits. @throws OtbError while the disk does not take it */
  flush(): void {
    if (this.#waiting.size > 0) this.#write([...this.#waiting]);
  }

  #write(values: [name: string, value: Json | null][]): void {
    try {
      transaction(this.db, () => {
        for (const [name, value] of values) {
          const [plugin, key] = JSON.parse(name) as [string, string];
          if (value === null) {
            statement(this.db, "DELETE FROM plugin_store WHERE plugin = ? AND key = ?").run(plugin, key);
          } else {
            statement(
              this.db,
              "INSERT INTO plugin_store VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            ).run(plugin, key, JSON.stringify(value));
          }
        }
      });
    } catch (error) {
      this.onFailure(error);
      throw error;
    }
    for (const [name] of values) this.#waiting.delete(name);
  }
}
