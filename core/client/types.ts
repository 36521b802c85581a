// What a face (the CLI, the web UI, the cloud) sees of a core.
import type {
  Answer,
  Block,
  Ending,
  GuideStep,
  HealthCondition,
  HeldLinkFact,
  Json,
  Language,
  Link,
  Loss,
  Page,
  PathFact,
  Problem,
  Role,
  Status,
  TunnelFact,
  TunnelPathFact,
  Viewer,
} from "../contract/mod.ts";
import type { DeclaredArgs } from "../supervisor/declared.ts";

/** What one plugin is doing. */
export interface PluginReport {
  name: string;
  version: string;
  summary: string;
  tier: "sandboxed" | "trusted";
  /** Permissions in plain words, one a line. */
  permissions: string[];
  state: "stopped" | "starting" | "ready" | "waiting-to-restart" | "failed";
  /** When it runs, of one that is ready and has no process as it is not wanted now. */
  idle?: string;
  /** Why it is in that state, when it is not `ready`. */
  reason?: string;
  pid?: number;
  /** Restarts since the core started. */
  restarts: number;
  sinceMs: number;
  /** Proportional memory of its process in bytes (proc_pid_smaps(5) Pss). */
  memoryBytes?: number;
  status: Status;
}

/** A health condition and who raised it. */
export interface HealthReport extends HealthCondition {
  plugin: string;
  sinceMs: number;
}

/** A change that waits to be confirmed; reverted by itself at `revertsAtMs` (milliseconds since the epoch). */
export interface PendingChange {
  revision: number;
  revertsAtMs: number;
}

/** Everything `otb status` shows. */
export interface StatusReport {
  role: Role;
  version: string;
  pid: number;
  startedAtMs: number;
  /** The whole state in one sentence for a person. */
  sentence: string;
  links: (Link & { path?: PathFact })[];
  peers: { name: string; address: string; port: number }[];
  /** Links that are held back as all have more without them; in the cloud by box and public address. */
  held: HeldLinkFact[];
  /** What carries everything else; absent where no plugin keeps one. */
  tunnel?: TunnelFact & { paths: TunnelPathFact[] };
  /** TCP connections carried for LAN devices (box) or boxes (cloud). */
  connections: {
    open: number;
    total: number;
    refused: number;
    protocol: "mptcp" | "tcp" | "striped" | "mixed" | "unknown";
  };
  plugins: PluginReport[];
  health: HealthReport[];
  pending?: PendingChange;
}

/** Who asks something of a core. */
export interface Author {
  /** Where: `cli` with root's rights on this machine, `web` as a user of the web page, `cloud` from there, `core` otb by itself. */
  via: "cli" | "web" | "cloud" | "core";
  /** Who that is there: the person behind sudo, the user's name, the site. */
  name: string;
}

/** One stored revision of the configuration. */
export interface Revision {
  revision: number;
  parent?: number;
  createdAtMs: number;
  /** Who made it, an author's name. */
  author: string;
  /** Absent: it was made by an earlier otb, which did not note it. */
  via?: Author["via"];
  comment: string;
  /** `pending` waits for confirmation, `confirmed` is or was in force, `reverted` was taken back. */
  state: "pending" | "confirmed" | "reverted";
}

/** One difference between two configurations; absent `before` means added, absent `after` removed. */
export interface Difference {
  path: string;
  before?: Json;
  after?: Json;
}

/** A configuration as stored: `network` and one entry per plugin, only what differs from the defaults. */
export interface ConfigSnapshot {
  revision: number;
  document: { network: Json; plugins: { [name: string]: Json } };
  /** The same with every default filled in. */
  effective: { network: Json; plugins: { [name: string]: Json } };
  pending?: PendingChange;
}

/** A proposed change: an RFC 7396 merge patch against the document of revision `base` (the newest when absent). */
export interface Proposal {
  base?: number;
  patch: { network?: Json; plugins?: { [name: string]: Json } };
  comment?: string;
  /** Check and plan only. */
  dryRun?: boolean;
  /** Confirm at once after it was applied, instead of waiting for a person. */
  confirm?: boolean;
}

/** What a change does to one plugin. */
export interface PluginEffect {
  plugin: string;
  /** `reload`: it takes them while it runs and nothing ends; `restart`: it is started anew; `next-start`: it does not run now. */
  takes: "reload" | "restart" | "next-start";
  /** What ends with it; absent where the plugin could not say. */
  ends?: Ending[];
  /** Keys of what it claims that `plan` knows; what else it will want of the kernel shows when it takes the settings. */
  foreseen: string[];
}

/** What became of a proposal; `problems` non-empty means refused and nothing changed. */
export interface ProposalResult {
  problems: Problem[];
  /** What is no reason to refuse it, but to be known. */
  warnings?: Problem[];
  differences: Difference[];
  /** What would change or changed in the kernel, as far as it is known beforehand (PluginEffect), as command lines for a person. */
  plan: string[];
  /** What it does to each plugin whose settings change; empty where no core runs. */
  effects: PluginEffect[];
  revision?: number;
  pending?: PendingChange;
}

/** One line of a log. */
export interface LogLine {
  atMs: number;
  level: "debug" | "info" | "warning" | "error";
  plugin: string;
  message: string;
  properties?: { [key: string]: Json };
}

/** A box of this peer, as the peer knows it. */
export interface BoxReport {
  name: string;
  /** Its key is the one of before each box had its own, which several boxes may share. */
  former: boolean;
  /** Milliseconds since the epoch. */
  addedAtMs?: number;
  /** When it last came, milliseconds since the epoch; absent: not since the peer's plugins remember, or no core runs. */
  lastSeenMs?: number;
  /** TCP connections that it has open through this peer; absent while no core runs. */
  open?: number;
}

/** Something that a plugin can be asked to do. */
export interface DeclaredAction {
  plugin: string;
  name: string;
  /** An edit changes the plugin's settings, as a proposal; an action is done by the plugin itself. */
  kind: "action" | "edit";
  title: string;
  summary: string;
  /** The words of its verb. */
  verb?: string;
  after?: string;
  example?: string;
  /** JSON schema, with the hints of the command line. */
  args?: DeclaredArgs;
  /** JSON schema. */
  result?: { [key: string]: unknown };
  changes: boolean;
  confirm?: string;
}

/** A page that a plugin has. */
export interface DeclaredPage {
  plugin: string;
  name: string;
  title: string;
  nav: Page["nav"];
}

/** What became of an edit. */
export interface EditResult extends ProposalResult {
  /** Said of it when it is done. */
  done: string;
}

/** A core, running or not; every call throws OtbError with a stable code. */
export interface Core {
  /** False when no core runs and the calls work on its files; `status`, `act` and `stop` then throw `core-not-running`. */
  readonly live: boolean;
  /** The same core for what another one asks, as each user of a web page does: what is changed and logged says who it was. */
  as(author: Author): Core;
  /** @param language of what is said to people; English unless asked for another */
  status(language?: Language): Promise<StatusReport>;
  config(): Promise<ConfigSnapshot>;
  propose(proposal: Proposal): Promise<ProposalResult>;
  /** @throws OtbError `nothing-pending` */
  confirm(): Promise<Revision>;
  /** Takes back the pending change, or goes back to `revision` as a new revision. @throws OtbError `nothing-pending`, `revision-unknown` */
  revert(revision?: number): Promise<Revision>;
  history(limit?: number): Promise<Revision[]>;
  /** Differences between two revisions, newest against the one before when absent. */
  diff(from?: number, to?: number): Promise<Difference[]>;
  /** JSON schema per section (`network`, plugin names). */
  schemas(): Promise<{ [section: string]: Json }>;
  plugins(): Promise<PluginReport[]>;
  /** Everything that the plugins of this role can be asked to do. */
  actions(): Promise<DeclaredAction[]>;
  /**
   * Runs an action that a plugin declares. While no core runs, only what settings alone can answer.
   * @throws OtbError `plugin-unknown`, `action-unknown`, `plugin-not-ready`, `args-invalid`
   */
  act(plugin: string, action: string, args?: Json, view?: Viewer): Promise<Answer>;
  /** Proposes what an edit of a plugin makes of its settings. @throws OtbError `plugin-unknown`, `action-unknown`, and what the edit says */
  edit(plugin: string, edit: string, args: Json, options: Omit<Proposal, "patch">): Promise<EditResult>;
  pages(): Promise<DeclaredPage[]>;
  /** @throws OtbError `plugin-unknown`, `page-unknown`, `plugin-not-ready` */
  page(plugin: string, page: string, view?: Viewer): Promise<{ title: string; blocks: Block[] }>;
  /** What is lost when this core stops, as its plugins tell. */
  losses(): Promise<(Loss & { plugin: string })[]>;
  /** How far the part of the first setup is that a plugin leads through; undefined where none does, or it does not run. */
  guide(view?: Viewer): Promise<(GuideStep & { plugin: string }) | undefined>;
  /** Has a link forgotten that was found and is gone. @throws OtbError `link-unknown`, and why it cannot be */
  forgetLink(name: string): Promise<void>;
  /** Tells of the status now and every second, while `signal` is not aborted and the core is there. */
  watch(
    options: { signal: AbortSignal; language?: Language },
    onStatus: (status: StatusReport) => void,
  ): Promise<void>;
  /** The boxes that belong to this peer. @throws OtbError `not-a-cloud` */
  boxes(): Promise<BoxReport[]>;
  /** Gives one more box a key; answers with its join code. @throws OtbError `box-exists`, `box-name-invalid`, `box-too-many` */
  addBox(name: string): Promise<string>;
  /** The join code of a box, or of the only one. @throws OtbError `box-unknown`, `box-ambiguous`, `box-key-former` */
  boxCode(name?: string): Promise<string>;
  /** @throws OtbError `box-unknown`, `box-exists`, `box-name-invalid` */
  renameBox(name: string, to: string): Promise<void>;
  /** Its key is no key any more, and what it has open ends at once. @throws OtbError `box-unknown` */
  revokeBox(name: string): Promise<void>;
  /** Takes another join code on a box; its other settings stay. @throws OtbError `not-a-box`, `join-code-invalid` */
  join(joinCode: string): Promise<{ address: string; port: number }>;
  /** The last lines of the log, then new ones while `follow` is not aborted. */
  logs(
    options: { plugin?: string; lines?: number; follow?: AbortSignal },
    onLine: (line: LogLine) => void,
  ): Promise<void>;
  /**
   * Orderly stop; resolves when nothing of otb is left in the kernel but what holds a kill-switch, which `open` takes away, too.
   * Answers with what a person has to know of that, in sentences; empty when nothing is left.
   */
  stop(options?: { open?: boolean }): Promise<string[]>;
  /** What `stop` has left and is still there, in the same sentences. */
  remains(): Promise<string[]>;
  close(): void;
}
