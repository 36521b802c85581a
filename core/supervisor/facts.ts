// The board of facts: who published what, and who is told of it.
import { factMisfit, readFactId } from "../contract/fact.ts";
import * as shared from "../contract/facts/mod.ts";
import type { Json } from "../contract/mod.ts";

/** The vocabulary that plugins share, by key. */
const SHARED = new Map(Object.values(shared).map((declared) => [declared.key, declared]));

/** What one plugin tells, over all its runs. */
export class PublishedFacts {
  #thisRun = new Set<string>();

  constructor(private readonly board: FactBoard, private readonly publisher: Publisher) {}

  /** A run begins: what the last one told stays until `settle`, as finding it again may take a while. */
  begin(): void {
    this.#thisRun.clear();
  }

  /** Takes a change; answers with why not. */
  take(id: string, value: Json | null): string | undefined {
    const refused = this.board.publish(this.publisher, id, value);
    if (refused !== undefined) return refused;
    if (value === null) this.#thisRun.delete(id);
    else this.#thisRun.add(id);
    return undefined;
  }

  /** What this run did not tell is taken back. */
  settle(): void {
    this.board.keep(this.publisher.name, this.#thisRun);
  }
}

/** Who publishes, and the keys that its manifest names. */
export interface Publisher {
  name: string;
  publishes: readonly string[];
}

/** Facts of all plugins, by id; one id belongs to the plugin that published it first. */
export class FactBoard {
  #facts = new Map<string, { plugin: string; value: Json }>();
  #readers = new Set<(id: string, value: Json | null) => void>();

  /**
   * Publishes, replaces or (with null) takes back a fact. Who publishes may be hostile: what its own side of the contract refuses is
   * refused here again, and answered with why.
   */
  publish({ name: plugin, publishes }: Publisher, id: string, value: Json | null): string | undefined {
    const { key, subject } = readFactId(id);
    if (!publishes.includes(key)) return `The fact "${id}" is not declared in the manifest's "publishes"`;
    const there = this.#facts.get(id);
    if (there && there.plugin !== plugin) return `The fact "${id}" belongs to another plugin`;
    const declared = SHARED.get(key);
    const misfit = declared && value !== null && factMisfit(declared, plugin, subject, value);
    if (misfit) return misfit;
    this.#set(plugin, id, value);
    return undefined;
  }

  /** Takes back everything that `plugin` published. */
  clear(plugin: string): void {
    this.keep(plugin, new Set());
  }

  /** Takes back what `plugin` published under other ids than these. */
  keep(plugin: string, ids: ReadonlySet<string>): void {
    for (const [id, fact] of [...this.#facts]) {
      if (fact.plugin === plugin && !ids.has(id)) this.#set(plugin, id, null);
    }
  }

  get(id: string): Json | undefined {
    return this.#facts.get(id)?.value;
  }

  /** Which plugin told it. */
  publisherOf(id: string): string | undefined {
    return this.#facts.get(id)?.plugin;
  }

  /** Facts with any of the keys. */
  of(keys: readonly string[]): [id: string, value: Json][] {
    return [...this.#facts].filter(([id]) => keys.includes(readFactId(id).key)).map((
      [id, { value }],
    ) => [id, value]);
  }

  /** Tells of every change from now on; returns how to stop it. */
  subscribe(tell: (id: string, value: Json | null) => void): () => void {
    this.#readers.add(tell);
    return () => this.#readers.delete(tell);
  }

  #set(plugin: string, id: string, value: Json | null): void {
    if (value === null) this.#facts.delete(id);
    else this.#facts.set(id, { plugin, value });
    for (const tell of [...this.#readers]) tell(id, value);
  }
}
