// The one place where claims meet the kernel: keeps who wants what, and makes the kernel follow, one change at a time.
import { type Log, OtbError } from "../contract/mod.ts";
import { arbitrate, conflictError } from "./arbitrate.ts";
import { canonical } from "./canonical.ts";
import { describe, humanLines } from "./commands.ts";
import { Fights } from "./fights.ts";
import type { Journal } from "./journal.ts";
import { identity, needs, type Resource, type ResourceKind } from "./model.ts";
import {
  ANYTHING,
  ApplyError,
  type Change,
  type Observed,
  type Os,
  OTB_PROTOCOL,
  type Reread,
  SILENT_KINDS,
  STANDALONE_KINDS,
} from "./os.ts";
import { joined } from "./netlink.ts";
import { type JournalEntry, type Owned, type Plan, plan, type Step } from "./plan.ts";

/** One claim as asked for: everything an owner wants under one key. */
export interface Claim {
  owner: string;
  key: string;
  resources: Resource[];
}

/** A claim with how far the kernel follows it. */
export interface ListedClaim {
  owner: string;
  key: string;
  /** Left by a former run of the core, and not yet claimed again. */
  inherited: boolean;
  resources: {
    resource: Resource;
    /** `foreign`: found as wished and not ours to delete; `waiting` and `failed` have a reason, a higher wish for one. */
    state: "applied" | "foreign" | "waiting" | "failed";
    reason?: string;
  }[];
}

type Claims = ReadonlyMap<string, Claim & { inherited: boolean }>;

/** A deleted address takes routes with it, which the next round brings back; more rounds than these never help. */
const MAX_ROUNDS = 4;
/** After a refusal the kernel is asked again so soon, twice as late each time, up to the last. */
const AGAIN_FIRST_MS = 500, AGAIN_LAST_MS = 60_000;

/** What became of one attempt to make the kernel follow. */
interface Outcome {
  /** It began without reading everything. */
  isPartial: boolean;
  /** Why resources are not in the kernel, by identity. */
  reasons: Map<string, { state: "waiting" | "failed"; reason: string }>;
  failed: ApplyError[];
}

/** Owns the kernel state that otb makes. All changes go through one queue; a killed core's leftovers are inherited. */
export class Net {
  readonly #os: Os;
  readonly #journal: Journal;
  readonly #log: Log;
  /** Owner and key to what is wanted; the order of claiming. */
  #claims = new Map<string, Claim & { inherited: boolean }>();
  #queue: Promise<unknown> = Promise.resolve();
  #reconciling: Promise<void> | undefined;
  /** What may be otherwise than `#observed`, besides what the kernel tells. */
  #unread: Change | undefined = ANYTHING;
  /** Numbers of interfaces that flapped since repairs were last looked for. */
  #flapped: Change["flapped"] = new Set();
  readonly #fights = new Fights();
  #retry: ReturnType<typeof setTimeout> | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  /** Times in a row that something was refused. */
  #refusals = 0;
  #isOver = false;
  #observed: Observed | undefined;
  #observers = new Set<(observed: Observed) => void>();
  #reasons: Outcome["reasons"] = new Map();
  /** Wishes that another one stands above or in the way of, and why. */
  #unheld: { owned: Owned; state: "waiting" | "failed"; reason: string }[] = [];

  readonly #nowMs: () => number;

  /** @param nowMs a clock that never goes back */
  constructor(os: Os, journal: Journal, log: Log, nowMs = () => performance.now()) {
    this.#nowMs = nowMs;
    this.#os = os;
    this.#journal = journal;
    this.#log = log;
    for (const { resource, others = [], ...holder } of journal.entries()) {
      for (const { owner, key } of [holder, ...others]) {
        const claim = this.#claims.get(nameOf(owner, key));
        if (claim) claim.resources.push(resource);
        else this.#claims.set(nameOf(owner, key), { owner, key, resources: [resource], inherited: true });
      }
    }
  }

  /** The kernel's state as last read; undefined before the first `reconcile` or `claim`. */
  get observed(): Observed | undefined {
    return this.#observed;
  }

  /** Calls back whenever the observed state differs from before; gives the function that stops it. */
  onObserved(onChange: (observed: Observed) => void): () => void {
    this.#observers.add(onChange);
    return () => this.#observers.delete(onChange);
  }

  /**
   * Replaces what `owner` wants under `key` and applies the difference; resolves once the kernel follows. Resources
   * whose interface is missing wait for it, and so does what the core itself wants otherwise; what another owner wants alike
   * is shared. When the kernel refuses, everything is as before the call.
   * @throws OtbError `resource-invalid`, `claim-conflict`, `apply-failed`
   */
  async claim(owner: string, key: string, resources: Resource[]): Promise<void> {
    const claim = { owner, key, resources: resources.map(canonical), inherited: false };
    await this.#enqueue(async () => {
      const former = this.#claims;
      const kinds = kindsOf([...claim.resources, ...former.get(nameOf(owner, key))?.resources ?? []]);
      this.#claims = withClaim(former, claim);
      try {
        const { failed } = await this.#convergeSurely(claim, kinds);
        if (failed[0]) throw failed[0];
      } catch (error) {
        this.#claims = former;
        this.#unread = ANYTHING;
        await this.#converge().catch((reason) =>
          this.#log.error("Cannot roll back a claim", { owner, key, reason: String(reason) })
        );
        throw error;
      }
    });
  }

  /** Gives back everything of an owner; what the kernel refuses to give back stays noted and is tried again. */
  async release(owner: string): Promise<void> {
    await this.#enqueue(async () => {
      const given = [...this.#claims.values()].filter((claim) => claim.owner === owner);
      this.#claims = new Map([...this.#claims].filter(([, claim]) => claim.owner !== owner));
      await this.#converge(undefined, kindsOf(given.flatMap(({ resources }) => resources)));
    });
  }

  /** Everything wanted, by whom, and what of it is in the kernel. */
  claims(): ListedClaim[] {
    const entries = new Map(this.#journal.entries().map((entry) => [identity(entry.resource), entry]));
    return [...this.#claims.values()].map(({ owner, key, inherited, resources }) => ({
      owner,
      key,
      inherited,
      resources: resources.map((resource) => {
        const id = identity(resource);
        const { state, reason } = this.#unheld.find(({ owned }) =>
          owned.owner === owner && owned.key === key && identity(owned.resource) === id
        ) ?? this.#reasons.get(id) ??
          { state: entries.get(id)?.foreign ? "foreign" as const : "applied" as const, reason: undefined };
        return { resource, state, ...reason === undefined ? {} : { reason } };
      }),
    }));
  }

  /**
   * The command lines that claims would run now, without running them.
   * @throws OtbError `resource-invalid`, `claim-conflict`
   */
  async preview(changes: Claim[]): Promise<string[]> {
    const canonicalChanges = changes.map((claim) => ({
      ...claim,
      resources: claim.resources.map(canonical),
      inherited: false,
    }));
    return await this.#enqueue(async () => {
      const claims = canonicalChanges.reduce(withClaim, this.#claims);
      const { held, conflicts } = arbitrate(wantedBy(claims));
      const former = this.#observed;
      const { observed } = await this.#observe(claims);
      // What was undone is seen now, and not looked at again: it must not stay.
      if (former && JSON.stringify(observed) !== JSON.stringify(former)) {
        void this.reconcile().catch((error) =>
          this.#log.error("Cannot reconcile", { reason: String(error) })
        );
      }
      const work = plan(held, observed, this.#journal.entries(), OTB_PROTOCOL);
      const conflict = [...conflicts, ...work.conflicts].find(({ wanted }) =>
        changes.some((claim) => isOf(wanted, claim))
      );
      if (conflict) throw conflictError(conflict);
      return work.steps.flatMap(({ operation }) => humanLines(operation));
    });
  }

  /** Reads the kernel, or what changed of it, and repairs what is not as claimed; calls while one waits for its turn share it. */
  reconcile(change: Change = ANYTHING): Promise<void> {
    this.#unread = joined(this.#unread, change);
    return this.#reconciling ??= this.#enqueue(async () => {
      this.#reconciling = undefined;
      const { failed } = await this.#convergeSurely(undefined, new Set());
      this.#tryAgain(failed.length > 0);
    });
  }

  /** What the kernel refused just now it may take in a moment, and nobody tells when: it is asked again, ever more rarely. */
  #tryAgain(isRefused: boolean): void {
    clearTimeout(this.#again);
    this.#refusals = isRefused ? this.#refusals + 1 : 0;
    if (!isRefused || this.#isOver) return;
    const waitMs = Math.min(AGAIN_LAST_MS, AGAIN_FIRST_MS * 2 ** (this.#refusals - 1));
    this.#again = setTimeout(() => void this.reconcile().catch(() => {}), waitMs);
    Deno.unrefTimer(this.#again as unknown as number);
  }

  /** Reconciles on every change of what is claimed, until aborted; resolves once nothing is watched any more. */
  async watch(signal: AbortSignal): Promise<void> {
    const reconcile = (change: Change) =>
      void this.reconcile(change).catch((error) =>
        this.#log.error("Cannot reconcile", { reason: String(error) })
      );
    await this.#os.watch(reconcile, signal);
    this.#isOver = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#again);
  }

  /** What somebody else keeps undoing, in a few words each, and how often it was put back in a row. */
  fights(): { resource: string; times: number }[] {
    const wanted = new Map(wantedBy(this.#claims).map(({ resource }) => [identity(resource), resource]));
    return this.#fights.going(this.#nowMs()).flatMap(({ id, times }) => {
      const resource = wanted.get(id);
      return resource ? [{ resource: describe(resource), times }] : [];
    });
  }

  /** Takes away what a former run left and nobody has claimed since this one began. */
  async settle(): Promise<void> {
    await this.#enqueue(async () => {
      this.#claims = new Map([...this.#claims].filter(([, claim]) => !claim.inherited));
      await this.#converge();
    });
  }

  /**
   * Takes away everything that otb put into the kernel, but for one claim where it is named, and restores the settings found before.
   * @throws OtbError `sweep-incomplete`
   */
  async sweep(except?: { owner: string; key: string }): Promise<void> {
    await this.#enqueue(async () => {
      const isKept = ({ owner, key }: { owner: string; key: string }) =>
        owner === except?.owner && key === except.key;
      this.#claims = new Map([...this.#claims].filter(([, claim]) => isKept(claim)));
      const { failed } = await this.#converge();
      const left = this.#journal.entries().find((entry) => !isKept(entry));
      if (!left) return;
      throw new OtbError(
        "sweep-incomplete",
        `Cannot remove everything as ${describe(left.resource)} must go: current value is "${
          failed[0]?.text.trim() ?? "still there"
        }"`,
        "Remove it by hand, or run the same again.",
      );
    });
  }

  /** The same as `#converge`; what was not read anew may not be as it was, so that a refusal counts only after everything was. */
  async #convergeSurely(blamed: Claim | undefined, kinds: ReadonlySet<ResourceKind>): Promise<Outcome> {
    const outcome = await this.#converge(blamed, kinds);
    if (outcome.failed.length === 0 || !outcome.isPartial) return outcome;
    this.#unread = ANYTHING;
    return await this.#converge(blamed, kinds);
  }

  /**
   * Makes the kernel follow the claims. A failure of another owner than `blamed` is noted, not thrown. `kinds` are about to change:
   * what the kernel does not tell of is read of them. What went with an interface that flapped was nobody's doing.
   */
  async #converge(blamed?: Claim, kinds?: ReadonlySet<ResourceKind>): Promise<Outcome> {
    const outcome: Outcome = { isPartial: false, reasons: new Map(), failed: [] };
    const { held, conflicts, yielding } = arbitrate(wantedBy(this.#claims));
    const refused = conflicts.find(({ wanted }) => isOf(wanted, blamed));
    if (refused) throw conflictError(refused);
    let work: Plan | undefined;
    const done = new Set<string>();
    for (let round = 0; round <= MAX_ROUNDS; round++) {
      const { observed, isPartial } = await this.#observe(this.#claims, kinds);
      if (round === 0) outcome.isPartial = isPartial;
      this.#noteFingerprints(observed);
      const entries = this.#journal.entries();
      work = plan(held, observed, entries, OTB_PROTOCOL);
      const conflict = work.conflicts.find(({ wanted }) => isOf(wanted, blamed));
      if (conflict) throw conflictError(conflict);
      this.#journal.put(work.adopted);
      this.#journal.forget(work.gone);
      // What was put back just now and is gone again is a fight, too.
      const undone = work.steps.filter(({ owned }) => round === 0 || done.has(identity(owned.resource)));
      this.#noteRepairs(undone, entries, blamed, outcome);
      const steps = work.steps.filter(({ owned }) => !outcome.reasons.has(identity(owned.resource)));
      if (steps.length === 0) break;
      for (const { owned } of steps) if (!isOf(owned, blamed)) done.add(identity(owned.resource));
      if (round < MAX_ROUNDS) await this.#apply(steps, blamed, outcome);
      else for (const step of steps) this.#fail(step, notKept(step), blamed, outcome);
      if (outcome.failed.length > 0 && blamed) break;
    }
    for (const { owned, reason } of work?.deferred ?? []) {
      outcome.reasons.set(identity(owned.resource), { state: "waiting", reason });
    }
    for (const conflict of work?.conflicts ?? []) {
      const { message } = conflictError(conflict);
      outcome.reasons.set(identity(conflict.wanted.resource), { state: "failed", reason: message });
      this.#warnOnce(conflict.wanted, message);
    }
    this.#reasons = outcome.reasons;
    this.#unheld = [
      ...yielding.map(({ owned, to }) => ({
        owned,
        state: "waiting" as const,
        reason: `"${to}" wants it otherwise`,
      })),
      ...conflicts.map((conflict) => ({
        owned: conflict.wanted,
        state: "failed" as const,
        reason: conflictError(conflict).message,
      })),
    ];
    return outcome;
  }

  /** Says what is put back, and leaves for later what somebody undoes again and again. */
  #noteRepairs(
    steps: Step[],
    entries: JournalEntry[],
    blamed: Claim | undefined,
    outcome: Outcome,
  ): void {
    const flapped = this.#flapped;
    this.#flapped = new Set();
    const had = new Map(entries.map((entry) => [identity(entry.resource), entry]));
    const nowMs = this.#nowMs();
    let nextMs = Infinity;
    for (const { owned, effect } of steps) {
      const id = identity(owned.resource), entry = had.get(id);
      const wasThere = entry?.applied && JSON.stringify(entry.resource) === JSON.stringify(owned.resource);
      if (effect !== "hold" || !wasThere || this.#hasFlapped(owned.resource, flapped)) continue;
      const dueMs = this.#fights.dueMs(id);
      if (dueMs > nowMs && !isOf(owned, blamed)) {
        nextMs = Math.min(nextMs, dueMs);
        outcome.reasons.set(id, { state: "failed", reason: "somebody else keeps undoing it" });
        continue;
      }
      this.#fights.repaired(id, nowMs);
      const { owner, resource } = owned;
      this.#log.info("Put back what somebody else undid", { owner, resource: describe(resource) });
    }
    if (nextMs === Infinity) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.reconcile().catch(() => {}), nextMs - nowMs);
    Deno.unrefTimer(this.#retry as unknown as number);
  }

  /** Whether it left with an interface that it needs. */
  #hasFlapped(resource: Resource, flapped: Change["flapped"]): boolean {
    return this.#observed!.interfaces.some(({ name, index }) => flapped.has(index) && needs(resource, name));
  }

  /** Runs the steps; goes on after a failure that is not the fault of `blamed`. */
  async #apply(steps: Step[], blamed: Claim | undefined, outcome: Outcome): Promise<void> {
    this.#journal.put(steps.filter(({ effect }) => effect === "hold").map(intentOf));
    this.#unread = joined(this.#unread, changeOf(kindsOf(steps.map(({ operation }) => operation.resource))));
    for (let rest = steps; rest.length > 0;) {
      let failure: ApplyError | undefined;
      try {
        await this.#os.apply(rest.map(({ operation }) => operation));
      } catch (error) {
        if (!(error instanceof ApplyError)) throw error;
        failure = error;
      }
      const done = failure ? rest.slice(0, failure.index) : rest;
      // What was taken away stays noted until the next round sees it gone: `ip rule delete` may hit another one.
      this.#journal.confirm(done.filter(({ effect }) => effect === "hold").map(identityOf));
      if (!failure) return;
      this.#fail(rest[failure.index]!, failure, blamed, outcome);
      if (isOf(rest[failure.index]!.owned, blamed)) return;
      rest = rest.slice(failure.index + 1).filter(({ owned }) =>
        !outcome.reasons.has(identity(owned.resource))
      );
    }
  }

  /** Notes that a resource is not in the kernel; who is `blamed` gets the error, others a line in the log. */
  #fail({ owned }: Step, failure: ApplyError, blamed: Claim | undefined, outcome: Outcome): void {
    outcome.reasons.set(identity(owned.resource), { state: "failed", reason: failure.message });
    if (!blamed || isOf(owned, blamed)) outcome.failed.push(failure);
    if (!isOf(owned, blamed)) this.#warnOnce(owned, failure.message);
  }

  /** The same failure on every change of the network is news only once. */
  #warnOnce({ owner, key, resource }: Owned, reason: string): void {
    if (this.#reasons.get(identity(resource))?.reason === reason) return;
    this.#log.warn("Cannot apply a claimed resource", { owner, key, resource: describe(resource), reason });
  }

  /**
   * Reads what may not be as it was read before: what the kernel told of, what we changed, and of these kinds (absent: all) what it
   * tells nothing of. Where nobody listens to it all of these kinds are read, and everything when one of them does not stand alone.
   */
  async #observe(
    claims: Claims,
    kinds?: ReadonlySet<ResourceKind>,
  ): Promise<{ observed: Observed; isPartial: boolean }> {
    const about = [...wantedBy(claims), ...this.#journal.entries()].map(({ resource }) => resource);
    const unread = joined(this.#unread, this.#os.takeChange() ?? changeOf(kinds));
    this.#unread = undefined;
    const silent = new Set(SILENT_KINDS.filter((kind) => kinds?.has(kind) ?? true));
    const only = this.#observed && unread.kinds &&
      { kinds: unread.kinds.union(silent), former: this.#observed };
    let observed: Observed;
    try {
      observed = await this.#os.observe(about, only);
    } catch (error) {
      this.#unread = joined(this.#unread, unread);
      throw error;
    }
    this.#flapped = this.#flapped.union(unread.flapped);
    const changed = JSON.stringify(observed) !== JSON.stringify(this.#observed);
    this.#observed = observed;
    if (changed) { for (const onChange of this.#observers) onChange(observed); }
    return { observed, isPartial: only !== undefined };
  }

  /** The first look after a change shows what the kernel made of it; later differences are somebody else's doing. */
  #noteFingerprints(observed: Observed): void {
    const hashes = new Map<string, string>();
    for (const { family, name, hash } of observed.nftTables) {
      hashes.set(identity({ kind: "nftTable", family, name, body: "" }), hash);
    }
    for (const { interface: device, parent, hash } of observed.qdiscs) {
      hashes.set(identity({ kind: "qdisc", interface: device, parent, spec: [] }), hash);
    }
    for (const { resource, applied, fingerprint } of this.#journal.entries()) {
      const hash = hashes.get(identity(resource));
      if (applied && fingerprint === undefined && hash) this.#journal.fingerprint(identity(resource), hash);
    }
  }

  #enqueue<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(change);
    this.#queue = done.catch(() => {});
    return done;
  }
}

function kindsOf(resources: Resource[]): Set<ResourceKind> {
  return new Set(resources.map(({ kind }) => kind));
}

/** What a change of these kinds may change; absent: all kinds. */
function changeOf(kinds: ReadonlySet<ResourceKind> | undefined): Change {
  const alone: ReadonlySet<ResourceKind> = new Set(STANDALONE_KINDS);
  return kinds?.isSubsetOf(alone) ? { kinds: kinds as Reread["kinds"], flapped: new Set() } : ANYTHING;
}

function nameOf(owner: string, key: string): string {
  return JSON.stringify([owner, key]);
}

/** The claims with one more, the last. */
function withClaim<T extends Claim>(claims: ReadonlyMap<string, T>, claim: T): Map<string, T> {
  const next = new Map(claims);
  next.delete(nameOf(claim.owner, claim.key));
  if (claim.resources.length > 0) next.set(nameOf(claim.owner, claim.key), claim);
  return next;
}

function wantedBy(claims: Claims): Owned[] {
  return [...claims.values()].flatMap(({ owner, key, inherited, resources }) =>
    resources.map((resource) => ({ owner, key, inherited, resource }))
  );
}

function intentOf({ owned, previous }: Step): JournalEntry {
  const { owner, key, resource, others } = owned;
  return { owner, key, resource, others, previous, foreign: false, applied: false };
}

function identityOf({ owned }: Step): string {
  return identity(owned.resource);
}

function isOf(owned: Owned, claim: Claim | undefined): boolean {
  return claim !== undefined &&
    [owned, ...owned.others ?? []].some(({ owner, key }) => owner === claim.owner && key === claim.key);
}

/** The kernel says yes and does otherwise: for one, to it a rule exists already when a narrower one of its table does. */
function notKept({ operation }: Step): ApplyError {
  return new ApplyError(0, humanLines(operation)[0]!, "accepted, but not there afterwards");
}
