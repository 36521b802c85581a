// One plugin's end of the facts: what it told, and what it follows of others. The core has one, too.
import type { Facts, View } from "./context.ts";
import { OtbError } from "./errors.ts";
import { type Fact, factId, factMisfit, type FactOf, readFactId } from "./fact.ts";
import type { Json } from "./json.ts";
import { LiveView } from "./live_view.ts";

/** Who tells and follows, and how what is told gets out. */
export interface FactsOf {
  name: string;
  /** Keys of the manifest. */
  reads: readonly string[];
  publishes: readonly string[];
  /** Takes what changed, by its id; null takes it back. */
  send(id: string, value: Json | null): void;
}

/** The facts of one plugin, wherever it runs. */
export class PluginFacts implements Facts {
  /** What was told, as JSON, by id. */
  #told = new Map<string, string>();
  /** What others tell, by key and subject; a fact that exists once has the subject "". */
  #known = new Map<string, Map<string, Json>>();
  #views = new Map<string, { isOnce: boolean; view: LiveView<unknown> }>();

  constructor(private readonly of: FactsOf) {}

  publish<T>(fact: Fact<T>, value: T | undefined): void;
  publish<T>(fact: FactOf<T>, subject: string, value: T | undefined): void;
  publish(fact: Fact<unknown> | FactOf<unknown>, ...[first, second]: unknown[]): void {
    this.#mayPublish(fact);
    const [subject, value] = fact.subject === undefined ? [undefined, first] : [String(first), second];
    if (value === undefined) this.#takeBack(factId(fact.key, subject));
    else for (const change of this.#changed(fact, subject, value)) this.#tell(...change);
  }

  publishAll<T>(fact: FactOf<T>, values: ReadonlyMap<string, T>): void {
    this.#mayPublish(fact);
    // Refused as a whole, or told as a whole.
    const changes = [...values].flatMap(([subject, value]) => this.#changed(fact, subject, value));
    for (const id of [...this.#told.keys()]) {
      const { key, subject } = readFactId(id);
      if (key === fact.key && !values.has(subject!)) this.#takeBack(id);
    }
    for (const change of changes) this.#tell(...change);
  }

  watch<T>(fact: Fact<T>): View<T | undefined>;
  watch<T>(fact: FactOf<T>): View<ReadonlyMap<string, T>>;
  watch(fact: Fact<unknown> | FactOf<unknown>): View<unknown> {
    const { key } = fact;
    if (!this.of.reads.includes(key)) throw notDeclared("watch", "reads", key);
    let watched = this.#views.get(key);
    if (!watched) {
      const isOnce = fact.subject === undefined;
      watched = { isOnce, view: new LiveView(this.#current(key, isOnce)) };
      this.#views.set(key, watched);
    }
    return watched.view;
  }

  /** Hears of a fact of somebody, this plugin included; null: it was taken back. What it does not read is left alone. */
  take(id: string, value: Json | null): void {
    const { key, subject = "" } = readFactId(id);
    if (!this.of.reads.includes(key)) return;
    const known = this.#known.get(key) ?? new Map<string, Json>();
    if (value === null ? !known.has(subject) : isSame(known.get(subject), value)) return;
    if (value === null) known.delete(subject);
    else known.set(subject, value);
    this.#known.set(key, known);
    const watched = this.#views.get(key);
    watched?.view.replace(this.#current(key, watched.isOnce));
  }

  /** Hears all that there is: what it knew besides is gone. */
  takeAll(facts: readonly (readonly [id: string, value: Json])[]): void {
    const there = new Set(facts.map(([id]) => id));
    for (const [key, known] of this.#known) {
      for (const subject of [...known.keys()]) {
        const id = factId(key, subject === "" ? undefined : subject);
        if (!there.has(id)) this.take(id, null);
      }
    }
    for (const [id, value] of facts) this.take(id, value);
  }

  /** What this plugin told last, for a core that knows nothing of it. */
  told(): [id: string, value: Json][] {
    return [...this.#told].map(([id, text]) => [id, JSON.parse(text)]);
  }

  #mayPublish({ key }: { key: string }): void {
    if (!this.of.publishes.includes(key)) throw notDeclared("publish", "publishes", key);
  }

  /** What is to be told of a value: nothing when it is as it was. @throws OtbError `fact-invalid` */
  #changed(
    fact: Fact<unknown> | FactOf<unknown>,
    subject: string | undefined,
    value: unknown,
  ): [id: string, text: string, plain: Json][] {
    const id = factId(fact.key, subject), text = JSON.stringify(value);
    if (text === this.#told.get(id)) return [];
    const plain: Json = JSON.parse(text);
    const misfit = factMisfit(fact, this.of.name, subject, plain);
    if (misfit !== undefined) throw new OtbError("fact-invalid", misfit);
    return [[id, text, plain]];
  }

  #tell(id: string, text: string, plain: Json): void {
    this.#told.set(id, text);
    this.of.send(id, plain);
  }

  #takeBack(id: string): void {
    if (this.#told.delete(id)) this.of.send(id, null);
  }

  #current(key: string, isOnce: boolean): unknown {
    const known = this.#known.get(key);
    return isOnce ? known?.get("") : new Map(known);
  }
}

function isSame(a: Json | undefined, b: Json): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function notDeclared(verb: string, field: string, key: string): OtbError {
  return new OtbError(
    "fact-not-declared",
    `Cannot ${verb} a fact as the manifest's "${field}" must name it: current value is "${key}"`,
  );
}
