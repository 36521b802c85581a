// What runs around a plugin inside its own process: connects to the core, builds the context, starts and stops it.
// It outlives the core: when the core dies the plugin works on and says who it is to the next core.
import {
  type Answer,
  type Block,
  type Clock,
  type Context,
  type Json,
  type Link,
  type Log,
  type Network,
  OtbError,
  type Parameters,
  type Plugin,
  type ProgramSpec,
  type Status,
  type Store,
  type Viewer,
  type Words,
} from "../contract/mod.ts";
import { maskedTexts } from "../config/secrets.ts";
import { LiveView } from "../contract/live_view.ts";
import { viewerOf } from "../contract/page.ts";
import { PluginFacts } from "../contract/plugin_facts.ts";
import { PluginClaims } from "../contract/plugin_claims.ts";
import { readArgs } from "./args.ts";
import { HostProgram } from "./host_program.ts";
import { catchUncaught, describeUncaught, Slips } from "./uncaught.ts";
import type { Hello, LogNotice, ProgramNotice, ReloadAnswer, Start } from "./protocol.ts";
import { needsRestart, restartsFor } from "./restarts.ts";
import { Rpc } from "./rpc.ts";
import { settleMemory } from "./settled.ts";

/** How long a plugin works on without a core before it ends. */
const ORPHAN_GRACE_MS = 120_000;
const RECONNECT_MS = 200;
const UNCAUGHT = "plugin-uncaught", TELL_UNCAUGHT_MS = 600_000;

/** Runs `plugin` for the core that listens on `socket`; never returns. */
export async function host<Config, Running, W extends Words>(
  plugin: Plugin<Config, Running, W>,
  socket: string,
): Promise<never> {
  await new Host(plugin, socket).run();
  Deno.exit(0);
}

class Host<Config, Running, W extends Words> {
  #plugin: Plugin<Config, Running, W>;
  #socket: string;
  #rpc: Rpc | undefined;
  #connected = Promise.withResolvers<Rpc>();
  #abort = new AbortController();
  #releases: (() => void | Promise<void>)[] = [];
  /** What the plugin's start resolved with. */
  #running: { self: Running } | undefined;
  #config: Config | undefined;
  // What the core must know again when it comes back.
  #claims = new PluginClaims((key, resources) => this.#call("claim", [key, resources]));
  #health = new Map<string, Parameters>();
  #programs = new Map<string, HostProgram>();
  #slips = new Slips();
  #status: Status = {};
  // What the core tells us.
  #links = new LiveView<Link[]>([]);
  #network = new LiveView<Network>({ role: "box", peers: [] });
  /** Both ways; there from the start on. */
  #facts: PluginFacts | undefined;
  #secrets: { [name: string]: string } = {};

  constructor(plugin: Plugin<Config, Running, W>, socket: string) {
    this.#plugin = plugin;
    this.#socket = socket;
    redirectConsole((notice) => this.#log(notice));
    catchUncaught((error) => this.#uncaught(error));
  }

  /**
   * A plugin goes on after what nobody caught, as all that it carries would end with it; one to which it happens again and again
   * is broken, and is better begun anew.
   */
  #uncaught(error: unknown): void {
    const told = describeUncaught(error);
    this.#log({ level: "error", message: "Something failed that nobody waited for", properties: told });
    if (this.#slips.another(performance.now())) {
      // The last words reach the core on this way (process.ts).
      Deno.stderr.writeSync(new TextEncoder().encode(`Error: failed again and again: ${told.reason}\n`));
      Deno.exit(70);
    }
    this.#raise(UNCAUGHT, { reason: told.reason });
    setTimeout(() => this.#slips.isOver(performance.now()) && this.#clear(UNCAUGHT), TELL_UNCAUGHT_MS);
  }

  async run(): Promise<void> {
    let lostAt = performance.now();
    while (performance.now() - lostAt < ORPHAN_GRACE_MS) {
      let stream: Deno.UnixConn;
      try {
        stream = await Deno.connect({ transport: "unix", path: this.#socket });
      } catch {
        if (!this.#running) return;
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
        continue;
      }
      await this.#serve(stream);
      // A core that goes away before the start has nothing to come back to.
      if (!this.#running) return;
      lostAt = performance.now();
    }
    await this.#stop();
  }

  async #serve(stream: Deno.UnixConn): Promise<void> {
    const rpc = new Rpc(stream, {
      start: (params: Start) => this.#start(params),
      reload: (config: Json) => this.#reload(config),
      stop: () => this.#stop(),
      ping: () => true,
      ends: () => this.#running ? this.#plugin.ends?.(this.#running.self) ?? [] : [],
      act: (params: { action: string; args?: Json; view?: Viewer }) =>
        this.#act(params.action, params.args, viewerOf(params.view)),
      page: ({ page, view }: { page: string; view: Viewer }) => this.#page(page, view),
      loss: () => this.#plugin.loss?.(this.#self("tell what is lost")) ?? null,
      guide: (view: Viewer) => this.#plugin.guide?.at(this.#self("lead through the setup"), view) ?? null,
      links: (links: Link[]) => this.#links.set(links),
      network: (network: Network) => this.#network.set(network),
      secrets: (secrets: Start["secrets"]) => void (this.#secrets = secrets),
      fact: ([id, value]: [string, Json | null]) => this.#facts?.take(id, value),
      facts: (facts: Start["facts"]) => this.#facts?.takeAll(facts),
      program: ([key, news]: ProgramNotice) => {
        const program = this.#programs.get(key);
        if ("ended" in news) program?.ended(news.ended);
        else program?.said(news.lines);
      },
    });
    const hello: Hello = {
      pid: Deno.pid,
      started: this.#running !== undefined,
      claims: this.#claims.held,
      programs: [...this.#programs].flatMap(([key, { wanted }]): [string, ProgramSpec][] =>
        wanted ? [[key, wanted]] : []
      ),
      facts: this.#facts?.told() ?? [],
      health: [...this.#health],
      words: this.#plugin.words &&
        { conditions: this.#plugin.words.conditions, texts: this.#plugin.words.texts },
      status: this.#status,
    };
    try {
      const greeted = rpc.call("hello", hello);
      // From here on, not from the answer on: the start may come in the same breath, and what it publishes must not be lost.
      this.#rpc = rpc;
      this.#connected.resolve(rpc);
      await greeted;
      await rpc.closed;
    } catch {
      rpc.close();
    }
    this.#rpc = undefined;
    this.#connected = Promise.withResolvers<Rpc>();
  }

  /** Calls the core, waiting for it to come back where it is away. */
  async #call<T>(method: string, params: unknown): Promise<T> {
    for (;;) {
      // Who stops without a core is not held up by what only a core can do.
      if (!this.#rpc && this.#abort.signal.aborted) {
        throw new OtbError("connection-lost", `Cannot finish "${method}" as there is no core any more`);
      }
      const rpc = this.#rpc ?? await this.#connected.promise;
      try {
        return await rpc.call<T>(method, params);
      } catch (error) {
        if (!(error instanceof OtbError) || error.code !== "connection-lost") throw error;
        await rpc.closed;
      }
    }
  }

  async #start(params: Start): Promise<void> {
    this.#secrets = params.secrets;
    this.#links.set(params.links);
    this.#network.set(params.network);
    this.#facts = new PluginFacts({ ...params, send: (id, value) => this.#rpc?.notify("fact", [id, value]) });
    this.#facts.takeAll(params.facts);
    this.#config = this.#plugin.config.parse(params.config);
    try {
      this.#running = { self: await this.#plugin.start(this.#context(params)) };
      settleMemory();
    } catch (error) {
      await this.#release();
      throw error;
    }
  }

  async #reload(config: Json): Promise<ReloadAnswer> {
    if (!this.#running) return { taken: false };
    const next = this.#plugin.config.parse(config);
    const { reload } = this.#plugin;
    if (!reload || needsRestart(restartsFor(this.#plugin), this.#config, next)) return { taken: false };
    await reload.call(this.#plugin, this.#running.self, next);
    this.#config = next;
    return { taken: true };
  }

  async #stop(): Promise<void> {
    this.#abort.abort();
    await this.#release();
    // The answer leaves first.
    setTimeout(() => Deno.exit(0), 20);
  }

  async #release(): Promise<void> {
    for (const release of this.#releases.splice(0).reverse()) {
      try {
        await release();
      } catch (error) {
        this.#log({ level: "warning", message: `Cannot release something on stop: ${error}` });
      }
    }
  }

  async #act(name: string, args: Json | undefined, view: Viewer): Promise<Answer> {
    const action = this.#plugin.actions?.[name];
    if (!action) {
      const known = Object.keys(this.#plugin.actions ?? {}).join(", ") || "none";
      throw new OtbError(
        "action-unknown",
        `Cannot run an action as this plugin has ${known}: current value is "${name}"`,
      );
    }
    const read = readArgs(name, action.args, args);
    const self = this.#self(`run "${name}"`);
    const result = await action.run(self, read);
    return { result, blocks: action.show?.(result as never, { ...view, args: read }, self) ?? [] };
  }

  #page(name: string, view: Viewer): { title: string; blocks: Block[] } {
    const page = this.#plugin.pages?.[name];
    if (page) return { title: page.title, blocks: page.blocks(this.#status, view) };
    throw new OtbError(
      "page-unknown",
      `Cannot show a page as this plugin has ${
        Object.keys(this.#plugin.pages ?? {}).join(", ") || "none"
      }: current value is "${name}"`,
    );
  }

  /** What runs. @throws OtbError `plugin-not-ready` */
  #self(purpose: string): Running {
    if (this.#running) return this.#running.self;
    throw new OtbError("plugin-not-ready", `Cannot ${purpose} as this plugin does not run yet`);
  }

  #log(notice: LogNotice): void {
    const mask = (text: string) =>
      maskedTexts(Object.values(this.#secrets)).reduce(
        (masked, secret) => masked.replaceAll(secret, "***"),
        text,
      );
    const properties = notice.properties &&
      JSON.parse(
        mask(
          JSON.stringify(
            notice.properties,
            (_key, value) => typeof value === "bigint" ? String(value) : value,
          ),
        ),
      );
    this.#rpc?.notify("log", { ...notice, message: mask(notice.message), properties });
  }

  #context(params: Start): Context<Config, W> {
    const config = () => this.#config!;
    const clock: Clock = { now: () => Date.now(), monotonicMs: () => performance.now() };
    const log: Log = {
      debug: (message, properties) => this.#log({ level: "debug", message, properties }),
      info: (message, properties) => this.#log({ level: "info", message, properties }),
      warn: (message, properties) => this.#log({ level: "warning", message, properties }),
      error: (message, properties) => this.#log({ level: "error", message, properties }),
    };
    const store: Store = {
      get: async <T extends Json>(key: string) => (await this.#call<T | null>("store-get", key)) ?? undefined,
      set: (key, value) => this.#call("store-set", [key, value]),
      keep: async (key, value) => {
        try {
          await this.#call("store-set", [key, value]);
        } catch (error) {
          log.debug("A value waits for the disk", { key, reason: String(error) });
        }
      },
      delete: (key) => this.#call("store-set", [key, null]),
    };
    return {
      name: params.name,
      role: params.role,
      directory: params.directory,
      get config() {
        return config();
      },
      signal: this.#abort.signal,
      log,
      clock,
      store,
      facts: this.#facts!,
      links: this.#links,
      network: this.#network,
      secret: (name) => {
        const value = this.#secrets[name];
        if (value === undefined) {
          throw new OtbError(
            "secret-missing",
            `Cannot use a secret as nobody set it: current value is "${name}"`,
          );
        }
        return value;
      },
      defer: (release) => void this.#releases.push(release),
      claim: (key, resources) => this.#claims.claim(key, resources),
      program: (key, watcher) => {
        const program = new HostProgram(watcher, {
          keep: (spec) => this.#call("program-keep", [key, spec]),
          start: (spec) => this.#call("program-start", [key, spec]),
        });
        this.#programs.set(key, program);
        return program;
      },
      publishStatus: (status) => {
        // As it is now: its owner may go on writing into it.
        const text = JSON.stringify(status);
        if (text === JSON.stringify(this.#status)) return;
        this.#status = JSON.parse(text);
        this.#rpc?.notify("status", this.#status);
      },
      health: {
        raise: (...raised) => this.#raise(...raised as readonly [code: string, parameters?: Parameters]),
        clear: (code) => this.#clear(code),
      },
    };
  }

  #raise(code: string, parameters: Parameters = {}): void {
    this.#health.set(code, parameters);
    this.#rpc?.notify("health", [code, parameters]);
  }

  #clear(code: string): void {
    if (this.#health.delete(code)) this.#rpc?.notify("health", [code, null]);
  }
}

/** Sends what code prints to the plugin's log: a process without a terminal has no other place for it. */
function redirectConsole(log: (notice: LogNotice) => void): void {
  const levels = { debug: "debug", log: "info", info: "info", warn: "warning", error: "error" } as const;
  for (const [method, level] of Object.entries(levels)) {
    (console as unknown as Record<string, unknown>)[method] = (...words: unknown[]) =>
      log({
        level,
        message: words.map((word) => typeof word === "string" ? word : Deno.inspect(word)).join(" "),
      });
  }
}
