// What the core gives a running plugin.
import type { Resource } from "../net/model.ts";
import type { Fact, FactOf } from "./fact.ts";
import type { Code, NoWords, Raised, Words } from "./health.ts";
import type { Json } from "./json.ts";
import type { Link, Network, Role } from "./network.ts";
import type { Program, ProgramWatcher } from "./program.ts";

/** A value that changes while the plugin runs; `subscribe` does not call at once. */
export interface View<T> {
  readonly current: T;
  subscribe(onChange: (value: T) => void): () => void;
}

/** What a plugin tells of itself for people and for `otb status`; any JSON object. */
export type Status = { [key: string]: Json };

/** Time, replaceable in tests. */
export interface Clock {
  /** Milliseconds since the epoch; may jump. */
  now(): number;
  /** Milliseconds that never go back. */
  monotonicMs(): number;
}

/** Structured log of one plugin; secrets are masked before a line leaves the process. */
export interface Log {
  debug(message: string, properties?: Record<string, unknown>): void;
  info(message: string, properties?: Record<string, unknown>): void;
  warn(message: string, properties?: Record<string, unknown>): void;
  error(message: string, properties?: Record<string, unknown>): void;
}

/** A small durable store of one plugin: a value is on disk when the promise resolves. */
export interface Store {
  get<T extends Json>(key: string): Promise<T | undefined>;
  /** @throws OtbError `disk-full` and the like; the core then writes it as soon as the disk takes it */
  set(key: string, value: Json): Promise<void>;
  /** The same for what is merely good to know after a restart: never throws, and is on disk later where that is full. */
  keep(key: string, value: Json): Promise<void>;
  delete(key: string): Promise<void>;
}

/** Small facts that plugins tell each other, each under the name of who published it. */
export interface Facts {
  /**
   * Publishes or replaces a fact; `undefined` takes it back. One that is as it was already is not told again. Facts of a stopped
   * plugin are gone. The manifest's `publishes` must name the key.
   * @throws OtbError `fact-not-declared`, `fact-invalid`
   */
  publish<T>(fact: Fact<T>, value: NoInfer<T> | undefined): void;
  /** The same of one subject; those of others stay. */
  publish<T>(fact: FactOf<T>, subject: string, value: NoInfer<T> | undefined): void;
  /**
   * Publishes the whole set by subject: what this plugin told of others is taken back. After a crash what the last run told stays until
   * this one has had its time to find it again.
   * @throws OtbError `fact-not-declared`, `fact-invalid`
   */
  publishAll<T>(fact: FactOf<T>, values: ReadonlyMap<string, NoInfer<T>>): void;
  /**
   * Follows a fact of any plugin; undefined while nobody tells it. The manifest's `reads` must name the key.
   * @throws OtbError `fact-not-declared`
   */
  watch<T>(fact: Fact<T>): View<T | undefined>;
  /** Follows all of them by subject; each change is another map. */
  watch<T>(fact: FactOf<T>): View<ReadonlyMap<string, T>>;
}

/** What the core gives a running plugin. */
export interface Context<Config, W extends Words = NoWords> {
  readonly name: string;
  readonly role: Role;
  readonly config: Config;
  /** Aborted when the plugin must stop; releases given to `defer` run right after. */
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly clock: Clock;
  readonly store: Store;
  readonly facts: Facts;
  /** On the box its links; in the cloud what the peer itself leaves by, `uplink` and `uplink6`. */
  readonly links: View<Link[]>;
  readonly network: View<Network>;
  /** Own directory for files, readable and writable by this plugin only. */
  readonly directory: string;
  /**
   * A secret as it is now; one that changes while the plugin runs is here before the fact that says so.
   * @throws OtbError `secret-missing` when the manifest does not declare it or nobody set it.
   */
  secret(name: string): string;
  /** Registers what to undo on stop, in reverse order, also after half a start. */
  defer(release: () => void | Promise<void>): void;
  /**
   * Says everything this plugin wants of the kernel under `key`, replacing what it said before under it; resolves once applied.
   * An empty list gives it all back. Resources unchanged since the last call are not touched.
   * @throws OtbError `claim-conflict`, `claim-not-declared`, `apply-failed`
   */
  claim(key: string, resources: Resource[]): Promise<void>;
  /**
   * A program under a name of its own: small letters, digits, dashes. It is started again when it ends; when the plugin
   * crashes it runs on until the next run says what it wants, and is ended when the plugin stops or stays away.
   */
  program(key: string, watcher: ProgramWatcher): Program;
  publishStatus(status: Status): void;
  /** Conditions that a person should know of: one per code; raising it again replaces its parameters. */
  readonly health: { raise(...raised: Raised<W>): void; clear(code: Code<W>): void };
}
