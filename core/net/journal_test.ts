import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { SmallDisk } from "../../tests/lab/disk.ts";
import { openDatabase, transaction } from "../state/database.ts";
import { Journal } from "./journal.ts";
import { identity, type Resource } from "./model.ts";
import { Net } from "./net.ts";
import { silent } from "./testing/namespace.ts";
import { machine } from "./testing/wishes.ts";

const FORWARD: Resource = { kind: "sysctl", name: "net/ipv4/ip_forward", value: "1" };
const ROUTES = Array.from({ length: 50 }, (_, index): Resource => ({
  kind: "route",
  family: 4,
  table: 105,
  to: `10.9.${index}.0/24`,
  via: "10.0.5.1",
  interface: "wan1",
}));
const ADDRESS: Resource = { kind: "address", interface: "wan1", cidr: "10.0.5.2/24" };

for (const kind of ["full", "failing"] as const) {
  Deno.test(`on a ${kind} disk claims are applied and given back all the same, and the next core knows them`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "otb" });
    try {
      await using disk = await SmallDisk.make(folder, kind);
      const db = openDatabase(`${disk.path}/otb.db`);
      const failures: unknown[] = [];
      const open = (database = db) =>
        new Journal(database, { aside: `${folder}/journal`, onFailure: (error) => failures.push(error) });
      const os = machine();
      const net = new Net(os, open(), silent);
      await net.claim("core", "k", [ADDRESS]);
      disk.fill();
      await net.claim("scheduler", "routes", ROUTES);
      await net.claim("proxy", "forward", [FORWARD]);
      strictEqual(os.state.routes.filter(({ table }) => table === 105).length, ROUTES.length);
      if (failures.length === 0) spend(db);
      await net.claim("scheduler", "routes", ROUTES.slice(1));
      ok(failures.length > 0, "the disk took everything: nothing was tried");
      // This core dies; the next one inherits what was written nowhere but aside.
      const next = new Net(os, open(openDatabase(`${disk.path}/otb.db`)), silent);
      strictEqual(next.claims().flatMap(({ resources }) => resources).length, ROUTES.length - 1 + 2);
      // What nobody claims again goes, with the disk as it is.
      await next.claim("core", "k", [ADDRESS]);
      await next.settle();
      strictEqual(os.state.routes.filter(({ table }) => table === 105).length, 0);
      disk.free();
      db.close();
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("once the disk has room again the database is as the kernel is, and nothing lies aside", async () => {
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  try {
    await using disk = await SmallDisk.make(folder);
    const db = openDatabase(`${disk.path}/otb.db`);
    const journal = new Journal(db, { aside: `${folder}/journal` });
    const net = new Net(machine(), journal, silent);
    disk.fill();
    await net.claim("core", "k", [ADDRESS]);
    await net.claim("scheduler", "routes", ROUTES);
    ok(Deno.statSync(`${folder}/journal`).isFile);
    strictEqual(journal.flush(), false);
    disk.free();
    strictEqual(journal.flush(), true);
    deepStrictEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["small"]);
    const read = new Journal(db).entries();
    deepStrictEqual(JSON.stringify(read), JSON.stringify(journal.entries()));
    strictEqual(read.length, ROUTES.length + 1);
    db.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a torn file aside is no reason to forget what the database knows", async () => {
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  try {
    const db = openDatabase(`${folder}/otb.db`);
    new Journal(db).put([
      { owner: "a", key: "k", resource: FORWARD, previous: undefined, foreign: false, applied: true },
    ]);
    Deno.writeTextFileSync(`${folder}/journal`, '[{"owner":');
    deepStrictEqual(
      new Journal(db, { aside: `${folder}/journal` }).entries().map(({ resource }) => identity(resource)),
      [identity(FORWARD)],
    );
    db.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("what is in the kernel is known without the database: each read of it left memory that is freed late", () => {
  const folder = Deno.makeTempDirSync({ prefix: "otb" });
  const db = openDatabase(`${folder}/otb.db`);
  const journal = new Journal(db);
  journal.put([
    { owner: "a", key: "k", resource: FORWARD, previous: undefined, foreign: false, applied: false },
  ]);
  journal.confirm([identity(FORWARD)]);
  db.close();
  deepStrictEqual(journal.entries().map(({ applied }) => applied), [true]);
  Deno.removeSync(folder, { recursive: true });
});

/** Writes until the disk below takes no more: parts of files that were there before still could be written. */
function spend(db: ReturnType<typeof openDatabase>): void {
  try {
    db.exec("CREATE TABLE IF NOT EXISTS spent (x TEXT)");
    for (let count = 0; count < 200; count++) {
      transaction(db, () => db.prepare("INSERT INTO spent VALUES (?)").run("x".repeat(100_000)));
    }
  } catch {
    // That was it.
  }
}
