// The core while it runs: claims links and LAN, leads the plugins, answers clients.
import type { Author, Core, LogLine, Proposal, StatusReport } from "../client/types.ts";
import { Changes, type Effective, type Evaluation } from "../config/changes.ts";
import type { NetworkSettings } from "../config/network.ts";
import { Revisions } from "../config/revisions.ts";
import type { Secrets } from "../config/secrets.ts";
import { nativeLibraryPath } from "../native/ffi.ts";
import type { Journal } from "../net/journal.ts";
import type { Net } from "../net/net.ts";
import {
  BOXES,
  drawn,
  HELD,
  INTERFACE,
  type Json,
  type Language,
  LANGUAGES,
  LINK,
  type Link,
  LINK_HEALTH,
  LISTENERS,
  type Network,
  OtbError,
  PATH,
  type Role,
  TUNNEL,
  TUNNEL_PATH,
  WHEN_PEER_GONE,
} from "../contract/mod.ts";
import type { DatabaseSync } from "node:sqlite";
import { coreFacts } from "./facts.ts";
import { interfaceFacts } from "./interfaces.ts";
import { observeLinks, observeUplinks } from "./links.ts";
import { Listeners } from "./listeners.ts";
import type { Logs } from "./log.ts";
import { noted } from "./noted.ts";
import { PluginStore } from "./plugin_store.ts";
import { Storage, tryWriting } from "../state/storage.ts";
import { asOtbError } from "../supervisor/rpc.ts";
import { FactBoard } from "../supervisor/facts.ts";
import { LiveView } from "../contract/live_view.ts";
import type { Manifest } from "../supervisor/manifest.ts";
import { reportOf, shown, type Standing } from "../supervisor/standing.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import { type CoreCondition, coreWords } from "../texts/mod.ts";
import { Boxes, boxReports, later } from "../enrol/boxes.ts";
import { connectionsOf } from "./connections.ts";
import { changedNames, otherClaims } from "./foreseen.ts";
import { lanConditions, linkConditions, standing, undone } from "./conditions.ts";
import { coreClaims } from "./core_claims.ts";
import { forgetLink, guide, losses, tell, watch } from "./asking.ts";
import { Declarations } from "./declarations.ts";
import { BOX_SECRETS, rejoin } from "../enrol/join.ts";
import { LatePlugins } from "./late_plugins.ts";
import type { StatePaths } from "../enrol/paths.ts";
import { blockOf, KEPT_BLOCK, KeptBlock } from "./kept_block.ts";
import { sentence } from "./sentence.ts";
import { networkOf, networkView, Settings } from "./settings.ts";
import { VERSION } from "../client/version.ts";

/** How long a change may take until every plugin is ready again. */
const SETTLE_MS = 20_000;
/** How often it is looked at who listens on this machine, and which plugins there are. */
const LOOK_EVERY_MS = 3_000;

/** How long a person is told of what nobody caught. */
const TELL_UNCAUGHT_MS = 600_000;

/** Who does what nobody asked for. */
const ITSELF: Author = { via: "core", name: "otb" };

/** What a running core is made of. */
export interface Parts {
  paths: StatePaths;
  db: DatabaseSync;
  secrets: Secrets;
  net: Net;
  journal: Journal;
  logs: Logs;
  manifests: Manifest[];
  role: Role;
  /** Asks the process to end. */
  end(): void;
}

/** One running core; `start` first, `stop` in the end. */
export class RunningCore implements Core {
  readonly live = true;
  readonly #parts: Parts;
  readonly #changes: Changes;
  readonly #settings: Settings;
  readonly #supervisor: Supervisor;
  readonly #declarations: Declarations;
  readonly #links = new LiveView<Link[]>([]);
  readonly #network: LiveView<Network>;
  readonly #board = new FactBoard();
  readonly #facts = coreFacts(this.#board);
  readonly #boxes: Boxes;
  readonly #listeners = new Listeners();
  readonly #latePlugins: LatePlugins;
  readonly #keptBlock: KeptBlock;
  readonly #startedAtMs = Date.now();
  /** Whether the disk takes what is written. */
  readonly storage: Storage;
  readonly #store: PluginStore;
  #uncaught: { atMs: number; reason: string } | undefined;
  readonly #watching = new AbortController();
  /** Longer than all else: what plugins give back when they stop is followed, too. */
  readonly #listening = new AbortController();
  #effective!: Effective;
  /** What the plugins said of it without running. */
  #foreseen: Evaluation["foreseen"] = {};
  #stopped: Promise<string[]> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { paths, db, secrets, net, logs, manifests, role } = parts;
    this.storage = new Storage(paths.state, () => this.#writeAgain(), (trouble) => {
      if (trouble) return this.#log("error", drawn(coreWords, trouble).message, { code: trouble[0] });
      this.#log("info", "The disk takes what is written again", { lostLines: logs.lost });
      net.reconcile().catch((error) => this.#log("error", "Cannot reconcile", { reason: String(error) }));
    });
    logs.onFailure = (error) => this.storage.failed(error);
    this.#store = new PluginStore(db, (error) => this.storage.failed(error));
    this.#boxes = new Boxes(secrets, () => this.#network.current, () => this.#tellBoxes());
    this.#keptBlock = new KeptBlock(db);
    this.#latePlugins = new LatePlugins(
      [paths.plugins, paths.added],
      role,
      manifests.map(({ name }) => name),
    );
    this.#settings = new Settings(manifests, paths.root, {
      runs: true,
      links: (network) => this.#observe(network),
      places: () => net.observed?.interfaces,
    });
    this.#declarations = new Declarations(manifests, paths.root);
    for (const { message, code } of this.#declarations.problems) this.#log("warning", message, { code });
    this.#changes = new Changes(new Revisions(db), {
      evaluate: (document) => this.#settings.evaluate(document),
      live: {
        plan: (effective, foreseen) =>
          net.preview([...coreClaims(networkOf(effective)), ...otherClaims(this.#foreseen, foreseen)]),
        effects: (effective, foreseen = {}) =>
          this.#supervisor.effects(this.#effective.plugins, effective.plugins, foreseen),
        apply: (effective, foreseen) => this.#apply(effective, foreseen),
        settle: () => this.#settle(),
      },
    }, (reason) => this.#log("warning", "A change of settings was taken back", { reason }));
    this.#network = new LiveView<Network>({ role, peers: [] });
    this.#supervisor = new Supervisor(manifests, {
      role,
      places: { run: paths.run, data: paths.data, root: paths.root, nativeLibrary: nativeLibraryPath() },
      links: this.#links,
      network: this.#network,
      facts: this.#board,
      claim: (owner, key, resources) => net.claim(owner, key, resources),
      release: (owner) => net.release(owner),
      config: (plugin) => this.#effective.plugins[plugin]!,
      secret: (name) => secrets.get(name),
      storeGet: (plugin, key) => this.#store.get(plugin, key),
      storeSet: (plugin, key, value) => this.#store.set(plugin, key, value),
      log: (plugin, { level, message, properties }) =>
        parts.logs.write({
          atMs: Date.now(),
          level,
          plugin,
          message,
          properties: properties as LogLine["properties"],
        }),
    });
  }

  /** Applies the settings and starts the plugins; resolves when each had its first try. @throws OtbError `settings-refused` */
  async start(): Promise<void> {
    const { net } = this.#parts;
    this.#changes.recover();
    // From the first look on: what the kernel tells need not be read again.
    void net.watch(this.#listening.signal);
    await net.reconcile();
    const { document, effective: _ } = await this.#changes.snapshot();
    const { effective, foreseen, problems } = await this.#settings.evaluate(document as never);
    if (!effective) {
      throw new OtbError(
        "settings-refused",
        `Cannot start with the stored settings: ${problems[0]?.message}`,
        problems[0]?.next ?? "otb config set",
      );
    }
    this.#effective = effective;
    this.#foreseen = foreseen;
    this.#network.set(networkView(networkOf(effective)));
    const follow = () => this.#links.set(this.#observe(networkOf(this.#effective)));
    net.onObserved(follow);
    this.#tellInterfaces();
    net.onObserved(() => this.#tellInterfaces());
    this.#tellListeners();
    const looking = setInterval(() => {
      this.#tellListeners();
      this.#latePlugins.look();
    }, LOOK_EVERY_MS);
    this.#watching.signal.addEventListener("abort", () => clearInterval(looking));
    this.#facts.watch(WHEN_PEER_GONE).subscribe(() => this.#followKillSwitch());
    this.#network.subscribe(() => this.#followKillSwitch());
    this.#facts.watch(LINK).subscribe(follow);
    this.#facts.watch(LINK_HEALTH).subscribe(follow);
    await this.#claimOwn();
    follow();
    if (this.#parts.role === "cloud") {
      // Without keys the plugins that need them say so; the others run.
      await later(() => this.#tellBoxes()).catch((error) => this.#log("error", asOtbError(error).message));
    }
    await this.#supervisor.start();
    // What an earlier core left and nobody wants any more goes now, or when the stragglers had their chance.
    const settle = () =>
      net.settle().catch((error) =>
        this.#log("error", "Cannot take away what an earlier core left", { reason: String(error) })
      );
    if (this.#supervisor.trouble() === undefined) await settle();
    else setTimeout(() => this.#watching.signal.aborted || void settle(), SETTLE_MS);
  }

  /**
   * Stops the plugins and gives everything back to the kernel, but for what holds a kill-switch unless it shall be opened; answers
   * with what a person has to know of that.
   */
  shutdown(open = false): Promise<string[]> {
    return this.#stopped ??= (async () => {
      const { net } = this.#parts;
      this.#watching.abort();
      this.#changes.stop();
      this.storage.close();
      // There before the plugins' own tables go.
      const { owner, key } = KEPT_BLOCK;
      try {
        if (open) this.#keptBlock.remember([]);
      } catch (error) {
        // It is known in memory, which is what counts from here on.
        this.#log("error", "Cannot remember that devices are let out", { reason: String(error) });
      }
      await net.claim(owner, key, this.#keptBlock.resources).catch((error) =>
        this.#log("error", "Cannot keep devices from leaving", { reason: String(error) })
      );
      await this.#supervisor.stop();
      this.#listening.abort();
      await net.sweep(KEPT_BLOCK);
      return this.#keptBlock.sentences;
    })();
  }

  status(asked?: Language): Promise<StatusReport> {
    const language = LANGUAGES.find((one) => one === asked);
    const { role } = this.#parts;
    const { peers } = this.#network.current;
    const plugins = this.#supervisor.reports();
    const paths = this.#facts.watch(PATH).current;
    const links = role === "box"
      ? this.#links.current.map((link) => ({ ...link, path: paths.get(link.name) }))
      : [];
    const report = {
      role,
      version: VERSION,
      pid: Deno.pid,
      startedAtMs: this.#startedAtMs,
      links,
      peers,
      held: [...this.#facts.watch(HELD).current.values()],
      tunnel: this.#tunnel(),
      connections: connectionsOf(plugins),
      plugins,
      health: shown([...this.#ownHealth(), ...this.#supervisor.health()], Date.now())
        .map((one) => reportOf(one, language)),
    };
    const pending = this.#changes.pending();
    return Promise.resolve({ ...report, pending, sentence: sentence(report, language) });
  }

  config = () => this.#changes.snapshot();
  /** What otb does by itself. */
  propose: Core["propose"] = (proposal) => this.#propose(proposal, ITSELF);
  confirm = () => this.#stored(this.#changes.confirm());
  revert: Core["revert"] = (revision) => this.#stored(this.#changes.revert(revision ?? undefined, ITSELF));
  history: Core["history"] = (limit) => Promise.resolve(this.#changes.history(limit ?? undefined));
  diff: Core["diff"] = (from, to) => Promise.resolve(this.#changes.diff(from ?? undefined, to ?? undefined));
  schemas = () => this.#settings.schemas();
  plugins = () => Promise.resolve(this.#supervisor.reports());
  actions = () => Promise.resolve(this.#declarations.actions());
  pages = () => Promise.resolve(this.#declarations.pages());
  act: Core["act"] = (...parameters) => this.#supervisor.act(...parameters);
  edit: Core["edit"] = (...parameters) => this.#declarations.edit(this, ...parameters);
  page: Core["page"] = (...parameters) => this.#supervisor.page(...parameters);
  losses = () => losses(this.#declarations, this.#supervisor);
  guide: Core["guide"] = (view) => guide(this.#declarations, this.#supervisor, view ?? undefined);
  forgetLink: Core["forgetLink"] = (name) => forgetLink(this.#board, this.#supervisor, name);
  watch: Core["watch"] = (options, onStatus) => watch(this, options, onStatus);

  boxes = () =>
    later(() => boxReports(this.#boxes.all(), this.#supervisor.reports().map(({ status }) => status)));
  addBox: Core["addBox"] = (name) => later(() => this.#boxes.add(name));
  boxCode: Core["boxCode"] = (name) => later(() => this.#boxes.code(name ?? undefined));
  renameBox: Core["renameBox"] = (name, to) => later(() => this.#boxes.rename(name, to));
  revokeBox: Core["revokeBox"] = (name) => later(() => this.#boxes.revoke(name));

  join: Core["join"] = (joinCode) => this.#join(joinCode, this.propose);

  async #join(joinCode: string, propose: Core["propose"]): Promise<Network["peers"][number]> {
    const peer = await rejoin(this.#parts.secrets, this.#network.current, propose, joinCode);
    await this.#supervisor.restartFor(BOX_SECRETS);
    return peer;
  }

  logs: Core["logs"] = (options, onLine) => tell(this.#parts.logs, options, onLine);

  async stop({ open }: { open?: boolean } = {}): Promise<string[]> {
    const remains = await this.shutdown(open);
    // The answer leaves before the socket goes.
    setTimeout(() => this.#parts.end(), 50);
    return remains;
  }

  remains = () => Promise.resolve([]);

  close(): void {}

  /** Something failed that nobody waited for; the core goes on, and a person is told for a while. */
  noteUncaught(error: unknown): void {
    this.#uncaught = { atMs: Date.now(), reason: error instanceof Error ? error.message : String(error) };
    this.storage.failed(error);
  }

  as(author: Author): Core {
    const note = (message: string, about?: { [name: string]: Json }) =>
      this.#log("info", message, { ...about, by: author.name, via: author.via });
    return noted(this, {
      ...{ as: (other) => this.as(other), live: true, close() {}, logs: this.logs, watch: this.watch },
      propose: (proposal) => this.#propose(proposal, author),
      edit: (...parameters) => this.#declarations.edit(this.as(author), ...parameters),
      revert: (revision) => this.#stored(this.#changes.revert(revision ?? undefined, author)),
      stop: (options) => {
        note("Asked to stop");
        return this.stop(options);
      },
      join: (joinCode) => this.#join(joinCode, (proposal) => this.#propose(proposal, author)),
    }, note);
  }

  #propose(proposal: Proposal, author: Author): ReturnType<Core["propose"]> {
    return this.#stored(this.#changes.propose({ ...proposal, author }));
  }

  /** What a full disk refused tells of the disk, too. */
  async #stored<T>(change: Promise<T>): Promise<T> {
    try {
      return await change;
    } catch (error) {
      this.storage.failed(error);
      throw error;
    }
  }

  /** Writes what waited for the disk. @throws Error while it takes nothing */
  #writeAgain(): void {
    const { journal, paths } = this.#parts;
    if (!journal.flush()) throw new Error("the journal could not be written");
    this.#store.flush();
    this.#keptBlock.flush();
    tryWriting(`${paths.logs}/trial`);
  }

  async #apply(effective: Effective, foreseen: Evaluation["foreseen"]): Promise<void> {
    const before = this.#effective;
    this.#effective = effective;
    this.#foreseen = foreseen;
    this.#network.set(networkView(networkOf(effective)));
    await this.#claimOwn();
    this.#links.set(this.#observe(networkOf(effective)));
    await this.#supervisor.reload(changedNames(before.plugins, effective.plugins));
  }

  /** A kill-switch holds on when otb ends; what it was last is known also after a crash. */
  #followKillSwitch(): void {
    const fact = this.#facts.watch(WHEN_PEER_GONE).current;
    if (!fact || this.#watching.signal.aborted) return;
    try {
      this.#keptBlock.remember(blockOf(fact, this.#network.current.lan));
    } catch (error) {
      this.storage.failed(error);
      this.#log("error", "Cannot remember the kill-switch for when otb ends", { reason: String(error) });
    }
  }

  async #claimOwn(): Promise<void> {
    for (const { owner, key, resources } of coreClaims(networkOf(this.#effective))) {
      await this.#parts.net.claim(owner, key, resources);
    }
  }

  async #settle(): Promise<string | undefined> {
    const end = performance.now() + SETTLE_MS;
    let trouble: string | undefined;
    do {
      trouble = this.#supervisor.trouble();
      if (trouble === undefined) return undefined;
      await new Promise((resolve) => setTimeout(resolve, 100));
    } while (performance.now() < end);
    return trouble;
  }

  #observe(network: NetworkSettings): Link[] {
    const { observed } = this.#parts.net;
    if (!observed) return [];
    if (network.role === "cloud") return observeUplinks(observed);
    return observeLinks(network.links, observed, {
      links: this.#facts.watch(LINK).current,
      health: this.#facts.watch(LINK_HEALTH).current,
    });
  }

  /** Keys first: who hears that something changed reads them. */
  #tellBoxes(): void {
    this.#supervisor.tellSecrets();
    this.#facts.publish(BOXES, this.#boxes.fact());
  }

  #tunnel(): StatusReport["tunnel"] {
    const fact = this.#facts.watch(TUNNEL).current;
    return fact && { ...fact, paths: [...this.#facts.watch(TUNNEL_PATH).current.values()] };
  }

  #tellInterfaces(): void {
    this.#facts.publishAll(INTERFACE, interfaceFacts(this.#parts.net.observed?.interfaces ?? []));
  }

  #tellListeners(): void {
    this.#facts.publish(LISTENERS, { listeners: this.#listeners.read() });
  }

  /** What the core itself has to tell. */
  #ownHealth(): Standing[] {
    const { trouble } = this.storage;
    const late = this.#latePlugins.condition;
    const uncaught = this.#uncaught && Date.now() - this.#uncaught.atMs < TELL_UNCAUGHT_MS && this.#uncaught;
    const started = this.#startedAtMs;
    return [
      ...trouble ? [standing(trouble.condition, trouble.sinceMs)] : [],
      ...late ? [standing(late, started)] : [],
      ...uncaught ? [standing(["core-uncaught", { reason: uncaught.reason }], uncaught.atMs)] : [],
      ...undone(this.#parts.net.fights()).map((one) => standing(one, started)),
      ...this.#lanConditions().map((one) => standing(one, started)),
      ...linkConditions(this.#links.current).map((one) => standing(one, started)),
    ];
  }

  /** A LAN that was accepted once, by an earlier version or before its interface went. */
  #lanConditions(): CoreCondition[] {
    const { lan } = this.#network.current;
    return lan ? lanConditions(lan, this.#parts.net.observed?.interfaces) : [];
  }

  #log(level: LogLine["level"], message: string, properties?: { [key: string]: Json }): void {
    this.#parts.logs.write({ atMs: Date.now(), level, plugin: "core", message, properties });
  }
}
