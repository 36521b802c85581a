import assert from "node:assert/strict";
import fc from "fast-check";
import * as z from "zod/mini";
import { factOf } from "../contract/mod.ts";
import { PluginFacts } from "../contract/plugin_facts.ts";
import { FactBoard, PublishedFacts } from "./facts.ts";

const THING = factOf("thing", "thing", z.number());
const TELLER = { name: "teller", reads: [], publishes: ["thing"] };
const READER = { name: "reader", reads: ["thing"], publishes: [] };

/** A core, one plugin that tells and one that follows; each of them may crash and come back. */
class World {
  #board: FactBoard | undefined;
  #published: PublishedFacts | undefined;
  /** The core holds the process of the teller. */
  #isTold = false;
  #teller = this.#newTeller();
  #reader = this.#newReader();
  /** What the teller says now. */
  readonly said = new Map<string, number>();

  constructor() {
    this.startCore();
  }

  get seen(): ReadonlyMap<string, number> {
    return this.#reader.watch(THING).current;
  }

  say(whole: ReadonlyMap<string, number>): void {
    this.#teller.publishAll(THING, whole);
    this.said.clear();
    for (const [subject, value] of whole) this.said.set(subject, value);
  }

  sayOne(subject: string, value: number | undefined): void {
    this.#teller.publish(THING, subject, value);
    if (value === undefined) this.said.delete(subject);
    else this.said.set(subject, value);
  }

  crashTeller(): void {
    this.#teller = this.#newTeller();
    this.said.clear();
    this.#published?.begin();
  }

  crashReader(): void {
    this.#reader = this.#newReader();
    this.#reader.takeAll(this.#board?.of(READER.reads) ?? []);
  }

  crashCore(): void {
    this.#board = this.#published = undefined;
  }

  /** Takes over who runs. */
  startCore(): void {
    if (this.#board) return;
    const board = this.#board = new FactBoard();
    this.#published = new PublishedFacts(board, TELLER);
    board.subscribe((id, value) => board === this.#board && this.#reader.take(id, value));
    this.#published.begin();
    for (const [id, value] of this.#teller.told()) this.#published.take(id, value);
    for (const [id, value] of board.of(READER.reads)) this.#reader.take(id, value);
  }

  /** The grace of both is over. */
  settle(): void {
    this.startCore();
    this.#published!.settle();
    this.#reader.takeAll(this.#board!.of(READER.reads));
  }

  #newTeller(): PluginFacts {
    const send = (id: string, value: unknown) =>
      assert.equal(this.#published?.take(id, value as number | null), undefined);
    return new PluginFacts({ ...TELLER, send });
  }

  #newReader(): PluginFacts {
    return new PluginFacts({ ...READER, send: () => assert.fail("it tells nothing") });
  }
}

const subject = fc.constantFrom("a", "b", "192.0.2.1/5", "c");
const step: fc.Arbitrary<(world: World) => void> = fc.oneof(
  fc.dictionary(subject, fc.nat(3)).map((whole) => (world: World) =>
    world.say(new Map(Object.entries(whole)))
  ),
  fc.tuple(subject, fc.option(fc.nat(3), { nil: undefined })).map(([subject, value]) => (world: World) =>
    world.sayOne(subject, value)
  ),
  fc.constantFrom(
    ...(["crashTeller", "crashReader", "crashCore", "startCore", "settle"] as const).map(
      (name) => (world: World) => world[name](),
    ),
  ),
);

Deno.test("property: after any history of sets, crashes and restarts a reader sees exactly what is published", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const world = new World();
      for (const one of steps) one(world);
      world.startCore();
      // At once all that is said; until the grace is over perhaps also what was said before a crash.
      for (const [subject, value] of world.said) assert.equal(world.seen.get(subject), value);
      world.settle();
      assert.deepEqual(new Map([...world.seen].sort()), new Map([...world.said].sort()));
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("a fact belongs to the plugin that published it first", () => {
  const board = new FactBoard();
  const other = { name: "other", publishes: ["thing"] };
  assert.equal(board.publish(TELLER, "thing/a", 1), undefined);
  assert.match(board.publish(other, "thing/a", 2)!, /belongs to another plugin/);
  assert.match(board.publish(other, "things/a", 2)!, /not declared/);
  board.keep("other", new Set());
  assert.equal(board.get("thing/a"), 1);
});
