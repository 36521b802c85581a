// Holds back a link that lowers what all streams of one end have together, by proof: the total was clearly more without it, again and
// again. Pure.
//
// A link can do so though each chunk goes where it should arrive first: an operator who ends TCP on his side confirms what then waits in
// his queue for seconds, and everything else waits for that; or links share the air, and a slow one takes the time of a fast one. So
// what is suspected is tried: with it, without it, with it, without it. Every total without it must be above every one with it, so that
// what others do meanwhile is not taken for proof.

/** A total is taken over so long, of which the streams must be held up by nothing but links for this share. */
const MEASURE_MS = 2_000, HUNGRY_SHARE = 0.8;
/** Before that all that was sent before arrives: what a link had others wait for counts for the time with it. */
const LEAST_SETTLE_MS = 500, MOST_SETTLE_MS = 5_000;
/** With it there is less than this share for so long: that is measured long enough. */
const HOPELESS_MS = 1_000, HOPELESS_SHARE = 0.5;
/** Without it there must be so much more; if it is not that much, more often. */
const CLEARLY = 1.05, MUCH = 1.3;
/** What lies between is to be so much of what totals differ by anyway, or is measured more often, up to this. */
const SURELY = 1.5, MOST_ROUNDS = 5;
/** Suspected is who has everybody wait for so much of the time, or brings so much that others brought before. */
const BLOCKED_SHARE = 0.1, OVERTAKEN_SHARE = 0.5;
/** Trials cost this share of the total at most, of who is suspected and of others: they are tried too, but later. */
const COST_SUSPECTED = 0.05, COST = 0.005, TRIAL_MS = 3_000, LEAST_WAIT_MS = 20_000;
/** After a trial that proved nothing it is suspected no sooner than this, twice as long each time. */
const VAIN_MS = 8_000, MOST_VAIN = 8;
/** Who contributes more than this is never tried. */
const MOST_SHARE = 0.5;
/** A link is held back for so long at first, twice as long each time, up to the last. */
const HOLD_MS = 30_000, MOST_HOLDS = 4;
/** A link is in use that was given something within this time. */
const IN_USE_MS = 60_000;
/** Looks further apart than this are of different times. */
const GAP_MS = 1_000;
/** A link is out whose connections have heard nothing for so long. */
const OUT_MS = 1_000;

/** What one link does for all streams of an end, counted since ever. */
export class Account {
  /** New bytes that it was given; of them those that others were given again; time that its bytes were waited for. */
  given = 0;
  overtaken = 0;
  blockedMs = 0;
  /** It gets nothing new while others carry. */
  isHeld = false;
  proof: Proof | undefined;
  givenMs = -Infinity;
  /** Steady time at the end of its last trial; trials in a row that proved nothing; that proved it. */
  triedMs = 0;
  vain = 0;
  holds = 0;
  seen = { given: 0, overtaken: 0, blockedMs: 0 };
  /** When a connection over it was last seen to be alive, and to wait for a word in vain. */
  aliveMs = -Infinity;
  silentMs = -Infinity;
  /** It carries nothing at all: what is waited for because of that is no proof, and the time before and after is another. */
  isOut = false;
}

/** Why a link is held back. */
export interface Proof {
  /** Total of all links, bits per second. */
  withBitsPerSecond: number;
  withoutBitsPerSecond: number;
  /** It is held back since then; it is tried again at the other moment, once there is enough to do. */
  sinceMs: number;
  untilMs: number;
}

/** A link that is held back, by its name. */
export interface HeldLink extends Proof {
  link: string;
}

/** What all streams of an end have come to, since ever. */
export interface Totals {
  /** Bytes that were sent, each once, and that the other end has in order. */
  sent: number;
  confirmed: number;
  /** Time in which streams had more to say than links took, of all streams together. */
  hungryMs: number;
}

/** What a link did within a phase. */
interface Deed {
  account: Account;
  share: number;
  blockedMs: number;
  isSuspected: boolean;
}

interface Trial {
  account: Account;
  /** Totals, bits per second. */
  with: number[];
  without: number[];
}

export class Guard {
  #trial: Trial | undefined;
  #lastMs = -Infinity;
  #sent = 0;
  /** Before the phase begins so much is to be confirmed. */
  #awaited: number | undefined;
  /** Of the phase that runs. */
  #fromMs = 0;
  #fromConfirmed = 0;
  #looks = 0;
  #hungry = 0;
  #hungryMs = 0;
  #fromHungryMs = 0;
  /** Time so far in which only links were in the way. */
  #steadyMs = 0;

  /** @param accounts of all links that are known */
  constructor(private readonly accounts: () => Iterable<Account>) {}

  /** A regular look. */
  look(nowMs: number, totals: Totals): void {
    const { confirmed, hungryMs } = totals;
    this.#sent = totals.sent;
    const isNew = nowMs - this.#lastMs > GAP_MS;
    this.#lastMs = nowMs;
    if (isNew || this.#haveChanged(nowMs)) {
      this.#endTrial();
      this.#deeds(0, nowMs);
      this.#fromHungryMs = this.#hungryMs = hungryMs;
      this.#begin(nowMs, confirmed);
    }
    if (this.#awaited !== undefined) {
      const spentMs = nowMs - this.#fromMs;
      if (spentMs < LEAST_SETTLE_MS || confirmed < this.#awaited && spentMs < MOST_SETTLE_MS) return;
      this.#begin(nowMs, confirmed);
    }
    this.#looks++;
    this.#hungry += Number(hungryMs > this.#hungryMs);
    this.#hungryMs = hungryMs;
    const isClear = this.#isHopeless(nowMs, confirmed);
    if (nowMs - this.#fromMs < MEASURE_MS && !isClear) return;
    const isSteady = this.#hungry >= HUNGRY_SHARE * this.#looks;
    const rate = (confirmed - this.#fromConfirmed) * 8_000 / (nowMs - this.#fromMs);
    const deeds = this.#deeds(hungryMs - this.#fromHungryMs, nowMs);
    this.#fromHungryMs = hungryMs;
    this.#begin(nowMs, confirmed);
    if (!isSteady) return this.#endTrial();
    this.#steadyMs += MEASURE_MS;
    if (this.#trial) this.#judge(this.#trial, rate, nowMs);
    else this.#choose(deeds, rate, nowMs);
  }

  /** Whether links were cut or came back. */
  #haveChanged(nowMs: number): boolean {
    let haveChanged = false;
    for (const account of this.accounts()) {
      const isOut = nowMs - account.silentMs < OUT_MS && nowMs - account.aliveMs >= OUT_MS;
      haveChanged ||= isOut !== account.isOut;
      account.isOut = isOut;
    }
    return haveChanged;
  }

  #begin(nowMs: number, confirmed: number): void {
    this.#awaited = undefined;
    this.#fromMs = nowMs;
    this.#fromConfirmed = confirmed;
    this.#looks = this.#hungry = 0;
  }

  /** A link that was let go is doing its harm again: nobody needs to see more of it. */
  #isHopeless(nowMs: number, confirmed: number): boolean {
    const spentMs = nowMs - this.#fromMs;
    if (!this.#trial || this.#trial.account.isHeld || spentMs < HOPELESS_MS) return false;
    const rate = (confirmed - this.#fromConfirmed) * 8_000 / spentMs;
    return rate < HOPELESS_SHARE * Math.min(...this.#trial.without);
  }

  /** What each link did since the last time, in which streams were hungry for so long. */
  #deeds(hungryMs: number, nowMs: number): Deed[] {
    const found = [...this.accounts()].map((account) => {
      const { seen } = account;
      const given = account.given - seen.given, overtaken = account.overtaken - seen.overtaken;
      const blockedMs = account.blockedMs - seen.blockedMs;
      const isSuspected = blockedMs > BLOCKED_SHARE * hungryMs || overtaken > OVERTAKEN_SHARE * given;
      if (given > 0) account.givenMs = nowMs;
      account.seen = { given: account.given, overtaken: account.overtaken, blockedMs: account.blockedMs };
      return { account, brought: Math.max(0, given - overtaken), blockedMs, isSuspected };
      // While all wait nobody is given anything.
    }).filter(({ account }) => nowMs - account.givenMs < IN_USE_MS);
    const all = found.reduce((sum, { brought }) => sum + brought, 0) || 1;
    return found.map(({ brought, ...deed }) => ({ ...deed, share: brought / all }));
  }

  /** Begins a trial where one is due; `rate` is what was just had. */
  #choose(deeds: Deed[], rate: number, nowMs: number): void {
    for (const account of this.accounts()) {
      const { proof } = account;
      // What others carry now is less than they had with it: the proof is none any more.
      if (!proof || account.isOut || nowMs < proof.untilMs && rate > proof.withBitsPerSecond) continue;
      return this.#go({ account, with: [], without: [rate] }, nowMs);
    }
    const free = deeds.filter(({ account }) => !account.isHeld && !account.isOut);
    if (free.length < 2) return;
    const due = free.filter(({ account, share, isSuspected }) => {
      const { vain, triedMs } = account;
      const restMs = vain === 0 ? 0 : VAIN_MS * 2 ** vain;
      const costMs = share * TRIAL_MS / (isSuspected ? COST_SUSPECTED : COST) * 2 ** vain;
      const waitMs = Math.max(restMs, costMs, isSuspected ? 0 : LEAST_WAIT_MS);
      return share <= MOST_SHARE && this.#steadyMs - triedMs >= waitMs;
    }).sort((a, b) =>
      Number(b.isSuspected) - Number(a.isSuspected) || b.blockedMs - a.blockedMs || a.share - b.share
    );
    const [first] = due;
    if (first) {
      this.#go({ account: first.account, with: [rate], without: [] }, nowMs);
    }
  }

  /** The other way round from now on. */
  #go(trial: Trial, nowMs: number): void {
    const { account } = trial;
    this.#trial = trial;
    account.isHeld = !account.isHeld;
    this.#fromMs = nowMs;
    this.#awaited = this.#sent;
  }

  #judge(trial: Trial, rate: number, nowMs: number): void {
    const { account } = trial;
    (account.isHeld ? trial.without : trial.with).push(rate);
    const best = Math.max(...trial.with), least = Math.min(...trial.without);
    if (least <= CLEARLY * best) return this.#endTrial(true);
    // Totals change by themselves, but hardly by so much; and of who was held back more is known.
    const isSure = least - best > SURELY * Math.max(spread(trial.with), spread(trial.without));
    const rounds = isSure ? (least > MUCH * best ? 1 : 2) * (account.proof ? 1 : 2) : MOST_ROUNDS;
    if (!account.isHeld || trial.without.length < rounds || trial.with.length < rounds) {
      return this.#go(trial, nowMs);
    }
    account.proof = {
      withBitsPerSecond: mean(trial.with),
      withoutBitsPerSecond: mean(trial.without),
      sinceMs: account.proof?.sinceMs ?? nowMs,
      untilMs: nowMs + HOLD_MS * 2 ** Math.min(MOST_HOLDS, account.holds++),
    };
    account.vain = 0;
    this.#trial = undefined;
  }

  /** @param isVain it proved nothing; otherwise it was disturbed */
  #endTrial(isVain = false): void {
    const account = this.#trial?.account;
    this.#trial = undefined;
    if (!account) return;
    if (!isVain) return void (account.isHeld = account.proof !== undefined);
    account.isHeld = false;
    if (account.proof) account.holds = 0;
    account.proof = undefined;
    account.triedMs = this.#steadyMs;
    account.vain = Math.min(MOST_VAIN, account.vain + 1);
  }
}

function spread(rates: number[]): number {
  return Math.max(...rates) - Math.min(...rates);
}

function mean(rates: number[]): number {
  return rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
}
