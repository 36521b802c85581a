// What a plugin wants of the kernel, as its own process knows it: what is wanted already is not asked for again, so that a plugin says
// what it wants as often as it likes.
import type { Resource } from "../net/model.ts";

/** The claims of one plugin. */
export class PluginClaims {
  /** What was asked for last, by key. */
  readonly #asked = new Map<string, { text: string; applied: Promise<void> }>();
  readonly #held = new Map<string, Resource[]>();

  /** @param ask has the core apply it */
  constructor(private readonly ask: (key: string, resources: Resource[]) => Promise<void>) {}

  /** What is applied, for a core that comes back. */
  get held(): [key: string, resources: Resource[]][] {
    return [...this.#held];
  }

  /** Resolves once it is applied; what was refused is asked for again when it is wanted again. */
  claim(key: string, resources: Resource[]): Promise<void> {
    const text = JSON.stringify(resources);
    const former = this.#asked.get(key);
    if (former?.text === text) return former.applied;
    const applied = this.#apply(key, resources).catch((error) => {
      if (this.#asked.get(key)?.applied === applied) this.#asked.delete(key);
      throw error;
    });
    this.#asked.set(key, { text, applied });
    return applied;
  }

  async #apply(key: string, resources: Resource[]): Promise<void> {
    await this.ask(key, resources);
    if (resources.length > 0) this.#held.set(key, resources);
    else this.#held.delete(key);
  }
}
