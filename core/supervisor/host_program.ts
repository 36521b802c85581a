// A program as its plugin sees it: wanted or not, watched, started again when it ends. The core starts and ends it (programs.ts).
import type { Program, ProgramSpec, ProgramWatcher } from "../contract/mod.ts";

/** Waits until a program that ended is started again; the last one repeats. */
const RESTART_MS = [100, 300, 1_000, 3_000];
/** A run this long forgets earlier ends. */
const HEALTHY_MS = 30_000;
/** How long it may take to say that it serves. */
const READY_MS = 10_000;

/** How the core is asked. */
export interface ProgramCalls {
  keep(spec: ProgramSpec | null): Promise<boolean>;
  start(spec: ProgramSpec): Promise<void>;
}

/** One program, or none. */
export class HostProgram implements Program {
  #wanted: ProgramSpec | undefined;
  /** Nobody knows yet what an earlier run left. */
  #isApplied = false;
  #ends = 0;
  #startedMs = 0;
  #ready = Promise.withResolvers<void>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly watcher: ProgramWatcher, private readonly calls: ProgramCalls) {}

  /** What is to run now; for a core that comes back. */
  get wanted(): ProgramSpec | undefined {
    return this.#wanted;
  }

  async apply(spec: ProgramSpec | undefined): Promise<void> {
    if (this.#isApplied && JSON.stringify(spec) === JSON.stringify(this.#wanted)) return;
    clearTimeout(this.#timer);
    this.#wanted = spec;
    this.#isApplied = true;
    this.#ends = 0;
    await this.#have(spec);
  }

  said(lines: string[]): void {
    for (const line of lines) {
      if (this.watcher.isReady?.(line)) this.#serves();
      this.watcher.onLine?.(line);
    }
  }

  ended(reason: string): void {
    this.#ready.resolve();
    if (!this.#wanted) return;
    if (performance.now() - this.#startedMs > HEALTHY_MS) this.#ends = 0;
    this.watcher.onEnd(reason);
    this.#again();
  }

  /** What keeps it from running is told to the watcher, and tried again for as long as it is wanted. */
  async #have(spec: ProgramSpec | undefined): Promise<void> {
    try {
      const runs = await this.calls.keep(spec ?? null);
      if (spec !== this.#wanted || !spec) return;
      this.#startedMs = performance.now();
      if (runs) return this.#serves();
      this.watcher.onStart?.();
      const ready = this.#ready = Promise.withResolvers<void>();
      await this.calls.start(spec);
      if (!this.watcher.isReady) return this.#serves();
      const timer = setTimeout(ready.resolve, READY_MS);
      await ready.promise;
      clearTimeout(timer);
    } catch (error) {
      if (spec !== this.#wanted || !spec) return;
      this.watcher.onEnd(error instanceof Error ? error.message : String(error));
      this.#again();
    }
  }

  #serves(): void {
    this.#ready.resolve();
    if (this.#wanted) this.watcher.onReady?.();
  }

  #again(): void {
    clearTimeout(this.#timer);
    const waitMs = RESTART_MS[Math.min(this.#ends++, RESTART_MS.length - 1)];
    this.#timer = setTimeout(() => void this.#have(this.#wanted), waitMs);
  }
}
