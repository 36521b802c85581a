// A core for the tests of a plugin: what a plugin is given, changed by the test, and what it asked for, to be looked at. It keeps to
// the rules of the real one (what the manifest does not declare is refused, what is equal is told once), and touches nothing.
import type { Resource } from "../../net/model.ts";
import type { Clock, Context, Log, Status, Store } from "../context.ts";
import { OtbError } from "../errors.ts";
import { type Fact, factId, type FactOf } from "../fact.ts";
import { type Code, drawn, type HealthCondition, type NoWords, type Raised, type Words } from "../health.ts";
import type { Json } from "../json.ts";
import type { Parameters } from "../text.ts";
import type { Link, Network, Role } from "../network.ts";
import { LiveView } from "../live_view.ts";
import type { Plugin } from "../plugin.ts";
import { PluginClaims } from "../plugin_claims.ts";
import { PluginFacts } from "../plugin_facts.ts";
import type { Program, ProgramSpec, ProgramWatcher } from "../program.ts";

/** What the `otb` part of a manifest declares; where one is given, the rest is refused as the core refuses it. */
export interface FakeManifest {
  contract?: string;
  reads?: readonly string[];
  publishes?: readonly string[];
  claims?: readonly string[];
  programs?: readonly { name: string }[];
  secrets?: readonly string[];
}

/** What a plugin is started with; everything has a default. */
export interface FakeOptions {
  name?: string;
  role?: Role;
  /** As a person would set it: the plugin's schema fills in the defaults. */
  config?: object;
  links?: Link[];
  network?: Partial<Network>;
  secrets?: { [name: string]: string };
  /** What an earlier run kept. */
  stored?: { [key: string]: Json };
  /** Its own directory: one of the test's where the plugin writes files. */
  directory?: string;
  /** Time goes on by itself. */
  isRunning?: boolean;
  /** The `otb` part of its deno.json: `import manifest from "../deno.json" with { type: "json" }`. */
  manifest?: FakeManifest;
}

/** Where nothing is declared, everything is. */
const ANYTHING: readonly string[] = Object.assign([], { includes: () => true });

/** Time that stands still until the test moves it; timers are the platform's. */
export class FakeClock implements Clock {
  #passedMs = 0;
  /** What the system's clock shows when none has passed. */
  #beganMs: number;

  /** @param isRunning it is the machine's time, and goes on by itself: for what is tested over real sockets */
  constructor(private readonly isRunning: boolean = false) {
    this.#beganMs = isRunning ? Date.now() - performance.now() : Date.UTC(2030, 0, 1);
  }

  now(): number {
    return Math.floor(this.#beganMs + this.monotonicMs());
  }

  monotonicMs(): number {
    return this.#passedMs + (this.isRunning ? performance.now() : 0);
  }

  /** Time goes by. */
  pass(ms: number): void {
    this.#passedMs += ms;
  }

  /** Somebody sets the system's clock, in milliseconds since the epoch. */
  set(wallMs: number): void {
    this.#beganMs = wallMs - this.monotonicMs();
  }
}

/** A program that the plugin has run; the test says what becomes of it. */
export class FakeProgram implements Program {
  /** What is to run now. */
  spec: ProgramSpec | undefined;
  /** How often it was started, or started anew as it is to run otherwise. */
  starts = 0;

  constructor(
    private readonly watcher: ProgramWatcher,
    private readonly allow: (spec: ProgramSpec) => void,
  ) {}

  apply(spec: ProgramSpec | undefined): Promise<void> {
    if (JSON.stringify(spec) !== JSON.stringify(this.spec)) {
      if (spec) this.allow(spec);
      this.spec = spec;
      if (spec) this.#start();
    }
    return Promise.resolve();
  }

  /** It says a line on its error output. */
  says(line: string): void {
    if (this.watcher.isReady?.(line)) this.watcher.onReady?.();
    this.watcher.onLine?.(line);
  }

  /** It ends by itself, and is started again. */
  ends(reason: string): void {
    this.watcher.onEnd(reason);
    if (this.spec) this.#start();
  }

  #start(): void {
    this.starts++;
    this.watcher.onStart?.();
    if (!this.watcher.isReady) this.watcher.onReady?.();
  }
}

/** A line of the plugin's log. */
export interface FakeLine {
  level: "debug" | "info" | "warn" | "error";
  message: string;
  properties?: Record<string, unknown>;
}

/**
 * The context of a plugin in a test:
 *
 * ```ts
 * const ctx = new FakeContext(plugin, { links: [fibre] });
 * const running = await plugin.start(ctx);
 * ctx.links.set([]);
 * assert.ok(ctx.conditions.has("too-few-links"));
 * await ctx.stop();
 * ```
 */
export class FakeContext<Config, W extends Words = NoWords> implements Context<Config, W> {
  readonly name: string;
  readonly role: Role;
  config: Config;
  readonly directory: string;
  readonly clock: FakeClock;
  readonly links: LiveView<Link[]>;
  readonly network: LiveView<Network>;
  /** Secrets by name: the test sets others. */
  readonly secrets: { [name: string]: string };
  /** What the plugin keeps in its store. */
  readonly stored: Map<string, Json>;
  /** What it wants of the kernel by key. */
  readonly claims: Map<string, Resource[]> = new Map();
  /** Called before a claim is applied; what it throws is what the kernel says. */
  onClaim: ((key: string, resources: Resource[]) => void | Promise<void>) | undefined;
  readonly programs: Map<string, FakeProgram> = new Map();
  /** Conditions that are raised now, by code, as they are drawn in English; hidden ones and young ones, too. */
  readonly conditions: Map<string, HealthCondition> = new Map();
  /** What it told of itself last. */
  status: Status = {};
  readonly lines: FakeLine[] = [];
  readonly facts: PluginFacts;
  /** Facts that it publishes now, by id: the key, and behind a slash the subject where it has one. */
  readonly published: Map<string, Json> = new Map();
  readonly #claims = new PluginClaims((key, resources) => this.#apply(key, resources));
  readonly #words: Words | undefined;
  readonly #manifest: FakeManifest | undefined;
  readonly #releases: (() => void | Promise<void>)[] = [];
  readonly #stop = new AbortController();

  constructor(plugin: Pick<Plugin<Config, never, W>, "config" | "words">, options: FakeOptions = {}) {
    const { name = "plugin", role = "box", directory = "/nonexistent", manifest } = options;
    this.name = name;
    this.role = role;
    this.#words = plugin.words;
    this.directory = directory;
    this.clock = new FakeClock(options.isRunning);
    this.config = plugin.config.parse(options.config ?? {});
    this.links = new LiveView(options.links ?? []);
    this.network = new LiveView({ role, peers: [], ...options.network });
    this.secrets = { ...options.secrets };
    this.stored = new Map(Object.entries(options.stored ?? {}));
    this.#manifest = manifest;
    this.facts = new PluginFacts({
      name,
      reads: manifest ? manifest.reads ?? [] : ANYTHING,
      publishes: manifest ? manifest.publishes ?? [] : ANYTHING,
      send: (id, value) => void (value === null ? this.published.delete(id) : this.published.set(id, value)),
    });
  }

  /** A fact of another plugin, or of the core; `undefined`: it is taken back. */
  tell<T>(fact: Fact<T>, value: T | undefined): void;
  tell<T>(fact: FactOf<T>, subject: string, value: T | undefined): void;
  tell({ key, subject, schema }: Fact<unknown> | FactOf<unknown>, ...[first, second]: unknown[]): void {
    const [of, value] = subject === undefined ? [undefined, first] : [String(first), second];
    this.facts.take(factId(key, of), value === undefined ? null : plain(schema.parse(value)) as Json);
  }

  /** Ends it as the core does: aborts the signal, then undoes what was deferred. */
  async stop(): Promise<void> {
    this.#stop.abort();
    for (const release of this.#releases.splice(0).reverse()) await release();
  }

  readonly log: Log = {
    debug: (message, properties) => void this.lines.push({ level: "debug", message, properties }),
    info: (message, properties) => void this.lines.push({ level: "info", message, properties }),
    warn: (message, properties) => void this.lines.push({ level: "warn", message, properties }),
    error: (message, properties) => void this.lines.push({ level: "error", message, properties }),
  };

  readonly store: Store = {
    get: <T extends Json>(key: string) => Promise.resolve(this.stored.get(key) as T | undefined),
    set: (key, value) => Promise.resolve(void this.stored.set(key, plain(value) as Json)),
    keep: (key, value) => Promise.resolve(void this.stored.set(key, plain(value) as Json)),
    delete: (key) => Promise.resolve(void this.stored.delete(key)),
  };

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  readonly secret = (name: string): string => {
    const value = this.secrets[name];
    if (value !== undefined && (!this.#manifest || this.#manifest.secrets?.includes(name))) return value;
    throw new OtbError(
      "secret-missing",
      `Cannot use a secret as nobody set it, or the manifest does not declare it: current value is "${name}"`,
    );
  };

  readonly defer = (release: () => void | Promise<void>): void => void this.#releases.push(release);

  readonly claim = (key: string, resources: Resource[]): Promise<void> => this.#claims.claim(key, resources);

  async #apply(key: string, resources: Resource[]): Promise<void> {
    const other = resources.find(({ kind }) => this.#manifest && !this.#manifest.claims?.includes(kind));
    if (other) throw refusal("claim-not-declared", "claims", other.kind);
    await this.onClaim?.(key, resources);
    if (resources.length > 0) this.claims.set(key, resources);
    else this.claims.delete(key);
  }

  readonly program = (key: string, watcher: ProgramWatcher): FakeProgram => {
    const program = new FakeProgram(watcher, ({ command: [command = ""] }) => {
      if (!this.#manifest || this.#manifest.programs?.some(({ name }) => name === command)) return;
      throw refusal("program-not-declared", "programs", command);
    });
    this.programs.set(key, program);
    return program;
  };

  readonly publishStatus = (status: Status): void => {
    this.status = plain(status) as Status;
  };

  readonly health: Context<Config, W>["health"] = {
    raise: (...raised: Raised<W>) => {
      const [code, parameters] = raised as readonly [code: string, parameters?: Parameters];
      if (!this.#words || !Object.hasOwn(this.#words.conditions, code)) throw undeclared(code);
      this.conditions.set(code, drawn(this.#words, [code, parameters]));
    },
    clear: (code: Code<W>) => void this.conditions.delete(code),
  };
}

function undeclared(code: string): OtbError {
  return new OtbError(
    "condition-not-declared",
    `Cannot raise a condition as the plugin's words must have it: current value is "${code}"`,
  );
}

function refusal(code: string, list: string, value: string): OtbError {
  return new OtbError(
    code,
    `Cannot use this as the manifest's "${list}" must name it: current value is "${value}"`,
  );
}

/** What is left of a value on its way to another process. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
export { declarationsOf } from "../declared.ts";
