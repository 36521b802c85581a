import { strict as assert } from "node:assert";
import type { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import type { Author } from "../client/types.ts";
import { type Json, OtbError } from "../contract/mod.ts";
import { openDatabase } from "../state/database.ts";
import { type ChangeHost, Changes } from "./changes.ts";
import { networkSchema } from "./network.ts";
import { mergePatch } from "./patch.ts";
import { problemsOf } from "./problems.ts";
import { type Document, Revisions } from "./revisions.ts";

type Live = NonNullable<ChangeHost["live"]>;

/** Changes over a real file, with waiting times short enough for a test. */
class Bench implements Disposable {
  readonly folder: string;
  readonly path: string;
  readonly db: DatabaseSync;
  readonly revisions: Revisions;
  readonly applied: Json[] = [];
  readonly reverted: string[] = [];
  #told = Promise.withResolvers<void>();
  #opened: Changes[] = [];

  constructor(network: Json = { n: 0 }, parent?: string) {
    this.folder = Deno.makeTempDirSync({ prefix: "otb", dir: parent });
    this.path = `${this.folder}/otb.db`;
    this.db = openDatabase(this.path);
    this.revisions = new Revisions(this.db);
    this.revisions.append({
      document: { network, plugins: {} },
      author: "init",
      comment: "",
      state: "confirmed",
    });
  }

  changes(live: Partial<Live> = {}, confirmWithinMs = 60_000, tryAgainMs = 5): Changes {
    const changes = new Changes(
      this.revisions,
      {
        evaluate: (document: Document) => Promise.resolve({ effective: document, problems: [] }),
        live: {
          plan: () => Promise.resolve([]),
          apply: ({ network }) => Promise.resolve(void this.applied.push(network)),
          settle: () => Promise.resolve(undefined),
          ...live,
        },
      },
      (reason) => {
        this.reverted.push(reason);
        this.#told.resolve();
      },
      confirmWithinMs,
      tryAgainMs,
    );
    this.#opened.push(changes);
    return changes;
  }

  /** Resolves when a change is next said to be taken back, or not. */
  async told(): Promise<void> {
    const told = this.#told;
    // Without an end a failing test would leave its disk mounted.
    const timer = setTimeout(() => told.reject(new Error("nothing was taken back")), 10_000);
    await told.promise.finally(() => clearTimeout(timer));
    this.#told = Promise.withResolvers();
  }

  [Symbol.dispose](): void {
    for (const changes of this.#opened) changes.stop();
    this.db.close();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** A disk of its own of 512 KiB; needs root. */
class SmallDisk implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "otb" });

  constructor() {
    const mount = ["-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs", this.folder];
    assert.ok(new Deno.Command("mount", { args: mount }).outputSync().success, "mounting needs root");
  }

  fill(): void {
    assert.throws(() => {
      for (;;) Deno.writeFileSync(`${this.folder}/filler`, new Uint8Array(4096), { append: true });
    }, /os error 28/);
  }

  empty(): void {
    Deno.removeSync(`${this.folder}/filler`);
  }

  [Symbol.dispose](): void {
    new Deno.Command("umount", { args: ["-l", this.folder] }).outputSync();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

const ANN: Author = { via: "web", name: "ann" };
const propose = (n: number) => ({ patch: { network: { n } }, author: ANN });

Deno.test("two processes propose at once: no change is lost, whoever comes late is told", async () => {
  using bench = new Bench({});
  const writer = `
    import { Changes } from "${new URL("./changes.ts", import.meta.url).href}";
    import { openDatabase } from "${new URL("../state/database.ts", import.meta.url).href}";
    import { Revisions } from "${new URL("./revisions.ts", import.meta.url).href}";
    const changes = new Changes(new Revisions(openDatabase(${JSON.stringify(bench.path)})), {
      // As long as asking a plugin takes: somebody else may store a change meanwhile.
      evaluate: async (document) => {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 8));
        return { effective: document, problems: [] };
      },
    });
    for (let done = 0; done < 25;) {
      const network = { [Deno.args[0] + done]: done };
      try {
        await changes.propose({ patch: { network }, author: { via: "cli", name: Deno.args[0] } });
        done++;
      } catch (error) {
        if (error.code !== "revision-conflict") throw error;
      }
    }`;
  await Deno.writeTextFile(`${bench.folder}/writer.ts`, writer);
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const ended = await Promise.all(["a", "b"].map((name) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-lock", `--config=${config}`, `${bench.folder}/writer.ts`, name],
      stdout: "null",
      stderr: "inherit",
    }).output()
  ));
  assert.ok(ended.every(({ success }) => success));
  assert.equal(Object.keys(bench.revisions.inForce().document.network as object).length, 50);
  assert.equal(bench.revisions.history(100).length, 51);
});

Deno.test("a change that nobody confirms goes back by itself, in the kernel first", async () => {
  using bench = new Bench();
  const { pending } = await bench.changes({}, 30).propose(propose(1));
  assert.equal(bench.revisions.pending()?.revision, pending!.revision);
  await bench.told();
  assert.deepEqual(bench.applied, [{ n: 1 }, { n: 0 }]);
  assert.equal(bench.revisions.get(pending!.revision)!.state, "reverted");
  assert.deepEqual(bench.revisions.inForce().document.network, { n: 0 });
});

Deno.test("a younger change goes on waiting in the next core, until its stored deadline", async () => {
  using bench = new Bench();
  const first = bench.changes({}, 1_000);
  const { pending } = await first.propose(propose(1));
  first.stop();
  const next = bench.changes();
  next.recover();
  assert.deepEqual(next.pending(), pending, "still waiting, with the same deadline");
  await bench.told();
  assert.deepEqual(bench.applied.at(-1), { n: 0 });
});

Deno.test("the former settings come back although the disk is full, and it is recorded when there is room", async () => {
  using disk = new SmallDisk();
  using bench = new Bench({ n: 0 }, disk.folder);
  const changes = bench.changes({}, 10);
  await changes.propose(propose(1));
  disk.fill();
  await bench.told();
  assert.deepEqual(bench.applied.slice(0, 2), [{ n: 1 }, { n: 0 }]);
  assert.match(bench.reverted[0]!, /trying again: .*the disk must have room/);
  await assert.rejects(changes.confirm(), { code: "nothing-pending" }, "it is not applied any more");
  disk.empty();
  while (bench.revisions.pending()) await bench.told();
  assert.deepEqual(bench.revisions.inForce().document.network, { n: 0 });
});

Deno.test("a core that starts on a full disk runs the former settings, and records it when there is room", async () => {
  using disk = new SmallDisk();
  using bench = new Bench({ n: 0 }, disk.folder);
  const first = bench.changes({}, 1);
  await first.propose(propose(1));
  first.stop();
  disk.fill();
  await new Promise((resolve) => setTimeout(resolve, 5));
  const next = bench.changes();
  next.recover();
  assert.deepEqual((await next.snapshot()).document.network, { n: 0 });
  assert.ok(bench.revisions.pending(), "no room to say so yet");
  await assert.rejects(next.confirm(), { code: "nothing-pending" });
  disk.empty();
  while (bench.revisions.pending()) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(bench.revisions.inForce().document.network, { n: 0 });
});

Deno.test("a failure while applying tells its own reason, even when going back fails too", async () => {
  using bench = new Bench();
  let tries = 0;
  const changes = bench.changes({
    apply: ({ network }) =>
      ++tries <= 2
        ? Promise.reject(new OtbError("apply-failed", `try ${tries}`))
        : Promise.resolve(void bench.applied.push(network)),
  });
  await assert.rejects(changes.propose(propose(1)), { code: "apply-failed", message: "try 1" });
  while (bench.revisions.pending()) await bench.told();
  assert.deepEqual(bench.applied, [{ n: 0 }]);
  assert.match(bench.reverted[0]!, /trying again: try 2/);
});

Deno.test("confirmed at once: nothing waits, and going back to a revision is a new one", async () => {
  using bench = new Bench();
  const changes = bench.changes();
  const { pending, revision } = await changes.propose({ ...propose(1), confirm: true });
  assert.deepEqual([pending, bench.revisions.get(revision!)!.state], [undefined, "confirmed"]);
  const back = await changes.revert(1);
  assert.deepEqual([back.revision, back.state], [revision! + 1, "confirmed"]);
  assert.deepEqual(bench.revisions.inForce().document.network, { n: 0 });
});

Deno.test("a core killed between storing and applying leaves a change that waits, then goes back", async () => {
  using bench = new Bench();
  const child = `
    import { Changes } from "${new URL("./changes.ts", import.meta.url).href}";
    import { openDatabase } from "${new URL("../state/database.ts", import.meta.url).href}";
    import { Revisions } from "${new URL("./revisions.ts", import.meta.url).href}";
    const changes = new Changes(new Revisions(openDatabase(${JSON.stringify(bench.path)})), {
      evaluate: async (document) => ({ effective: document, problems: [] }),
      live: { plan: async () => [], apply: async () => Deno.kill(Deno.pid, "SIGKILL"), settle: async () => {} },
    }, () => {}, 60);
    await changes.propose({ patch: { network: { n: 7 } }, author: ${JSON.stringify(ANN)} });`;
  await Deno.writeTextFile(`${bench.folder}/child.ts`, child);
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const { signal } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-lock", `--config=${config}`, `${bench.folder}/child.ts`],
    stdout: "null",
    stderr: "inherit",
  }).output();
  assert.equal(signal, "SIGKILL");
  assert.deepEqual(bench.revisions.inForce().document.network, { n: 7 }, "stored before it was applied");
  // Whether the deadline has passed or not: before or after the start it ends as the former settings.
  bench.changes().recover();
  await bench.told();
  assert.deepEqual(bench.revisions.inForce().document.network, { n: 0 });
  assert.equal(bench.revisions.pending(), undefined);
});

Deno.test("a patch of another shape is refused whole, and nothing is stored", async () => {
  using bench = new Bench();
  const changes = bench.changes();
  const cases: [unknown, string][] = [
    [{ netwrok: { n: 1 } }, "setting-unknown"],
    [{ plugins: null }, "patch-invalid"],
    [{ plugins: ["qos"] }, "patch-invalid"],
    ["network", "patch-invalid"],
    [null, "patch-invalid"],
    [[], "patch-invalid"],
  ];
  for (const [patch, code] of cases) {
    const { problems } = await changes.propose({ patch: patch as never, author: ANN });
    assert.deepEqual(problems.map((problem) => problem.code), [code], JSON.stringify(patch));
  }
  await assert.rejects(
    changes.propose({ patch: JSON.parse('{"network":{"__proto__":{"n":1}}}'), author: ANN }),
    { code: "path-invalid" },
  );
  assert.equal(bench.revisions.history().length, 1);
});

Deno.test("refused changes never push out what is in force, and a revision ends its waiting once", () => {
  using bench = new Bench();
  let base = 1;
  const append = (state: "pending" | "reverted" | "confirmed") =>
    base = bench.revisions.append({
      base,
      document: { network: base, plugins: {} },
      author: "ann",
      comment: "",
      state,
    }).revision;
  for (let count = 0; count < 210; count++) append("reverted");
  assert.equal(bench.revisions.inForce().revision, 1);
  append("confirmed");
  append("reverted");
  assert.equal(bench.revisions.history(1_000).length, 200, "then the old ones go");
  bench.revisions.setState(append("pending"), "reverted");
  assert.throws(() => bench.revisions.setState(base, "confirmed"), { code: "nothing-pending" });
  assert.throws(() => bench.revisions.setState(9_999, "confirmed"), { code: "nothing-pending" });
});

const peers = [{ address: "198.51.100.11" }];
const patches = fc.record({
  role: fc.constant("box"),
  links: fc.dictionary(
    fc.constantFrom("fibre", "cable", "dsl"),
    fc.oneof(
      fc.constant(null),
      fc.record({
        interface: fc.constantFrom("wan1", "wan2", "not a name"),
        tier: fc.constantFrom("primary", "backup", "first"),
        downMbps: fc.oneof(fc.constant(null), fc.integer({ min: -1, max: 9 })),
      }, { requiredKeys: [] }),
    ),
    { noNullPrototype: true },
  ),
}, { requiredKeys: [] });

Deno.test("whatever is proposed and taken back, what is in force is valid and what was applied", async () => {
  const evaluate = ({ network, plugins }: Document) => {
    const parsed = networkSchema.safeParse(network);
    return Promise.resolve(
      parsed.success
        ? { effective: { network: parsed.data as unknown as Json, plugins }, problems: [] }
        : { problems: problemsOf("network", parsed.error.issues, network) },
    );
  };
  const step = fc.oneof(
    patches.map((patch) => ({ patch })),
    fc.constantFrom("confirm", "revert", "first"),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      using bench = new Bench({ role: "box", peers });
      let applied = networkSchema.parse({ role: "box", peers }) as unknown as Json;
      const changes = new Changes(bench.revisions, {
        evaluate,
        live: {
          plan: () => Promise.resolve([]),
          apply: ({ network }) => Promise.resolve(void (applied = network)),
          settle: () => Promise.resolve(undefined),
        },
      });
      try {
        for (const step of steps) {
          const before = bench.revisions.inForce();
          const waiting = changes.pending();
          if (typeof step === "object") {
            const wanted = mergePatch(before.document.network, step.patch as Json);
            const proposed = changes.propose({ patch: { network: step.patch as Json }, author: ANN });
            if (waiting) await assert.rejects(proposed, { code: "change-pending" });
            else if ((await proposed).problems.length === 0) {
              assert.deepEqual(bench.revisions.inForce().document.network, wanted);
            } else assert.deepEqual(bench.revisions.inForce(), before);
          } else {
            const act = step === "confirm"
              ? changes.confirm()
              : changes.revert(step === "first" ? 1 : undefined);
            const code = step === "first"
              ? waiting && "change-pending"
              : waiting
              ? undefined
              : "nothing-pending";
            if (code) await assert.rejects(act, { code });
            else await act;
          }
          const { document, effective } = await changes.snapshot();
          assert.deepEqual(effective.network, networkSchema.parse(document.network));
          assert.deepEqual(effective.network, applied);
        }
      } finally {
        changes.stop();
      }
    }),
    { numRuns: 40 },
  );
});

Deno.test("a change is refused for what it brings, not for what was wrong before it", async () => {
  using bench = new Bench({ link: "phone", n: 0 } as Json);
  // The phone was unplugged since: what names it is a problem now, in whatever is proposed.
  const changes = new Changes(bench.revisions, {
    evaluate: (document: Document) => {
      const { link } = document.network as unknown as { link: string };
      const message = `there is no link "${link}"`;
      const problems = link === "fibre" ? [] : [{ code: "link-unknown", path: "link", message }];
      return Promise.resolve({ effective: document, problems });
    },
  });
  const propose = (network: Json) => changes.propose({ patch: { network }, author: ANN });
  assert.deepEqual((await propose({ n: 1 })).problems, []);
  assert.deepEqual((await propose({ link: "dsl" })).problems.map(({ message }) => message), [
    'there is no link "dsl"',
  ]);
  assert.deepEqual((await propose({ link: "fibre" })).problems, []);
  assert.deepEqual((await propose({ link: "phone" })).problems.length, 1);
  changes.stop();
});
