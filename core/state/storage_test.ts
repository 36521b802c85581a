// A disk that takes nothing: told once, asked again, and what waited is on it afterwards.
import { strict as assert } from "node:assert";
import { SmallDisk } from "../../tests/lab/disk.ts";
import { openDatabase } from "./database.ts";
import { PluginStore } from "../running/plugin_store.ts";
import { drawn } from "../contract/mod.ts";
import { coreWords } from "../texts/mod.ts";
import { conditionOf, Storage } from "./storage.ts";

Deno.test("what an error says of the disk is told apart, and what is about something else says nothing", () => {
  const said = (error: unknown) => {
    const found = conditionOf(error, "/var/lib/otb");
    return found && drawn(coreWords, found).message.match(/ (is full|can only|does not)/)?.[1];
  };
  assert.equal(said(new Error("database or disk is full")), "is full");
  assert.equal(said(new Error("No space left on device (os error 28)")), "is full");
  assert.equal(
    said(new Error("refused", { cause: new Error("attempt to write a readonly database") })),
    "can only",
  );
  assert.equal(said(new Error("Read-only file system (os error 30)")), "can only");
  assert.equal(said(new Error("disk I/O error")), "does not");
  assert.equal(said(new Error("Input/output error (os error 5)")), "does not");
  assert.equal(said(new Error("the kernel refused the route")), undefined);
  assert.equal(said("no error at all"), undefined);
});

Deno.test("a full disk is told once, and its end too; a value that could not be stored is stored then", async () => {
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  try {
    await using disk = await SmallDisk.make(folder);
    const db = openDatabase(`${disk.path}/otb.db`);
    const told: (string | undefined)[] = [];
    const ended = Promise.withResolvers<void>();
    const storage: Storage = new Storage(disk.path, () => store.flush(), (trouble) => {
      told.push(trouble?.[0]);
      if (!trouble) ended.resolve();
    });
    const store = new PluginStore(db, (error) => storage.failed(error));
    try {
      store.set("a", "before", 1);
      store.set("a", "gone", 2);
      db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      disk.fill();
      for (const value of ["x", "y", "z"]) {
        assert.throws(() => store.set("a", "before", value.repeat(50_000)), { code: "disk-full" });
      }
      assert.throws(() => store.set("a", "gone", null), { code: "disk-full" });
      assert.deepEqual([String(store.get("a", "before"))[0], store.get("a", "gone")], ["z", null]);
      assert.ok(storage.trouble);
      assert.equal(new PluginStore(db).get("a", "before"), 1);
      disk.free();
      await ended.promise;
      assert.deepEqual(told, ["state-not-written", undefined]);
      assert.equal(storage.trouble, undefined);
      const after = new PluginStore(db);
      assert.deepEqual([String(after.get("a", "before"))[0], after.get("a", "gone")], ["z", null]);
    } finally {
      storage.close();
      db.close();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
