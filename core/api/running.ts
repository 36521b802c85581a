// The core while it runs: claims links and LAN, leads the plugins, answers clients.
import type { Core, LogLine, PluginReport, StatusReport } from "../client.ts";
import { Changes, type Effective } from "../config/changes.ts";
import type { NetworkSettings } from "../config/network.ts";
import { Revisions } from "../config/revisions.ts";
import { Secrets } from "../config/secrets.ts";
import { nativeLibraryPath } from "../native/ffi.ts";
import type { Net } from "../net/net.ts";
import {
  type InterfaceFact,
  type Json,
  type Link,
  type LinkFact,
  type LinkHealthFact,
  type Network,
  OtbError,
  type PathFact,
  type Role,
  type TunnelFact,
  type TunnelPathFact,
} from "../plugin.ts";
import type { DatabaseSync } from "node:sqlite";
import { migrate, transaction } from "../state/database.ts";
import { interfaceChanges } from "../state/interfaces.ts";
import { observeLinks, observeUplinks } from "../state/links.ts";
import type { Logs } from "../state/log.ts";
import { FactBoard } from "../supervisor/facts.ts";
import { LiveView } from "../supervisor/live_view.ts";
import type { Manifest } from "../supervisor/manifest.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import { coreClaims } from "./core_claims.ts";
import type { StatePlaces } from "./places.ts";
import { sentence } from "./sentence.ts";
import { networkView, Settings } from "./settings.ts";
import { VERSION } from "./version.ts";

/** How long a change may take until every plugin is ready again. */
const SETTLE_MS = 20_000;

const STORE_STEPS = [
  "CREATE TABLE plugin_store (plugin TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (plugin, key)) STRICT",
];

/** What a running core is made of. */
export interface Parts {
  places: StatePlaces;
  db: DatabaseSync;
  net: Net;
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
  readonly #links = new LiveView<Link[]>([]);
  readonly #network: LiveView<Network>;
  readonly #facts = new FactBoard();
  readonly #startedAtMs = Date.now();
  readonly #watching = new AbortController();
  #effective!: Effective;
  #stopped: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { places, db, net, manifests, role } = parts;
    migrate(db, "plugin-store", STORE_STEPS);
    const secrets = new Secrets(places.secrets);
    this.#settings = new Settings(manifests, places.root, (network) => this.#observe(network));
    this.#changes = new Changes(new Revisions(db), {
      evaluate: (document) => this.#settings.evaluate(document),
      live: {
        plan: (effective) => net.preview(coreClaims(networkOf(effective))),
        apply: (effective) => this.#apply(effective),
        settle: () => this.#settle(),
      },
    }, (reason) => this.#log("warning", "A change of settings was taken back", { reason }));
    this.#network = new LiveView<Network>({ role, peers: [] });
    this.#supervisor = new Supervisor(manifests, {
      role,
      places: { run: places.run, data: places.data, root: places.root, nativeLibrary: nativeLibraryPath() },
      links: this.#links,
      network: this.#network,
      facts: this.#facts,
      claim: (owner, key, resources) => net.claim(owner, key, resources),
      release: (owner) => net.release(owner),
      config: (plugin) => this.#effective.plugins[plugin]!,
      secret: (name) => secrets.get(name),
      storeGet: (plugin, key) => {
        const row = db.prepare("SELECT value FROM plugin_store WHERE plugin = ? AND key = ?").get(
          plugin,
          key,
        );
        return row ? JSON.parse(String(row.value)) : null;
      },
      storeSet: (plugin, key, value) =>
        transaction(db, () => {
          if (value === null) {
            db.prepare("DELETE FROM plugin_store WHERE plugin = ? AND key = ?").run(plugin, key);
          } else {
            db.prepare(
              "INSERT INTO plugin_store VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            )
              .run(plugin, key, JSON.stringify(value));
          }
        }),
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
    await net.reconcile();
    const { document, effective: _ } = await this.#changes.snapshot();
    const { effective, problems } = await this.#settings.evaluate(document as never);
    if (!effective) {
      throw new OtbError(
        "settings-refused",
        `Cannot start with the stored settings: ${problems[0]?.message}`,
        problems[0]?.next ?? "otb config set",
      );
    }
    this.#effective = effective;
    this.#network.set(networkView(networkOf(effective)));
    const follow = () => this.#links.set(this.#observe(networkOf(this.#effective)));
    net.onObserved(follow);
    if (this.#parts.role === "box") {
      this.#tellInterfaces();
      net.onObserved(() => this.#tellInterfaces());
    }
    this.#facts.subscribe((key) => (key.startsWith("link/") || key.startsWith("link-health/")) && follow());
    await this.#claimOwn();
    follow();
    void net.watch(this.#watching.signal);
    await this.#supervisor.start();
    // What an earlier core left and nobody wants any more goes now, or when the stragglers had their chance.
    if (this.#supervisor.trouble() === undefined) await net.settle();
    else setTimeout(() => this.#watching.signal.aborted || void net.settle().catch(() => {}), SETTLE_MS);
  }

  /** Stops the plugins and gives everything back to the kernel. */
  shutdown(): Promise<void> {
    return this.#stopped ??= (async () => {
      this.#watching.abort();
      this.#changes.stop();
      await this.#supervisor.stop();
      await this.#parts.net.sweep();
    })();
  }

  status(): Promise<StatusReport> {
    const { role } = this.#parts;
    const { peers } = this.#network.current;
    const plugins = this.#supervisor.reports();
    const known = new Map(
      this.#facts.under(["path/"]).map(([key, value]) => [key, value as unknown as PathFact]),
    );
    const links = role === "box"
      ? this.#links.current.map((link) => ({ ...link, path: known.get(`path/${link.name}`) }))
      : [];
    const report = {
      role,
      version: VERSION,
      pid: Deno.pid,
      startedAtMs: this.#startedAtMs,
      links,
      peers,
      tunnel: this.#tunnel(),
      connections: connectionsOf(plugins),
      plugins,
      health: [...this.#ownHealth(), ...this.#supervisor.health()],
    };
    const pending = this.#changes.pending();
    return Promise.resolve({ ...report, pending, sentence: sentence(report) });
  }

  config = () => this.#changes.snapshot();
  propose: Core["propose"] = (proposal) => this.#changes.propose(proposal);
  confirm = () => this.#changes.confirm();
  revert: Core["revert"] = (revision) => this.#changes.revert(revision ?? undefined);
  history: Core["history"] = (limit) => Promise.resolve(this.#changes.history(limit ?? undefined));
  diff: Core["diff"] = (from, to) => Promise.resolve(this.#changes.diff(from ?? undefined, to ?? undefined));
  schemas = () => this.#settings.schemas();
  plugins = () => Promise.resolve(this.#supervisor.reports());
  act: Core["act"] = (plugin, action, args) => this.#supervisor.act(plugin, action, args);

  async logs(
    { plugin, lines = 50, follow }: Parameters<Core["logs"]>[0],
    onLine: (line: LogLine) => void,
  ): Promise<void> {
    this.#parts.logs.tail(lines, plugin).forEach(onLine);
    if (!follow) return;
    const stop = this.#parts.logs.follow((line) =>
      (plugin === undefined || line.plugin === plugin) && onLine(line)
    );
    await new Promise<void>((resolve) => follow.addEventListener("abort", () => resolve(), { once: true }));
    stop();
  }

  async stop(): Promise<void> {
    await this.shutdown();
    // The answer leaves before the socket goes.
    setTimeout(() => this.#parts.end(), 50);
  }

  close(): void {}

  async #apply(effective: Effective): Promise<void> {
    const before = this.#effective;
    this.#effective = effective;
    this.#network.set(networkView(networkOf(effective)));
    await this.#claimOwn();
    this.#links.set(this.#observe(networkOf(effective)));
    const changed = Object.keys(effective.plugins)
      .filter((name) => JSON.stringify(effective.plugins[name]) !== JSON.stringify(before.plugins[name]));
    await this.#supervisor.reload(changed);
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
    const under = <T>(prefix: string) =>
      new Map(this.#facts.under([prefix]).map(([key, value]) => [key.slice(prefix.length), value as T]));
    return observeLinks(network.links, observed, {
      links: under<LinkFact>("link/"),
      health: under<LinkHealthFact>("link-health/"),
    });
  }

  #tunnel(): StatusReport["tunnel"] {
    const facts = this.#facts.under(["tunnel"]);
    const fact = facts.find(([key]) => key === "tunnel")?.[1] as unknown as TunnelFact | undefined;
    return fact && {
      ...fact,
      paths: facts.flatMap(([key, value]) =>
        key.startsWith("tunnel-path/") ? [value as unknown as TunnelPathFact] : []
      ),
    };
  }

  #tellInterfaces(): void {
    const published = new Map(
      this.#facts.under(["interface/"]).map(([key, value]) => [key, value as unknown as InterfaceFact]),
    );
    for (const [key, fact] of interfaceChanges(published, this.#parts.net.observed?.interfaces ?? [])) {
      this.#facts.publish("core", key, fact as Json);
    }
  }

  #ownHealth(): StatusReport["health"] {
    const links = this.#links.current.filter(({ tier, observed }) =>
      tier !== "never" && observed.state !== "up"
    )
      .map((link) => ({
        plugin: "core",
        code: `link-${link.observed.state}`,
        severity: "warning" as const,
        message: `Link "${link.name}" is not usable: ${link.observed.reason}`,
        sinceMs: this.#startedAtMs,
      }));
    const fights = this.#parts.net.fights();
    if (fights.length === 0) return links;
    const named = fights.slice(0, 3).map(({ resource, times }) => `${resource} (${times} times)`).join(", ");
    const more = fights.length > 3 ? ` and ${fights.length - 3} more` : "";
    return [...links, {
      plugin: "core",
      code: "kernel-undone",
      severity: "warning",
      message: `Another program keeps undoing what otb puts back ever less often: ${named}${more}`,
      next: "Find it (NetworkManager, firewalld, a script) and let it leave these alone.",
      sinceMs: this.#startedAtMs,
    }];
  }

  #log(level: LogLine["level"], message: string, properties?: { [key: string]: Json }): void {
    this.#parts.logs.write({ atMs: Date.now(), level, plugin: "core", message, properties });
  }
}

function networkOf(effective: Effective): NetworkSettings {
  return effective.network as unknown as NetworkSettings;
}

/** The proxy's counters, whichever plugin publishes them. */
function connectionsOf(plugins: PluginReport[]): StatusReport["connections"] {
  const none = { open: 0, total: 0, refused: 0, protocol: "unknown" as const };
  const found = plugins.map(({ status }) => status.connections).find((value) =>
    typeof value === "object" && value !== null
  );
  return { ...none, ...(found as object | undefined) };
}
