// The board of facts: who published what, and who is told of it.
import type { Json } from "../contract/mod.ts";

/** Facts of all plugins; one key belongs to the plugin that published it first. */
export class FactBoard {
  #facts = new Map<string, { plugin: string; value: Json }>();
  #readers = new Set<(key: string, value: Json | null) => void>();

  /** Publishes, replaces or (with null) takes back a fact; a key of another plugin is left alone and answers false. */
  publish(plugin: string, key: string, value: Json | null): boolean {
    const there = this.#facts.get(key);
    if (there && there.plugin !== plugin) return false;
    if (value === null) this.#facts.delete(key);
    else this.#facts.set(key, { plugin, value });
    for (const tell of [...this.#readers]) tell(key, value);
    return true;
  }

  /** Takes back everything that `plugin` published. */
  clear(plugin: string): void {
    for (const [key, fact] of [...this.#facts]) {
      if (fact.plugin === plugin) this.publish(plugin, key, null);
    }
  }

  /** Takes back what `plugin` published under other keys than these. */
  keep(plugin: string, keys: ReadonlySet<string>): void {
    for (const [key, fact] of [...this.#facts]) {
      if (fact.plugin === plugin && !keys.has(key)) this.publish(plugin, key, null);
    }
  }

  get(key: string): Json | undefined {
    return this.#facts.get(key)?.value;
  }

  /** Which plugin told it. */
  publisherOf(key: string): string | undefined {
    return this.#facts.get(key)?.plugin;
  }

  /** Facts under any of the prefixes. */
  under(prefixes: string[]): [key: string, value: Json][] {
    return [...this.#facts]
      .filter(([key]) => prefixes.some((prefix) => key.startsWith(prefix)))
      .map(([key, fact]) => [key, fact.value]);
  }

  /** Tells of every change from now on; returns how to stop it. */
  subscribe(tell: (key: string, value: Json | null) => void): () => void {
    this.#readers.add(tell);
    return () => this.#readers.delete(tell);
  }
}
