import { strict as assert } from "node:assert";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { type Json, OtbError } from "../contract/mod.ts";
import { migrate, openDatabase } from "../state/database.ts";
import { type ChangeHost, Changes } from "./changes.ts";
import { checkNetwork, networkSchema } from "./network.ts";
import { difference, getPath, mergePatch, patchAt } from "./patch.ts";
import { nearest, problemsOf } from "./problems.ts";
import { type Document, Revisions } from "./revisions.ts";
import { Secrets } from "./secrets.ts";

const box = { role: "box", peers: [{ address: "198.51.100.11" }] };
const fibre = { interface: "wan1", address: "192.168.11.2/24", gateway: "192.168.11.1" };

Deno.test("every contradiction in the network settings has its code", () => {
  const cases: [string, object][] = [
    ["gateway-outside", { links: { fibre: { ...fibre, gateway: "10.0.0.1" } } }],
    ["gateway-is-self", { links: { fibre: { ...fibre, gateway: "192.168.11.2" } } }],
    ["gateway-missing", { links: { fibre: { interface: "wan1", address: "192.168.11.2/24" } } }],
    ["address-twice", { links: { fibre, cable: fibre } }],
    ["lan-overlaps-link", { links: { fibre }, lan: { interface: "lan0", address: "192.168.11.9/25" } }],
    ["links-in-cloud", { role: "cloud", links: { fibre } }],
    ["lan-in-cloud", { role: "cloud", lan: { interface: "lan0", address: "10.0.0.1/24" } }],
    ["peer-missing", { peers: [] }],
    ["too-many-links", {
      links: Object.fromEntries(
        Array.from({ length: 9 }, (_, index) => [`l${index}`, { interface: `w${index}` }]),
      ),
    }],
  ];
  assert.deepEqual(
    checkNetwork(
      networkSchema.parse({
        ...box,
        links: { fibre },
        lan: { interface: "lan0", address: "192.168.100.1/24" },
      }),
    ),
    [],
  );
  for (const [code, change] of cases) {
    assert.deepEqual(
      checkNetwork(networkSchema.parse({ ...box, ...change })).map((problem) => problem.code),
      [code],
      code,
    );
  }
});

Deno.test("malformed settings are refused by the schema, with the value and in one line", () => {
  const refused: object[] = [
    { links: { "Bad Name": fibre } },
    { links: { fibre: { ...fibre, interface: "a/b" } } },
    { links: { fibre: { ...fibre, interface: "sixteen-letters-" } } },
    { links: { fibre: { ...fibre, address: "192.168.11.2" } } },
    { links: { fibre: { ...fibre, address: "192.168.11.2/33" } } },
    { links: { fibre: { ...fibre, address: "300.1.1.1/24" } } },
    { links: { fibre: { ...fibre, gateway: "fe80::1%wan1" } } },
    { links: { fibre: { ...fibre, tier: "master" } } },
    { links: { fibre: { ...fibre, downMbps: -1 } } },
    { lan: { interface: "lan0", address: "x" } },
    { peers: [{ address: "198.51.100.11", port: 70000 }] },
    { peers: [{ address: "198.51.100.11", tunnelKey: "c2hvcnQ=" }] },
    // One bit more than 32 bytes have.
    { peers: [{ address: "198.51.100.11", tunnelKey: `${"A".repeat(42)}B=` }] },
    { role: "router" },
    { colour: "blue" },
  ];
  for (const change of refused) {
    const raw = { ...box, ...change };
    const result = networkSchema.safeParse(raw);
    assert.equal(result.success, false, JSON.stringify(change));
    for (const { message, path } of problemsOf("network", result.error!.issues, raw)) {
      assert.match(message, /^Cannot set network\./);
      assert.ok(!message.includes("\n") && path.startsWith("network."), message);
    }
  }
});

Deno.test("a typing error in a name gets a suggestion, a strange word none", () => {
  assert.equal(nearest("adress", ["address", "gateway"]), "address");
  assert.equal(nearest("colour", ["address", "gateway"]), undefined);
});

const json: fc.Arbitrary<Json> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.integer(),
    fc.string(),
    fc.boolean(),
    fc.array(fc.integer(), { maxLength: 3 }),
    tie("object"),
  ),
  object: fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), tie("value"), {
    maxKeys: 4,
    noNullPrototype: true,
  }),
})).object as fc.Arbitrary<Json>;

Deno.test("merge patches obey RFC 7396, and differences tell all there is", () => {
  fc.assert(fc.property(json, json, (document, patch) => {
    assert.deepEqual(mergePatch(document, {}), document);
    assert.deepEqual(mergePatch(mergePatch(document, patch), patch), mergePatch(document, patch));
    const next = mergePatch(document, patch);
    assert.deepEqual(difference(document, document), []);
    const changes = difference(document, next);
    for (const { path, after } of changes) assert.deepEqual(getPath(next, path), after);
    assert.equal(changes.length === 0, JSON.stringify(sorted(document)) === JSON.stringify(sorted(next)));
  }));
});

function sorted(value: Json): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key]!)]));
}

Deno.test("no path reaches a prototype", () => {
  for (const path of ["__proto__.x", "a.constructor.b", "prototype", "", "a..b"]) {
    assert.throws(() => patchAt(path, 1), { code: "path-invalid" });
  }
  assert.throws(() => mergePatch({}, JSON.parse('{"__proto__":{"polluted":true}}')), {
    code: "path-invalid",
  });
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

/** Revisions in memory with one confirmed document, and changes around them. */
function changes(live?: Partial<NonNullable<ChangeHost["live"]>>, problems: string[] = []) {
  const revisions = new Revisions(new DatabaseSync(":memory:"));
  revisions.append({
    document: { network: { n: 0 }, plugins: {} },
    author: "t",
    comment: "",
    state: "confirmed",
  });
  const applied: Json[] = [];
  const reverted: string[] = [];
  const subject = new Changes(revisions, {
    evaluate: (document: Document) =>
      Promise.resolve({
        effective: document as never,
        // They are about what is proposed: what stood before is no reason to refuse.
        problems: problems.map((code) => ({ code, path: "", message: JSON.stringify(document.network) })),
      }),
    live: live && {
      plan: () => Promise.resolve(["ip link"]),
      apply: (effective) => Promise.resolve(void applied.push(effective.network)),
      settle: () => Promise.resolve(undefined),
      ...live,
    },
  }, (reason) => reverted.push(reason));
  return { subject, revisions, applied, reverted };
}

const ANN = { via: "web", name: "ann" } as const;
const proposal = (n: number) => ({ patch: { network: { n } }, author: ANN });

Deno.test("a change is applied, waits, and is in force for good once confirmed", async () => {
  const { subject, applied, revisions } = changes({});
  const { pending, plan, differences } = await subject.propose(proposal(1));
  assert.deepEqual([plan, differences], [["ip link"], [{ path: "network.n", before: 0, after: 1 }]]);
  assert.ok(pending!.revertsAtMs > Date.now() + 80_000);
  await assert.rejects(subject.propose(proposal(2)), { code: "change-pending" });
  await subject.confirm();
  await assert.rejects(subject.confirm(), { code: "nothing-pending" });
  assert.deepEqual([applied, revisions.inForce().state], [[{ n: 1 }], "confirmed"]);
});

Deno.test("a change taken back, overdue after a restart, or not appliable leaves the former settings", async () => {
  const { subject, applied, revisions } = changes({});
  await subject.propose(proposal(1));
  await subject.revert();
  assert.deepEqual(applied, [{ n: 1 }, { n: 0 }]);
  assert.deepEqual(revisions.inForce().document.network, { n: 0 });

  const overdue = changes({});
  overdue.revisions.append({
    base: 1,
    document: { network: { n: 9 }, plugins: {} },
    author: "t",
    comment: "",
    state: "pending",
    revertsAtMs: 1,
  });
  overdue.subject.recover();
  assert.deepEqual(overdue.revisions.inForce().document.network, { n: 0 });
  assert.equal(overdue.reverted.length, 1);

  let tries = 0;
  const failing = changes({
    apply: () => tries++ === 0 ? Promise.reject(new OtbError("apply-failed", "no")) : Promise.resolve(),
  });
  await assert.rejects(failing.subject.propose(proposal(1)), { code: "apply-failed" });
  assert.deepEqual([tries, failing.revisions.inForce().document.network], [2, { n: 0 }]);

  const unwell = changes({ settle: () => Promise.resolve("plugin is failed") });
  await assert.rejects(unwell.subject.propose(proposal(1)), { code: "not-well" });
  assert.deepEqual(unwell.revisions.inForce().document.network, { n: 0 });
});

Deno.test("refused, empty and dry changes store nothing; a stale base is told who was first", async () => {
  const refused = changes({}, ["gateway-outside"]);
  assert.equal((await refused.subject.propose(proposal(1))).problems.length, 1);
  const { subject, revisions } = changes();
  assert.deepEqual((await subject.propose(proposal(0))).differences, []);
  assert.equal((await subject.propose({ ...proposal(1), dryRun: true })).differences.length, 1);
  assert.equal(revisions.history().length + refused.revisions.history().length, 2);
  await subject.propose({ ...proposal(1), base: 1 });
  await assert.rejects(
    subject.propose({ ...proposal(2), base: 1 }),
    (error: OtbError) => error.code === "revision-conflict" && error.message.includes("ann"),
  );
  await subject.revert(1);
  assert.deepEqual(revisions.inForce().document.network, { n: 0 });
  await assert.rejects(subject.revert(99), { code: "revision-unknown" });
});

Deno.test("two processes write at once: each base has one winner, nothing is lost", async () => {
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  try {
    const path = `${folder}/otb.db`;
    const db = openDatabase(path);
    new Revisions(db).append({
      document: { network: null, plugins: {} },
      author: "init",
      comment: "",
      state: "confirmed",
    });
    const writer = `
      import { openDatabase } from "${new URL("../state/database.ts", import.meta.url).href}";
      import { Revisions } from "${new URL("./revisions.ts", import.meta.url).href}";
      const revisions = new Revisions(openDatabase(${JSON.stringify(path)}));
      let won = 0;
      while (won < 25) {
        const base = revisions.newest().revision;
        try {
          revisions.append({ base, document: { network: base, plugins: {} }, author: String(Deno.pid), comment: "", state: "confirmed" });
          won++;
        } catch (error) {
          if (error.code !== "revision-conflict") throw error;
        }
      }`;
    const writers = [1, 2].map(() => {
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--quiet", "-"],
        cwd: new URL("../..", import.meta.url).pathname,
        stdin: "piped",
        stdout: "null",
        stderr: "inherit",
      }).spawn();
      const input = child.stdin.getWriter();
      return input.write(new TextEncoder().encode(writer)).then(() => input.close()).then(() => child.status);
    });
    for (const { success } of await Promise.all(writers)) assert.ok(success);
    const history = new Revisions(db).history(100);
    assert.equal(history.length, 51);
    // Every revision was based on the one before it: nobody overwrote what he had not seen.
    for (const { revision } of history.slice(0, -1)) {
      assert.equal(new Revisions(db).get(revision)!.document.network, revision - 1);
    }
    db.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a full disk refuses a change whole, and works again with room", async () => {
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  const mount = (...args: string[]) => new Deno.Command(args[0]!, { args: args.slice(1) }).output();
  assert.ok(
    (await mount("mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", folder)).success,
    "this test mounts a small disk: it needs root",
  );
  try {
    const db = openDatabase(`${folder}/otb.db`);
    const revisions = new Revisions(db);
    let stored = revisions.append({
      document: { network: 0, plugins: {} },
      author: "t",
      comment: "",
      state: "confirmed",
    });
    const grow = () => {
      for (let count = 0; count < 200; count++) {
        stored = revisions.append({
          base: stored.revision,
          document: { network: "x".repeat(20_000), plugins: {} },
          author: "t",
          comment: "",
          state: "confirmed",
        });
      }
    };
    assert.throws(grow, { code: "disk-full" });
    assert.equal(revisions.newest()!.revision, stored.revision);
    assert.ok((await mount("mount", "-o", "remount,size=4m", folder)).success);
    const after = revisions.append({
      base: stored.revision,
      document: { network: 1, plugins: {} },
      author: "t",
      comment: "",
      state: "confirmed",
    });
    assert.equal(revisions.inForce().revision, after.revision);
    db.close();
  } finally {
    await mount("umount", "-l", folder);
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("databases of a newer otb, and files that are none, are refused with what to do", async () => {
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  try {
    const db = openDatabase(`${folder}/otb.db`);
    migrate(db, "part", [
      "CREATE TABLE a (x) STRICT".replace("x", "x INTEGER"),
      "CREATE TABLE b (x INTEGER) STRICT",
    ]);
    assert.throws(() => migrate(db, "part", ["CREATE TABLE a (x INTEGER) STRICT"]), {
      code: "database-newer",
    });
    assert.throws(() => migrate(db, "other", ["CREATE TABLE c (x INTEGER) STRICT", "NONSENSE"]));
    assert.equal(
      db.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'c'").get()!.n,
      0,
      "half a migration is none",
    );
    db.close();
    await Deno.writeTextFile(
      `${folder}/bad.db`,
      "this is no database, and long enough to be taken for one".repeat(50),
    );
    assert.throws(() => openDatabase(`${folder}/bad.db`), { code: "database-corrupt" });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("secrets are for their owner only", async () => {
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  try {
    const secrets = new Secrets(`${folder}/secrets`);
    assert.equal(secrets.get("psk"), undefined);
    secrets.set("psk", "one");
    secrets.set("psk", "two");
    assert.equal(secrets.get("psk"), "two");
    assert.equal(Deno.statSync(`${folder}/secrets/psk`).mode! & 0o777, 0o600);
    Deno.chmodSync(`${folder}/secrets/psk`, 0o644);
    assert.throws(() => secrets.get("psk"), { code: "secret-exposed" });
    assert.throws(() => secrets.set("../evil", "x"), { code: "secret-name-invalid" });
    secrets.delete("psk");
    secrets.delete("psk");
    assert.equal(secrets.get("psk"), undefined);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the history of an earlier otb opens unchanged, and what is changed since says where from (12, line 8)", async () => {
  const db = new DatabaseSync(":memory:");
  migrate(db, "config", [
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
  ]);
  const document = { network: { n: 0 }, plugins: {} };
  db.prepare("INSERT INTO revision VALUES (3, NULL, ?, 'claire', 'set up', 5, 'confirmed', NULL)")
    .run(JSON.stringify(document));
  const revisions = new Revisions(db);
  assert.deepEqual(revisions.inForce(), {
    ...{ revision: 3, parent: undefined, author: "claire", comment: "set up", createdAtMs: 5 },
    ...{ state: "confirmed", document, revertsAtMs: undefined },
  });
  const subject = new Changes(revisions, {
    evaluate: (document) => Promise.resolve({ effective: document, problems: [] }),
  });
  await subject.propose(proposal(1));
  await subject.revert(3, { via: "cloud", name: "fleet" });
  assert.deepEqual(revisions.history().map(({ author, via }) => [author, via]), [
    ["fleet", "cloud"],
    ["ann", "web"],
    ["claire", undefined],
  ]);
  // The next start finds all in order.
  assert.equal(new Revisions(db).history().length, 3);
});
