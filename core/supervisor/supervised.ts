// The life of one plugin under the supervisor: start, ready, crash, wait, again; its claims outlive a crash for a grace period.
import type { PluginReport } from "../client/types.ts";
import {
  type Answer,
  type Ending,
  type Json,
  type Link,
  type Network,
  OtbError,
  type Parameters,
  type ProgramSpec,
  type Resource,
  type Role,
  type Status,
  type Viewer,
  type Words,
} from "../contract/mod.ts";
import { readFactId } from "../contract/fact.ts";
import { Activation } from "./activation.ts";
import { Backoff } from "./backoff.ts";
import { type FactBoard, PublishedFacts } from "./facts.ts";
import type { LiveView } from "../contract/live_view.ts";
import type { Manifest } from "./manifest.ts";
import { Pace } from "./pace.ts";
import { type Places, PluginProcess } from "./process.ts";
import { Programs } from "./programs.ts";
import { checkedEndings } from "./restarts.ts";
import type { HealthNotice, LogNotice, ProgramNotice, ReloadAnswer, Start } from "./protocol.ts";
import { asOtbError, type Handler } from "./rpc.ts";
import { describePermissions } from "./sandbox.ts";
import type { Standing } from "./standing.ts";
import { type CoreCondition, coreWords } from "../texts/mod.ts";
import { checkedParameters, checkedWords, isCode, WORDLESS } from "./words.ts";

/** How long claims and facts of a crashed plugin stay, so that routing goes on without it and nobody forgets what it found. */
const GRACE_MS = 30_000;
const START_MS = 30_000;
/** Who is asked what would end answers at once, or is not waited for. */
const ENDS_MS = 2_000;
const MEMORY_EVERY_MS = 5_000;
/** Every claim has the kernel read: more claims than these wait, and more that wait than these are refused. */
const CLAIMS_BURST = 100, CLAIMS_PER_SECOND = 20, MOST_WAITING_CLAIMS = 200;

/** What a supervised plugin needs of the core around it. */
export interface Core {
  role: Role;
  places: Places;
  links: LiveView<Link[]>;
  network: LiveView<Network>;
  facts: FactBoard;
  claim(owner: string, key: string, resources: Resource[]): Promise<void>;
  release(owner: string): Promise<void>;
  config(plugin: string): Json;
  secret(name: string): string | undefined;
  storeGet(plugin: string, key: string): Json | null;
  storeSet(plugin: string, key: string, value: Json | null): void;
  log(plugin: string, notice: LogNotice): void;
}

/** One plugin, its process if there is one, and what it told last. */
export class Supervised {
  /** Conditions that stand, by code. */
  readonly health = new Map<string, Standing>();
  #words: Words = WORDLESS;
  #state: PluginReport["state"] | "idle" = "stopped";
  #reason: string | undefined;
  #sinceMs = Date.now();
  #status: Status = {};
  #process: PluginProcess | undefined;
  #restarts = 0;
  #backoff = new Backoff();
  #restartTimer: ReturnType<typeof setTimeout> | undefined;
  #graceTimer: ReturnType<typeof setTimeout> | undefined;
  #memoryTimer: ReturnType<typeof setInterval> | undefined;
  #stopping = false;
  #claimKeys = new Set<string>();
  #claimedThisRun = new Set<string>();
  readonly #facts: PublishedFacts;
  #claimQueue: Promise<unknown> = Promise.resolve();
  #claimsWaiting = 0;
  #claimPace = new Pace(CLAIMS_BURST, CLAIMS_PER_SECOND);
  #unsubscribe: (() => void)[] = [];
  /** Of one that does not run always. */
  readonly #activation: Activation | undefined;
  readonly #programs: Programs;
  #programsThisRun = new Set<string>();

  constructor(
    readonly manifest: Manifest,
    private readonly core: Core,
    private readonly graceMs = GRACE_MS,
  ) {
    if (manifest.runs !== "always") {
      this.#activation = new Activation(manifest.runs, core.facts, {
        wake: () => this.#run(),
        rest: () => this.#rest(),
      }, graceMs);
    }
    const tell = (...notice: ProgramNotice) => this.#process?.rpc.notify("program", notice);
    this.#facts = new PublishedFacts(core.facts, manifest);
    this.#programs = new Programs(manifest.name, manifest.programs.map(({ name }) => name), core.places.run, {
      said: (key, lines) => tell(key, { lines }),
      ended: (key, reason) => tell(key, { ended: reason }),
    });
  }

  get name(): string {
    return this.manifest.name;
  }

  /**
   * Starts it, or takes over the process an earlier core left; resolves after the first try, ready or not. One that does not run
   * always is idle until it is wanted.
   */
  async start(): Promise<void> {
    if (!this.#activation) return await this.#run();
    this.#enter("idle");
    const isLeft = PluginProcess.isLeft(this.manifest.name, this.core.places);
    if (isLeft) await this.#run();
    await this.#activation.begin(isLeft);
  }

  async #run(): Promise<void> {
    this.#stopping = false;
    clearTimeout(this.#restartTimer);
    this.#enter("starting");
    this.#claimedThisRun.clear();
    this.#facts.begin();
    this.#programsThisRun.clear();
    let process: PluginProcess;
    try {
      process = await PluginProcess.open(this.manifest, this.core.places, this.#handlers());
    } catch (error) {
      return this.#crashed(asOtbError(error).message, 0);
    }
    this.#process = process;
    void process.ended.then((reason) => this.#ended(process, reason));
    // From here on, not from its answer on: what changes while it starts must not be lost.
    this.#follow(process);
    try {
      this.#words = checkedWords(process.hello.words);
      if (process.hello.started) await this.#takeOver(process);
      else await process.rpc.call("start", this.#startParameters(), START_MS);
    } catch (error) {
      const reason = `did not start: ${asOtbError(error).message}`;
      process.kill(reason);
      await process.ended;
      return;
    }
    if (this.#process !== process) return;
    this.#enter("ready");
    clearTimeout(this.#graceTimer);
    // What the new run will tell of again may take it a while to find.
    this.#graceTimer = setTimeout(() => {
      this.#facts.settle();
      // What was taken back while there was no core is heard of now.
      if (process.hello.started) process.rpc.notify("facts", this.core.facts.of(this.manifest.reads));
      void this.#programs.keepOnly(this.#programsThisRun);
    }, this.graceMs);
    try {
      await this.#sweepClaims();
    } catch (error) {
      // It is ready; what could not be given back stays noted and is tried with the next change.
      this.#complain("Cannot give back a claim of an earlier run", error);
    }
  }

  /** Stops it in order and gives back what it claimed. */
  async stop(): Promise<void> {
    await this.#activation?.end();
    await this.#halt();
    this.#enter("stopped");
  }

  async #halt(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restartTimer);
    clearTimeout(this.#graceTimer);
    await this.#process?.stop(this.manifest.stopSeconds);
    await this.#dropEverything();
  }

  /** Stops it until it is wanted again. */
  async #rest(): Promise<void> {
    await this.#halt();
    this.#enter("idle");
    this.#status = {};
  }

  /** A fresh start asked for by a person or a change of settings; claims stay in between. */
  async restart(): Promise<void> {
    if (this.isIdle) return;
    this.#stopping = true;
    clearTimeout(this.#restartTimer);
    await this.#process?.stop(this.manifest.stopSeconds);
    this.#backoff.reset();
    await this.#run();
  }

  /**
   * Hands over new settings, with a restart where the plugin can't take them while running.
   * @throws OtbError what the plugin says against them
   */
  async reload(): Promise<void> {
    // It is given them when it next starts.
    if (this.isIdle) return;
    if (this.#state !== "ready" || !this.#process) return await this.restart();
    const answer = await this.#process.rpc.call<ReloadAnswer>("reload", this.core.config(this.name));
    if (!answer.taken) await this.restart();
    if (this.#state !== "ready") {
      throw new OtbError(
        "plugin-not-ready",
        `Cannot use the new settings as plugin "${this.name}" does not start: ${this.#reason}`,
      );
    }
  }

  /** It does not run, as it is not wanted now. */
  get isIdle(): boolean {
    return this.#state === "idle";
  }

  get isReady(): boolean {
    return this.#state === "ready" && this.#process !== undefined;
  }

  /** What a restart would end now; undefined where it can't be asked. */
  async ends(): Promise<Ending[] | undefined> {
    if (this.#state !== "ready" || !this.#process) return [];
    try {
      return checkedEndings(await this.#process.rpc.call("ends", undefined, ENDS_MS));
    } catch {
      return undefined;
    }
  }

  /** @throws OtbError `plugin-not-ready`, and what the action throws */
  async act(action: string, args?: Json, view?: Viewer): Promise<Answer> {
    const act = () => this.ask<Answer>(`run "${action}"`, "act", { action, args, view });
    return await (this.#activation?.during(act) ?? act());
  }

  /** Asks the running plugin. @throws OtbError `plugin-not-ready`, and what it throws */
  async ask<T>(purpose: string, method: "act" | "page" | "loss" | "guide", params?: unknown): Promise<T> {
    if (this.#state !== "ready" || !this.#process) {
      throw new OtbError(
        "plugin-not-ready",
        `Cannot ${purpose} as plugin "${this.name}" must be ready: current value is "${this.#state}"`,
        "otb status",
      );
    }
    return await this.#process.rpc.call<T>(method, params);
  }

  /** Hands over the secrets as they are now, before any fact that says so. */
  tellSecrets(): void {
    if (this.manifest.secrets.length > 0) this.#process?.rpc.notify("secrets", this.#secrets());
  }

  report(): PluginReport {
    return {
      name: this.name,
      version: this.manifest.version,
      summary: this.manifest.summary,
      tier: this.manifest.tier,
      permissions: describePermissions(this.manifest),
      state: this.#state === "idle" ? "ready" : this.#state,
      idle: this.isIdle ? this.#activation?.reason : undefined,
      reason: this.#reason,
      pid: this.#process?.pid,
      restarts: this.#restarts,
      sinceMs: this.#sinceMs,
      memoryBytes: this.#process?.memoryBytes(),
      status: this.#status,
    };
  }

  /** Leaves the process running and forgets it: the core ends, its successor takes over. */
  abandon(): void {
    void this.#activation?.end();
    this.#programs.abandon();
    for (const stop of this.#unsubscribe.splice(0)) stop();
    clearInterval(this.#memoryTimer);
    clearTimeout(this.#restartTimer);
    clearTimeout(this.#graceTimer);
  }

  #enter(state: PluginReport["state"] | "idle", reason?: string): void {
    if (state !== this.#state) this.#sinceMs = Date.now();
    this.#state = state;
    this.#reason = reason;
  }

  #handlers(): Record<string, Handler> {
    const { core, name } = this;
    return {
      claim: ([key, resources]: [string, Resource[]]) => this.#claim(key, resources),
      fact: ([id, value]: [string, Json | null]) => this.#takeFact(id, value),
      status: (status: Status) => void (this.#status = status),
      health: ([code, parameters]: HealthNotice) => this.#takeHealth(code, parameters),
      log: (notice: LogNotice) => core.log(name, notice),
      "program-keep": ([key, spec]: [string, ProgramSpec | null]) => {
        if (spec) this.#programsThisRun.add(key);
        return this.#programs.keep(key, spec);
      },
      "program-start": ([key, spec]: [string, ProgramSpec]) => {
        this.#programsThisRun.add(key);
        return this.#programs.start(key, spec);
      },
      "store-get": (key: string) => core.storeGet(name, key),
      "store-set": ([key, value]: [string, Json | null]) => core.storeSet(name, key, value),
    };
  }

  /** What the manifest names and somebody set. */
  #secrets(): Record<string, string> {
    const secrets: Record<string, string> = {};
    for (const name of this.manifest.secrets) {
      const value = this.core.secret(name);
      if (value !== undefined) secrets[name] = value;
    }
    return secrets;
  }

  #startParameters(): Start {
    const { core, manifest } = this;
    return {
      name: this.name,
      role: core.role,
      directory: `${core.places.data}/${this.name}`,
      config: core.config(this.name),
      secrets: this.#secrets(),
      links: core.links.current,
      network: core.network.current,
      facts: core.facts.of(manifest.reads),
      reads: manifest.reads,
      publishes: manifest.publishes,
    };
  }

  async #takeOver(process: PluginProcess): Promise<void> {
    const { claims, programs, facts, health, status } = process.hello;
    for (const [key, resources] of claims) await this.#claim(key, resources);
    for (const [key, spec] of programs) {
      this.#programsThisRun.add(key);
      if (await this.#programs.keep(key, spec)) continue;
      const notice: ProgramNotice = [key, { ended: "it ended while there was no core" }];
      process.rpc.notify("program", notice);
    }
    for (const [id, value] of facts) this.#takeFact(id, value);
    for (const [code, parameters] of health) this.#takeHealth(code, parameters);
    this.#status = status;
    this.tellSecrets();
    // What else it knows stays for the grace: who told it may not be taken over yet.
    for (const fact of this.core.facts.of(this.manifest.reads)) process.rpc.notify("fact", fact);
    process.rpc.notify("links", this.core.links.current);
    process.rpc.notify("network", this.core.network.current);
    this.core.log("core", {
      level: "info",
      message: `Took over the running plugin "${this.name}"`,
      properties: { pid: process.pid },
    });
  }

  async #claim(key: string, resources: Resource[]): Promise<void> {
    if (this.#claimsWaiting >= MOST_WAITING_CLAIMS) {
      throw new OtbError(
        "claim-too-often",
        `Cannot take a claim of "${this.name}" as at most ${MOST_WAITING_CLAIMS} may wait: current value is "${this.#claimsWaiting}"`,
        "Claim when something changes, not in a loop.",
      );
    }
    this.#claimsWaiting++;
    const claimed = this.#claimQueue.then(async () => {
      const waitMs = this.#claimPace.take(performance.now());
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      for (const { kind } of resources) {
        if (!this.manifest.claims.includes(kind)) {
          throw new OtbError(
            "claim-not-declared",
            `Cannot claim a resource as the manifest of "${this.name}" must declare its kind: current value is "${kind}"`,
          );
        }
      }
      await this.core.claim(this.name, key, resources);
      this.#claimKeys.add(key);
      this.#claimedThisRun.add(key);
    }).finally(() => this.#claimsWaiting--);
    this.#claimQueue = claimed.catch(() => {});
    return await claimed;
  }

  /** After a restart: what the new run did not ask for again is given back. */
  async #sweepClaims(): Promise<void> {
    for (const key of [...this.#claimKeys]) {
      if (this.#claimedThisRun.has(key)) continue;
      await this.core.claim(this.name, key, []);
      this.#claimKeys.delete(key);
    }
  }

  #takeFact(id: string, value: Json | null): void {
    const refused = this.#facts.take(id, value);
    if (refused !== undefined) this.core.log(this.name, { level: "warning", message: refused });
  }

  /** The process may be hostile: only what it declared is raised, with what can be drawn. */
  #takeHealth(code: string, told: Parameters | null): void {
    if (told === null) return void this.health.delete(code);
    const words = [this.#words, coreWords].find((words) => isCode(words, code));
    const parameters = checkedParameters(told);
    if (words && parameters) return this.#stand(words, code, parameters);
    this.core.log(this.name, {
      level: "warning",
      message: words
        ? `The condition "${code}" has parameters that cannot be drawn`
        : `The condition "${code}" is not declared in the plugin's words`,
    });
  }

  #raise(...[code, parameters]: CoreCondition): void {
    this.#stand(coreWords, code, parameters);
  }

  #stand(words: Words, code: string, parameters: Parameters): void {
    const sinceMs = this.health.get(code)?.sinceMs ?? Date.now();
    this.health.set(code, { plugin: this.name, code, parameters, sinceMs, words });
  }

  #follow(process: PluginProcess): void {
    const { core, manifest } = this;
    this.#unsubscribe.push(
      core.links.subscribe((links) => process.rpc.notify("links", links)),
      core.network.subscribe((network) => process.rpc.notify("network", network)),
      core.facts.subscribe((id, value) => {
        if (manifest.reads.includes(readFactId(id).key)) process.rpc.notify("fact", [id, value]);
      }),
    );
    this.#memoryTimer = setInterval(() => {
      const bytes = process.memoryBytes() ?? 0;
      const limit = manifest.memoryLimitMb * 1024 * 1024;
      if (bytes > limit) {
        process.kill(
          `used ${
            Math.round(bytes / 1024 / 1024)
          } MB of memory, more than its limit of ${manifest.memoryLimitMb} MB`,
        );
      }
    }, MEMORY_EVERY_MS);
  }

  #ended(process: PluginProcess, reason: string): void {
    if (this.#process !== process) return;
    this.#process = undefined;
    for (const stop of this.#unsubscribe.splice(0)) stop();
    clearInterval(this.#memoryTimer);
    this.health.clear();
    if (!this.#stopping) this.#crashed(reason, this.#state === "ready" ? Date.now() - this.#sinceMs : 0);
  }

  #crashed(reason: string, ranMs: number): void {
    if (this.#stopping) return;
    const { delayMs, loop } = this.#backoff.crashed(ranMs);
    this.#restarts++;
    this.core.log("core", {
      level: loop ? "error" : "warning",
      message: `Plugin "${this.name}" ended: ${reason}`,
      properties: { restartInMs: delayMs },
    });
    this.#enter(loop ? "failed" : "waiting-to-restart", reason);
    const told = { plugin: this.name, reason };
    this.#raise(...loop ? ["plugin-crash-loop", told] : ["plugin-restarting", told]);
    this.#restartTimer = setTimeout(() => {
      this.health.delete("plugin-restarting");
      this.health.delete("plugin-crash-loop");
      this.#run().catch((error) => this.#complain("Cannot start again", error));
    }, delayMs);
    clearTimeout(this.#graceTimer);
    this.#graceTimer = setTimeout(() => void this.#dropEverything(), this.graceMs);
  }

  async #dropEverything(): Promise<void> {
    this.#claimKeys.clear();
    this.core.facts.clear(this.name);
    this.health.delete("plugin-restarting");
    await this.#programs.keepOnly(new Set());
    try {
      await this.core.release(this.name);
    } catch (error) {
      this.#complain("Cannot give back what it claimed", error);
    }
  }

  #complain(what: string, error: unknown): void {
    this.core.log("core", {
      level: "error",
      message: `Plugin "${this.name}": ${what}: ${asOtbError(error).message}`,
    });
  }
}
