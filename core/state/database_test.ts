import { strict as assert } from "node:assert";
import { SmallDisk } from "../../tests/lab/disk.ts";
import { migrate, openDatabase, statement, transaction } from "./database.ts";

async function withFolder(body: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "otb" });
  try {
    await body(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("a database is durable and for its owner only", () =>
  withFolder((folder) => {
    const db = openDatabase(`${folder}/otb.db`);
    const pragma = (name: string) => Object.values(db.prepare(`PRAGMA ${name}`).get()!)[0];
    assert.deepEqual([pragma("journal_mode"), pragma("synchronous"), pragma("foreign_keys")], ["wal", 2, 1]);
    for (const { name } of Deno.readDirSync(folder)) {
      assert.equal(Deno.statSync(`${folder}/${name}`).mode! & 0o077, 0, name);
    }
    db.close();
  }));

Deno.test("what is asked ten thousand times takes the memory of one statement", () =>
  withFolder((folder) => {
    const db = openDatabase(`${folder}/otb.db`);
    migrate(db, "part", ["CREATE TABLE a (x TEXT PRIMARY KEY, y TEXT, z INTEGER) STRICT"]);
    const ask = (times: number) => {
      for (let count = 0; count < times; count++) {
        statement(db, "INSERT OR REPLACE INTO a VALUES ('x', ?, ?)").run("y", count);
        assert.equal(statement(db, "SELECT * FROM a WHERE x = ? ORDER BY z DESC LIMIT 1").get("x")!.z, count);
      }
      return Deno.memoryUsage().rss;
    };
    db.exec("BEGIN");
    const before = ask(1_000), after = ask(10_000);
    db.exec("COMMIT");
    assert.ok(after - before < 10_000 * 1_000, `${(after - before) / 10_000} bytes of each`);
    // Whoever closed one and opened another asks the other.
    db.close();
    const other = openDatabase(`${folder}/otb.db`);
    assert.equal(statement(other, "SELECT z FROM a").get()!.z, 9_999);
    other.close();
  }));

Deno.test("damage inside a database is found when it is opened, and told with what to do", () =>
  withFolder((folder) => {
    const path = `${folder}/otb.db`;
    const db = openDatabase(path);
    migrate(db, "part", ["CREATE TABLE a (x TEXT) STRICT"]);
    const insert = db.prepare("INSERT INTO a VALUES (?)");
    transaction(db, () => {
      for (let count = 0; count < 200; count++) insert.run("x".repeat(1_000));
    });
    db.close();
    const file = Deno.openSync(path, { write: true });
    file.seekSync(5 * 4096, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(8 * 4096).fill(0xa5));
    file.close();
    assert.throws(() => openDatabase(path), { code: "database-corrupt", next: /Restore a backup/ });
  }));

Deno.test("a directory that is not there or lets nobody write is told as such", () =>
  withFolder(async (folder) => {
    assert.throws(() => openDatabase(`${folder}/gone/otb.db`), { code: "state-not-writable" });
    const mount = (...args: string[]) => new Deno.Command(args[0]!, { args: args.slice(1) }).output();
    assert.ok((await mount("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder)).success, "needs root");
    try {
      assert.throws(() => openDatabase(`${folder}/otb.db`), { code: "state-not-writable" });
    } finally {
      await mount("umount", "-l", folder);
    }
  }));

Deno.test("a process killed within a migration leaves the old version whole", () =>
  withFolder(async (folder) => {
    const path = `${folder}/otb.db`;
    const steps = ["CREATE TABLE a (x INTEGER) STRICT"];
    const db = openDatabase(path);
    migrate(db, "part", steps);
    db.close();
    const child = `
      import { migrate, openDatabase } from "${new URL("./database.ts", import.meta.url).href}";
      const db = openDatabase(${JSON.stringify(path)});
      db.function("die", () => Deno.kill(Deno.pid, "SIGKILL"));
      migrate(db, "part", [${
      JSON.stringify(steps[0])
    }, "CREATE TABLE b (x INTEGER) STRICT", "SELECT die()"]);`;
    await Deno.writeTextFile(`${folder}/child.ts`, child);
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const { signal } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-lock", `--config=${config}`, `${folder}/child.ts`],
      stdout: "null",
      stderr: "inherit",
    }).output();
    assert.equal(signal, "SIGKILL");
    const after = openDatabase(path);
    assert.equal(after.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'b'").get()!.n, 0);
    migrate(after, "part", [...steps, "CREATE TABLE b (x INTEGER) STRICT"]);
    after.close();
  }));

Deno.test("a database held by another process for long is busy, not broken", () =>
  withFolder((folder) => {
    const holder = openDatabase(`${folder}/otb.db`);
    const other = openDatabase(`${folder}/otb.db`);
    other.exec("PRAGMA busy_timeout = 50");
    holder.exec("BEGIN IMMEDIATE");
    assert.throws(() => transaction(other, () => {}), { code: "database-busy" });
    holder.exec("ROLLBACK");
    transaction(other, () => {});
    holder.close();
    other.close();
  }));

Deno.test("from a disk that failed the database is still read, whole, and nothing is promised to be written", () =>
  withFolder(async (folder) => {
    await using disk = await SmallDisk.make(folder, "failing");
    const path = `${disk.path}/otb.db`;
    const child = `
      import { openDatabase, transaction } from "${new URL("./database.ts", import.meta.url).href}";
      const db = openDatabase(${JSON.stringify(path)});
      db.exec("CREATE TABLE a (x INTEGER)");
      db.exec("INSERT INTO a VALUES (7)");
      Deno.kill(Deno.pid, "SIGKILL");`;
    await Deno.writeTextFile(`${folder}/child.ts`, child);
    const config = new URL("../../deno.json", import.meta.url).pathname;
    await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-lock", `--config=${config}`, `${folder}/child.ts`],
      stdout: "null",
      stderr: "inherit",
    }).output();
    disk.fill();
    // Until the file system gives up.
    for (let count = 0; count < 600 && !isReadOnly(path); count++) {
      try {
        using file = Deno.openSync(`${disk.path}/f${count}`, { create: true, write: true });
        file.syncSync();
      } catch {
        // That is what is wanted.
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok(isReadOnly(path));
    const db = openDatabase(path, `${folder}/copy.db`);
    assert.equal(db.prepare("SELECT x FROM a").get()!.x, 7);
    assert.throws(() => transaction(db, () => db.exec("INSERT INTO a VALUES (8)")), {
      code: "state-not-writable",
    });
    db.close();
  }));

function isReadOnly(path: string): boolean {
  try {
    Deno.openSync(path, { write: true }).close();
    return false;
  } catch (error) {
    return /os error 30/.test(String(error));
  }
}
