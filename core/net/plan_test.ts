import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { arbitrate } from "./arbitrate.ts";
import { canonical } from "./canonical.ts";
import { humanLines } from "./commands.ts";
import { identity, type Resource } from "./model.ts";
import { type Observed, OTB_PROTOCOL } from "./os.ts";
import { fakeInterface, OsFake } from "./os_fake.ts";
import { machine, unordered, wishes } from "./testing/wishes.ts";
import { type JournalEntry, type Owned, plan } from "./plan.ts";

/** One case: what is wished (JSON lines `owner resource`), what is there, and the expected plan as text. */
function render(desired: Owned[], observed: Observed, journal: JournalEntry[]): string {
  const { held, conflicts: among } = arbitrate(desired);
  const { steps, deferred, conflicts, adopted, gone } = plan(held, observed, journal, OTB_PROTOCOL);
  return [
    ...[...among, ...conflicts].map(({ wanted, other }) =>
      `conflict ${identity(wanted.resource)}: ${wanted.owner}, ${other}`
    ),
    ...adopted.map((entry) => `adopt ${entry.foreign ? "foreign " : ""}${identity(entry.resource)}`),
    ...gone.map((id) => `forget ${id}`),
    ...steps.flatMap(({ operation, effect }) => humanLines(operation).map((line) => `${effect} ${line}`)),
    ...deferred.map(({ owned, reason }) => `wait ${identity(owned.resource)}: ${reason}`),
  ].join("\n");
}

Deno.test("golden cases", async (t) => {
  const directory = new URL("testdata/plan/", import.meta.url);
  const update = Deno.env.get("UPDATE_GOLDEN") === "1";
  for (const { name } of [...Deno.readDirSync(directory)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    if (!name.endsWith(".json")) continue;
    await t.step(name, () => {
      const { desired, observed, journal = [] } = JSON.parse(Deno.readTextFileSync(new URL(name, directory)));
      const wanted = Object.entries(desired as { [owner: string]: Resource[] }).flatMap((
        [owner, resources],
      ) => resources.map((resource) => ({ owner, key: "k", resource: canonical(resource) })));
      const entries = (journal as JournalEntry[]).map((entry) => ({
        ...{ owner: "a", key: "k", foreign: false, applied: true },
        ...entry,
        resource: canonical(entry.resource),
      }));
      const links = Object.entries(observed.links as { [name: string]: string[] }).map((
        [device, cidrs],
        i,
      ) => ({
        ...fakeInterface(device, i + 1, cidrs.filter((word) => word !== "down")),
        up: !cidrs.includes("down"),
      }));
      const state = new OsFake({ ...observed.state, interfaces: links }).state;
      const golden = new URL(name.replace(/json$/, "txt"), directory);
      const text = `${render(wanted, state, entries)}\n`;
      if (update) Deno.writeTextFileSync(golden, text);
      strictEqual(text, Deno.readTextFileSync(golden));
    });
  }
});

/** What Net does with a plan, without a database. */
class Memory {
  readonly journal = new Map<string, JournalEntry>();

  async follow(os: OsFake, desired: Owned[]): Promise<ReturnType<typeof plan>> {
    for (let round = 0;; round++) {
      const observed = await os.observe(
        ["net/ipv4/ip_forward", "net/ipv4/conf/gone0/rp_filter"].map((name) => ({
          ...{ kind: "sysctl", name, value: "" },
        })),
      );
      for (const { family, name, hash } of observed.nftTables) this.#note(`nftTable ${family} ${name}`, hash);
      for (const { interface: on, parent, hash } of observed.qdiscs) {
        this.#note(`qdisc ${on} ${parent}`, hash);
      }
      const work = plan(desired, observed, [...this.journal.values()], OTB_PROTOCOL);
      deepStrictEqual(work.conflicts, []);
      for (const entry of work.adopted) this.journal.set(identity(entry.resource), entry);
      for (const id of work.gone) this.journal.delete(id);
      if (work.steps.length === 0) return work;
      ok(round < 4, `no rest: ${JSON.stringify(work.steps[0])}`);
      await os.apply(work.steps.map(({ operation }) => operation));
      for (const { owned, effect, previous } of work.steps) {
        const id = identity(owned.resource);
        if (effect === "hold") this.journal.set(id, { ...owned, previous, foreign: false, applied: true });
      }
    }
  }

  #note(id: string, hash: string) {
    const entry = this.journal.get(id);
    if (entry && !entry.fingerprint) this.journal.set(id, { ...entry, fingerprint: hash });
  }
}

const owned = (owner: string, resources: Resource[]): Owned[] =>
  resources.map((resource) => ({ owner, key: "k", resource }));

Deno.test("applied plans give what is wished, then nothing more to do, and leave no trace", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(wishes, wishes), { minLength: 1, maxLength: 4 }), async (turns) => {
      const os = machine();
      const before = structuredClone(os.state);
      const memory = new Memory();
      for (const [first, second] of turns) {
        // Two owners who keep out of each other's way, in any interleaving of what they want.
        const taken = new Set(first.map(identity));
        const desired = [...owned("a", first), ...owned("b", second.filter((r) => !taken.has(identity(r))))];
        const { deferred } = await memory.follow(os, desired);
        const operations = os.history.length;
        await memory.follow(os, desired);
        strictEqual(os.history.length, operations, "a second plan is empty");
        const waiting = new Set(deferred.map(({ owned }) => identity(owned.resource)));
        for (const { resource } of desired) {
          const id = identity(resource);
          ok(waiting.has(id) !== memory.journal.has(id), `${id} is either waiting or in the kernel`);
        }
      }
      await memory.follow(os, []);
      deepStrictEqual(unordered(os.state), unordered(before));
      strictEqual(memory.journal.size, 0);
    }),
    { numRuns: 200 },
  );
});

Deno.test("of two owners of one identity the first holds it: who wants the same shares it, who does not is refused", () => {
  fc.assert(
    fc.property(wishes, wishes, (first, second) => {
      const { held, conflicts, yielding } = arbitrate([...owned("a", first), ...owned("b", second)]);
      const before = new Map(first.map((resource) => [identity(resource), JSON.stringify(resource)]));
      const differing = second.filter((resource) =>
        ![undefined, JSON.stringify(resource)].includes(before.get(identity(resource)))
      );
      deepStrictEqual(yielding, []);
      deepStrictEqual(
        new Set(
          conflicts.map(({ wanted, other }) => `${other} ${wanted.owner} ${identity(wanted.resource)}`),
        ),
        new Set(differing.map((resource) => `a b ${identity(resource)}`)),
      );
      for (const { owner, resource, others } of held) {
        strictEqual(owner, before.has(identity(resource)) ? "a" : "b");
        const isShared = owner === "a" &&
          second.some((other) => JSON.stringify(other) === JSON.stringify(resource));
        deepStrictEqual(others, isShared ? [{ owner: "b", key: "k" }] : undefined);
      }
    }),
  );
});
