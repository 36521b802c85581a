// Judges how a link is: by traffic that is acknowledged first, then by what probes met. Pure.
import type { LinkHealthFact } from "@otb/plugin";

/** Rounds of probes without any answer until a link is down: one is an accident, two are bad luck. */
const ROUNDS_TO_DOWN = 3;
/** How long a link that fell must answer before it is up again; doubles with every fall, up to the last. */
const HOLD_FIRST_MS = 1_000, HOLD_LAST_MS = 120_000;
/** A link that stood this long is forgiven its falls. */
const FORGIVEN_MS = 600_000;
/** A share of lost segments that lasts makes a link degraded, and a lower one that lasts makes it well. */
const LOSSY = 0.05, LOSSY_MS = 10_000, CLEAN = 0.02, CLEAN_MS = 30_000;
/** Time between rounds: while in doubt, while path and probes say different things, after an answer of a link that is down, and while it stays down. */
const DOUBT_MS = 500,
  DISAGREE_MS = 2_000,
  RETURN_MS = 500,
  DOWN_FIRST_MS = 1_000,
  DOWN_LAST_MS = 2_500,
  DOWN_GROWTH = 1.02;
/** How often a link that carries connections is still asked whether a login page is in the way. */
const PORTAL_CHECK_MS = 300_000;

/** What the path to the peer says: data acknowledged just now, answers to probes, neither, or nobody watches it. */
export type PathEvidence = "acknowledged" | "answers" | "silent" | "unwatched";

/** What one round of probes met. */
export type Outcome =
  | { kind: "peer" }
  /** The Internet answers, the peer does not. */
  | { kind: "internet" }
  /** A login page is in the way. */
  | { kind: "portal"; where: string }
  | { kind: "nothing" };

/** All that is known of a link at a moment. */
export interface Seen {
  nowMs: number;
  /** Why it cannot carry anything, as the kernel shows it: no cable, no address. */
  broken?: string;
  path: PathEvidence;
  /** Share of segments sent again, 0 to 1. */
  loss?: number;
  /** The peer does not answer over any link. */
  peerGone: boolean;
  /** Since when the peer or its tunnel is missed, the later of both: it may be for want of links, and others wait to know. */
  missedSinceMs?: number;
  /**
   * Since when nobody who has the peer's key answers over this link. Whoever stands in the way, as a login page does, can take a
   * handshake as the peer would, at any distance.
   */
  unprovedSinceMs?: number;
}

/** How a link is and since when, in the verdict's own time. */
export type Verdict = LinkHealthFact;

/** One link's health over time. */
export class LinkHealth {
  #verdict: Verdict;
  #last: Outcome | undefined;
  #broken = false;
  #misses = 0;
  #falls = 0;
  #stoodSinceMs: number | undefined;
  #answeringSinceMs: number | undefined;
  #lossySinceMs: number | undefined;
  #cleanSinceMs: number | undefined;
  #lossy = false;
  #roundMs = -Infinity;
  #downWaitMs = DOWN_FIRST_MS;
  /** Rounds that were answered, by whom (LinkHealthFact). */
  readonly answers = { peer: 0, internet: 0 };

  constructor(nowMs: number) {
    this.#verdict = { state: "unknown", sinceMs: nowMs };
  }

  /** A login page was met last: the next round must look for it again. */
  get metPortal(): boolean {
    return this.#last?.kind === "portal";
  }

  /** How long the next round may wait for answers, on top of what round trips are usual: longer the more is at stake. */
  get patience(): number {
    return 1 + this.#misses / 2;
  }

  /** When the next round of probes is due; `everyMs` is for a link whose path nobody watches. */
  nextRoundMs({ path, broken, missedSinceMs, unprovedSinceMs }: Seen, everyMs: number): number {
    if (broken !== undefined) return Infinity;
    if (this.#verdict.state === "unknown") return this.#roundMs + DOUBT_MS;
    if (this.#verdict.state === "down") {
      return this.#roundMs + (this.#answeringSinceMs === undefined ? this.#downWaitMs : RETURN_MS);
    }
    if (this.#misses > 0) return this.#roundMs + DOUBT_MS;
    if (missedSinceMs !== undefined && this.#roundMs < missedSinceMs) return missedSinceMs;
    if (path === "unwatched") return this.#roundMs + everyMs;
    if (path === "silent") {
      const waitMs = { peer: DISAGREE_MS, internet: everyMs, portal: DOUBT_MS, nothing: DOUBT_MS };
      return this.#roundMs + waitMs[this.#last?.kind ?? "nothing"];
    }
    const restMs = missedSinceMs === undefined ? PORTAL_CHECK_MS : everyMs;
    if (unprovedSinceMs === undefined) return this.#roundMs + restMs;
    if (this.#roundMs < unprovedSinceMs) return unprovedSinceMs;
    // A link may never let the tunnel through, and pays for each page.
    return this.#roundMs + Math.min(restMs, Math.max(DISAGREE_MS, this.#roundMs - unprovedSinceMs));
  }

  /** Judges anew; `outcome` is that of a round that has just ended. */
  judge(seen: Seen, outcome?: Outcome): Verdict {
    const { nowMs, broken, path } = seen;
    if (outcome) {
      this.#last = outcome;
      this.#roundMs = nowMs;
      if (outcome.kind === "peer" || outcome.kind === "internet") this.answers[outcome.kind]++;
    }
    if (broken !== undefined) {
      // Who comes back with another cable or address is looked at anew.
      this.#last = undefined;
      this.#roundMs = -Infinity;
      this.#broken = true;
      return this.#fall(nowMs, broken);
    }
    // What was broken and is whole again is not known yet; to call it down would keep it from what it may do now.
    if (this.#broken) this.#set("unknown", undefined, nowMs);
    this.#broken = false;
    // Nothing that was acknowledged can be dead, whatever a probe met.
    if (path === "acknowledged") {
      if (this.#last?.kind === "portal") this.#last = { kind: "peer" };
      return this.#stand(seen, true);
    }
    if (this.#last?.kind === "portal") {
      return this.#fall(nowMs, `a login page is in the way: open ${this.#last.where} from behind this modem`);
    }
    if (outcome?.kind === "nothing") {
      this.#answeringSinceMs = undefined;
      if (this.#verdict.state === "down") {
        this.#downWaitMs = Math.min(DOWN_LAST_MS, this.#downWaitMs * DOWN_GROWTH);
      }
      if (path !== "answers" && ++this.#misses >= ROUNDS_TO_DOWN) {
        return this.#fall(nowMs, "nothing answers over it");
      }
    } else if (outcome || path === "answers") {
      return this.#stand(seen, false);
    }
    return this.#verdict;
  }

  #fall(nowMs: number, reason: string): Verdict {
    this.#misses = 0;
    this.#answeringSinceMs = undefined;
    if (this.#verdict.state !== "down") {
      // A link that was never up has not fallen.
      const stoodMs = this.#stoodSinceMs === undefined ? undefined : nowMs - this.#stoodSinceMs;
      if (stoodMs !== undefined) this.#falls = stoodMs > FORGIVEN_MS ? 1 : this.#falls + 1;
      this.#downWaitMs = DOWN_FIRST_MS;
    }
    return this.#set("down", reason, nowMs);
  }

  #stand(seen: Seen, sure: boolean): Verdict {
    const { nowMs } = seen;
    this.#misses = 0;
    this.#answeringSinceMs ??= nowMs;
    if (this.#verdict.state === "down" && !sure && nowMs - this.#answeringSinceMs < this.#holdMs) {
      return this.#verdict;
    }
    if (this.#verdict.state === "down" || this.#verdict.state === "unknown") this.#stoodSinceMs = nowMs;
    const trouble = this.#trouble(seen);
    return this.#set(trouble ? "degraded" : "up", trouble ?? this.#remark(seen), nowMs);
  }

  get #holdMs(): number {
    return this.#falls === 0 ? 0 : Math.min(HOLD_LAST_MS, HOLD_FIRST_MS * 2 ** (this.#falls - 1));
  }

  #trouble({ nowMs, path, loss, peerGone }: Seen): string | undefined {
    if (path === "acknowledged" && loss !== undefined) {
      this.#lossySinceMs = loss >= LOSSY ? this.#lossySinceMs ?? nowMs : undefined;
      this.#cleanSinceMs = loss <= CLEAN ? this.#cleanSinceMs ?? nowMs : undefined;
      if (this.#lossySinceMs !== undefined && nowMs - this.#lossySinceMs >= LOSSY_MS) this.#lossy = true;
      if (this.#cleanSinceMs !== undefined && nowMs - this.#cleanSinceMs >= CLEAN_MS) this.#lossy = false;
    }
    if (this.#lossy) return `it loses ${LOSSY * 100} % of what is sent, or more`;
    const peerSilent = path === "silent" && this.#last?.kind === "internet";
    return peerSilent && !peerGone ? "the Internet answers over it, but the peer does not" : undefined;
  }

  #remark({ path, peerGone }: Seen): string | undefined {
    return path === "silent" && peerGone
      ? "the Internet answers over it; it is the peer that is gone"
      : undefined;
  }

  #set(state: Verdict["state"], reason: string | undefined, nowMs: number): Verdict {
    const sinceMs = state === this.#verdict.state ? this.#verdict.sinceMs : nowMs;
    return this.#verdict = { state, reason, sinceMs };
  }
}
