// A value with subscribers: how a plugin and the core follow what changes.
import type { View } from "./context.ts";

/** A view whose owner sets it; equal values (as JSON) wake nobody. */
export class LiveView<T> implements View<T> {
  #value: T;
  #text: string | undefined;
  #subscribers = new Set<(value: T) => void>();

  constructor(value: T) {
    this.#value = value;
    this.#text = JSON.stringify(value);
  }

  get current(): T {
    return this.#value;
  }

  set(value: T): void {
    const text = JSON.stringify(value);
    if (text === this.#text) return;
    this.#value = value;
    this.#text = text;
    this.wake();
  }

  /** Sets a value that its owner knows to be another one. */
  replace(value: T): void {
    this.#value = value;
    this.#text = undefined;
    this.wake();
  }

  /** Tells subscribers although the reference stayed the same: for values that are changed in place. */
  wake(): void {
    for (const onChange of [...this.#subscribers]) onChange(this.#value);
  }

  subscribe(onChange: (value: T) => void): () => void {
    this.#subscribers.add(onChange);
    return () => this.#subscribers.delete(onChange);
  }
}
