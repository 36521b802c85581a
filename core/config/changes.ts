// The life of one change: propose, check, plan, store, apply, settle, then confirm, or revert by itself.
import type {
  Author,
  ConfigSnapshot,
  Difference,
  PendingChange,
  PluginEffect,
  Proposal,
  ProposalResult,
  Revision,
} from "../client/types.ts";
import { type Json, OtbError, type Problem } from "../contract/mod.ts";
import { difference, isObject, mergePatch } from "./patch.ts";
import type { Document, Revisions, StoredRevision } from "./revisions.ts";
import type { Foreseen } from "../supervisor/restarts.ts";

/** How long a change waits for its confirmation. */
const CONFIRM_WITHIN_MS = 90_000;
/** How long until taking back is tried again, when a full disk or the kernel did not let it finish. */
const TRY_AGAIN_MS = 5_000;

/** Who goes back where nobody asked. */
const ITSELF: Author = { via: "core", name: "otb" };

/** A proposal, and who makes it. */
export interface AuthoredProposal extends Proposal {
  author: Author;
}

/** Settings with every default filled in. */
export interface Effective {
  network: Json;
  plugins: { [name: string]: Json };
}

/** What became of parsing and checking a document; `effective` is absent when a schema refuses it. */
export interface Evaluation {
  effective?: Effective;
  problems: Problem[];
  /** What is no reason to refuse, but to be known. */
  warnings?: Problem[];
  /** What plugins say of it without running, by name; with `effective`. */
  foreseen?: { [plugin: string]: Foreseen };
}

/** What a change needs of its host. */
export interface ChangeHost {
  evaluate(document: Document): Promise<Evaluation>;
  /** Only where a core runs: what a change does to the running system. */
  live?: {
    /** What would change in the kernel, as command lines. @throws OtbError when two owners want one thing */
    plan(effective: Effective, foreseen: Evaluation["foreseen"]): Promise<string[]>;
    /** What it would do to plugins. */
    effects?(effective: Effective, foreseen: Evaluation["foreseen"]): Promise<PluginEffect[]>;
    /** @throws OtbError when the kernel or a plugin refuses */
    apply(effective: Effective, foreseen: Evaluation["foreseen"]): Promise<void>;
    /** Waits until all is well again, or answers why not. */
    settle(): Promise<string | undefined>;
  };
}

/** Changes of one configuration, one at a time. */
export class Changes {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  /** The revision whose way back has begun; it may be applied no more, so it can't be confirmed. */
  #goingBack: number | undefined;

  constructor(
    private readonly revisions: Revisions,
    private readonly host: ChangeHost,
    private readonly onReverted: (reason: string) => void = () => {},
    private readonly confirmWithinMs = CONFIRM_WITHIN_MS,
    private readonly tryAgainMs = TRY_AGAIN_MS,
  ) {}

  /** After a start: an overdue change is taken back before anything is applied, a younger one goes on waiting. */
  recover(): void {
    const pending = this.revisions.pending();
    if (!pending) return;
    if (this.host.live && pending.revertsAtMs! > Date.now()) return this.#arm(pending);
    // From here on it is not in force, whether or not the disk has room to say so.
    this.#goingBack = pending.revision;
    this.onReverted(`nobody confirmed revision ${pending.revision} in time`);
    this.#record(pending);
  }

  /** Stores that a change was taken back, later if it can't be now; it was never applied by this core. */
  #record(pending: StoredRevision): void {
    try {
      this.revisions.setState(pending.revision, "reverted");
    } catch (error) {
      if (!this.host.live) throw error;
      this.#timer = setTimeout(() => this.#record(pending), this.tryAgainMs);
    }
  }

  /** Stops waiting; the deadline is stored and holds for the next core. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  async snapshot(): Promise<ConfigSnapshot> {
    const { revision, document } = this.#inForce();
    // Reading must work even where a plugin's code can't be asked.
    const { effective } = await this.host.evaluate(document).catch(() => ({ effective: undefined }));
    return {
      revision,
      document,
      effective: effective ?? document,
      pending: pendingOf(this.revisions.pending()),
    };
  }

  /** @throws OtbError `change-pending`, `revision-conflict`, `disk-full`, and what applying throws; then the old settings are back */
  propose(proposal: AuthoredProposal): Promise<ProposalResult> {
    return this.#alone(async () => {
      // Read together and first: what another process stores from here on makes `append` refuse.
      const { current, newest } = this.#standing();
      this.#refuseWhilePending();
      if (proposal.base !== undefined && proposal.base !== current.revision) {
        throw new OtbError(
          "revision-conflict",
          `Cannot change the settings as revision ${current.revision} (by ${current.author}: ${current.comment}) came in between: current value is "${proposal.base}"`,
          "Look at it with otb config diff, and make your change again.",
        );
      }
      const document = mergePatch(current.document as unknown as Json, proposal.patch as Json);
      const problems = shapeProblems(proposal.patch as Json, document);
      if (problems.length > 0) return refused(problems);
      return await this.#change(document as unknown as Document, proposal, current, newest);
    });
  }

  /** @throws OtbError `nothing-pending` */
  confirm(): Promise<Revision> {
    return this.#alone(() => {
      const pending = this.#requirePending();
      if (pending.revision === this.#goingBack) {
        throw new OtbError(
          "nothing-pending",
          `Cannot confirm a change as it is being taken back already: current value is "revision ${pending.revision}"`,
          "Wait until it is taken back, and make your change again.",
        );
      }
      const confirmed = this.revisions.setState(pending.revision, "confirmed");
      clearTimeout(this.#timer);
      return Promise.resolve(withoutDocument(confirmed));
    });
  }

  /** @throws OtbError `nothing-pending`, `revision-unknown`, `settings-refused` */
  revert(to?: number, author = ITSELF): Promise<Revision> {
    return this.#alone(async () => {
      if (to === undefined) return await this.#takeBack(this.#requirePending(), "taken back");
      const { current, newest } = this.#standing();
      this.#refuseWhilePending();
      const target = this.revisions.get(to);
      if (!target) {
        throw new OtbError(
          "revision-unknown",
          `Cannot go back to a revision as it is not in the history: current value is "${to}"`,
          "otb config history",
        );
      }
      const proposal = { patch: {}, author, comment: `back to revision ${to}`, confirm: true };
      const { problems } = await this.#change(target.document, proposal, current, newest);
      if (problems[0]) throw new OtbError("settings-refused", problems[0].message, problems[0].next);
      return withoutDocument(this.revisions.inForce());
    });
  }

  /** The change that waits, if one does. */
  pending(): PendingChange | undefined {
    return pendingOf(this.revisions.pending());
  }

  history(limit?: number): Revision[] {
    return this.revisions.history(limit);
  }

  /** @throws OtbError `revision-unknown` */
  diff(from?: number, to?: number): Difference[] {
    const after = to === undefined ? this.revisions.inForce() : this.revisions.get(to);
    const before = from === undefined
      ? after?.parent === undefined ? undefined : this.revisions.get(after.parent)
      : this.revisions.get(from);
    if (!after || from !== undefined && !before) {
      throw new OtbError(
        "revision-unknown",
        `Cannot compare as the revision is not in the history: current value is "${after ? from : to}"`,
        "otb config history",
      );
    }
    return difference((before?.document ?? {}) as unknown as Json, after.document as unknown as Json);
  }

  async #change(
    document: Document,
    { author, comment, dryRun, confirm }: AuthoredProposal,
    current: StoredRevision,
    newest: number,
  ): Promise<ProposalResult> {
    const differences = difference(current.document as unknown as Json, document as unknown as Json);
    if (differences.length === 0) return { ...refused([]), revision: current.revision };
    const { effective, foreseen, problems, warnings = [] } = await this.host.evaluate(document);
    if (!effective) return { ...refused(problems), differences };
    if (problems.length > 0) {
      // What stood before, as when a modem that a rule names was unplugged since, is no reason against another change.
      const former = await this.host.evaluate(current.document);
      const stood = new Set(former.problems.map((problem) => JSON.stringify(problem)));
      const brought = problems.filter((problem) => !stood.has(JSON.stringify(problem)));
      if (brought.length > 0) return { ...refused(brought), differences };
    }
    const { live } = this.host;
    const plan = await live?.plan(effective, foreseen) ?? [];
    // Asked before anything ends.
    const effects = await live?.effects?.(effective, foreseen) ?? [];
    const told = { problems: [], differences, plan, effects, ...warnings.length > 0 ? { warnings } : {} };
    if (dryRun) return told;
    const stored = this.revisions.append({
      base: newest,
      document,
      author: author.name,
      via: author.via,
      comment: comment ?? differences.map(({ path }) => path).join(", ").slice(0, 200),
      state: live ? "pending" : "confirmed",
      revertsAtMs: live && Date.now() + this.confirmWithinMs,
    });
    if (!live) return { ...told, revision: stored.revision };
    try {
      await live.apply(effective, foreseen);
      const why = await live.settle();
      if (why !== undefined) {
        throw new OtbError(
          "not-well",
          `Cannot keep the change as all must be well afterwards: current value is "${why}"`,
        );
      }
    } catch (error) {
      try {
        await this.#takeBack(stored, `could not be applied: ${(error as Error).message}`);
      } catch (second) {
        this.#tryAgainLater(stored, second);
      }
      throw error;
    }
    // Armed before it is confirmed: if that cannot be stored, the change still goes back by itself.
    this.#arm(stored);
    if (confirm) {
      this.revisions.setState(stored.revision, "confirmed");
      clearTimeout(this.#timer);
      return { ...told, revision: stored.revision };
    }
    return { ...told, revision: stored.revision, pending: pendingOf(stored) };
  }

  /** Applies the confirmed settings, then records it: a machine that lost its network needs no room on the disk to get it back. */
  async #takeBack(pending: StoredRevision, reason: string): Promise<Revision> {
    this.#goingBack = pending.revision;
    const former = this.revisions.confirmed();
    const { effective, foreseen } = former
      ? await this.host.evaluate(former.document)
      : {} as Partial<Evaluation>;
    if (effective) await this.host.live?.apply(effective, foreseen);
    const reverted = this.revisions.setState(pending.revision, "reverted");
    clearTimeout(this.#timer);
    this.onReverted(`revision ${pending.revision} was ${reason}`);
    return withoutDocument(reverted);
  }

  #arm(pending: StoredRevision, afterMs = pending.revertsAtMs! - Date.now()): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      void this.#alone(async () => {
        const still = this.revisions.pending();
        if (still?.revision === pending.revision) await this.#takeBack(still, "not confirmed in time");
      }).catch((error) => this.#tryAgainLater(pending, error));
    }, Math.max(0, afterMs));
  }

  #tryAgainLater(pending: StoredRevision, error: unknown): void {
    this.onReverted(
      `revision ${pending.revision} could not be taken back whole, trying again: ${(error as Error).message}`,
    );
    this.#arm(pending, this.tryAgainMs);
  }

  #standing(): { current: StoredRevision; newest: number } {
    return { newest: this.revisions.newest()?.revision ?? 0, current: this.#inForce() };
  }

  /** The newest revision that is not on its way back. */
  #inForce(): StoredRevision {
    const newest = this.revisions.inForce();
    return newest.revision === this.#goingBack ? this.revisions.confirmed() ?? newest : newest;
  }

  #requirePending(): StoredRevision {
    const pending = this.revisions.pending();
    if (!pending) {
      throw new OtbError("nothing-pending", "Cannot confirm or take back a change as none is waiting");
    }
    return pending;
  }

  #refuseWhilePending(): void {
    const pending = this.revisions.pending();
    if (!pending) return;
    throw new OtbError(
      "change-pending",
      `Cannot change the settings as another change waits to be confirmed: current value is "revision ${pending.revision} by ${pending.author}"`,
      "otb config confirm, or otb config revert",
    );
  }

  #alone<T>(body: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(body);
    this.#queue = done.catch(() => {});
    return done;
  }
}

/** What no section's schema sees: a patch or document that is not made of `network` and `plugins`. */
function shapeProblems(patch: Json, document: Json): Problem[] {
  const refuse = (code: string, path: string, rule: string, value: Json | undefined) => ({
    code,
    path,
    message: `Cannot change ${path || "the settings"} as ${rule}: current value is ${
      JSON.stringify(value) ?? '"nothing"'
    }`,
  });
  if (!isObject(patch) || !isObject(document)) {
    return [refuse("patch-invalid", "", "a patch must be an object of sections", patch)];
  }
  const problems = Object.keys(document).filter((key) => key !== "network" && key !== "plugins")
    .map((key) =>
      refuse("setting-unknown", key, "there are only the parts network and plugins", document[key])
    );
  if (!isObject(document.plugins)) {
    problems.push(refuse("patch-invalid", "plugins", "it must be settings by plugin name", patch.plugins));
  }
  return problems;
}

/** What is answered to a proposal that changes nothing. */
function refused(problems: Problem[]): ProposalResult {
  return { problems, differences: [], plan: [], effects: [] };
}

function pendingOf(stored: StoredRevision | undefined): PendingChange | undefined {
  return stored && { revision: stored.revision, revertsAtMs: stored.revertsAtMs! };
}

function withoutDocument({ document: _, revertsAtMs: __, ...revision }: StoredRevision): Revision {
  return revision;
}
