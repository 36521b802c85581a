// One round after the other: ask, agree, correct, tell. The clock itself is given, so that a test never sets a machine's.
import { CLOCK, type ClockFact, type Context, type LinkWayFact, type Phrase, say } from "@otb/plugin";
import { agree, type Opinion } from "./agree.ts";
import { askAll } from "./ask.ts";
import type { Config } from "./config.ts";
import { BUILT_MS, correction, WRONG_MS } from "./correct.ts";
import { type Words, words } from "./texts/mod.ts";

/** While the time is not known: soon again, then later. Public servers ask for 64 s and more between questions for long. */
const RETRY_SECONDS = [2, 4, 8, 16, 32, 64];
/** A clock that nobody confirmed for so long is not known to be right any more. */
const STALE_MS = 86_400_000;
/** The latest time that links agreed on, in the plugin's store. */
const FLOOR_KEY = "floorMs";

/** What can be done to a clock. */
export interface Adjustable {
  /** Some other program keeps it. */
  isKept(): boolean;
  /** @throws OtbError when it may not be corrected */
  correct(offsetMs: number, how: "step" | "slew"): void;
}

/** What a keeper needs of its context. */
export type KeeperContext = Pick<
  Context<Config, Words>,
  "clock" | "facts" | "health" | "log" | "publishStatus" | "signal" | "store"
>;

/** Keeps one clock. */
export class Keeper {
  #fact: ClockFact = { state: "unknown" };
  #wasSet = false;
  #agreedAtMs = 0;
  #pendingMs: number | undefined;
  #failures = 0;
  #floorMs = BUILT_MS;
  #left = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running = false;

  constructor(
    private readonly ctx: KeeperContext,
    private readonly config: Config,
    private readonly adjustable: Adjustable,
    private readonly ways: () => Pick<LinkWayFact, "link" | "source">[],
  ) {
    ctx.signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  /** Reads what is known from before and begins to ask. */
  async start(): Promise<void> {
    const stored = await this.ctx.store.get<number>(FLOOR_KEY);
    if (typeof stored === "number" && stored > BUILT_MS) this.#floorMs = stored;
    this.#tell(undefined);
    this.soon();
  }

  /** Links changed: while the time is not known, the next question need not wait. */
  soon(): void {
    if (this.#fact.state === "set" && this.#wasSet || this.#running) return;
    this.#failures = 0;
    this.#after(0.2);
  }

  #after(seconds: number): void {
    clearTimeout(this.#timer);
    if (this.ctx.signal.aborted) return;
    this.#timer = setTimeout(async () => {
      this.#running = true;
      let settled = false;
      try {
        settled = await this.#round();
      } catch (error) {
        this.ctx.log.error("Cannot keep the clock", { reason: String(error) });
      }
      this.#running = false;
      if (settled) this.#failures = 0;
      const retry = RETRY_SECONDS[Math.min(this.#failures, RETRY_SECONDS.length - 1)]!;
      if (!settled) this.#failures++;
      this.#after(settled ? this.config.everySeconds : retry);
    }, seconds * 1_000);
  }

  /** Asks once; false when that did not show the clock to be right. */
  async #round(): Promise<boolean> {
    const { clock, signal } = this.ctx;
    const ways = this.ways();
    if (ways.length === 0) return this.#doubt(words.phrase("no-link"));
    const servers = this.config.servers.filter((server) => !this.#left.has(server));
    // One anchor a round: a clock that somebody sets meanwhile does not bend the measure.
    const anchorMs = clock.now() - clock.monotonicMs();
    const nowMs = () => anchorMs + clock.monotonicMs();
    const { samples, kissed } = await askAll(servers, ways, { nowMs, floorMs: this.#floorMs, signal });
    if (signal.aborted) return false;
    // Who wants to be left alone is, until the next start; never all of them.
    if (kissed.size < servers.length) { for (const server of kissed) this.#left.add(server); }
    return await this.#act(agree(samples, servers.length), ways.length, nowMs());
  }

  async #act(opinion: Opinion, linksAsked: number, nowMs: number): Promise<boolean> {
    const pendingMs = this.#pendingMs;
    this.#pendingMs = undefined;
    if (opinion.kind !== "agreed") {
      return this.#doubt(opinion.kind === "silent" ? words.phrase("silent") : opinion.reason);
    }
    const { offsetMs, errorMs, servers, links } = opinion;
    const next = correction(opinion, {
      nowMs,
      floorMs: this.#floorMs,
      wasSet: this.#wasSet,
      linksAsked,
      pendingMs,
    });
    if (next.kind === "refuse") return this.#doubt(words.phrase("refused", { why: next.reason }));
    if (next.kind === "confirm") {
      this.#pendingMs = next.offsetMs;
      return false;
    }
    const keptByOther = this.adjustable.isKept();
    const corrected = next.kind !== "none" && this.config.correct && !keptByOther &&
      this.#correct(offsetMs, next.kind);
    const leftMs = corrected && next.kind === "step" ? 0 : offsetMs;
    const state = Math.abs(leftMs) <= WRONG_MS ? "set" : "wrong";
    this.#fact = {
      state,
      offsetMs: Math.round(leftMs * 10) / 10,
      source: `${servers.join(", ")} over ${links.join(", ")}`,
    };
    if (state === "set") {
      this.#wasSet = true;
      this.#agreedAtMs = this.ctx.clock.monotonicMs();
    }
    // One link alone could move the floor into the future, and no honest time would ever be believed again.
    const trueMs = Math.floor(nowMs + offsetMs);
    if (links.length >= 2 && trueMs - this.#floorMs > 3_600_000) {
      this.#floorMs = trueMs;
      await this.ctx.store.keep(FLOOR_KEY, trueMs);
    }
    this.#tell(undefined, { errorMs: Math.round(errorMs * 10) / 10, keptByOther });
    return state === "set";
  }

  #correct(offsetMs: number, how: "slew" | "step"): boolean {
    const { log } = this.ctx;
    try {
      this.adjustable.correct(offsetMs, how);
    } catch (error) {
      log.error("Cannot correct the clock", { reason: (error as Error).message });
      return false;
    }
    if (how === "step") log.info("The clock was set", { offsetMs: Math.round(offsetMs) });
    return true;
  }

  #doubt(why: Phrase): false {
    this.#tell(why);
    return false;
  }

  /** Publishes what is known; `doubt` says why this round brought nothing. */
  #tell(doubt: Phrase | undefined, more: { errorMs?: number; keptByOther?: boolean } = {}): void {
    const { facts, health, clock, publishStatus } = this.ctx;
    const beforeFloor = clock.now() < this.#floorMs;
    const stale = this.#wasSet && clock.monotonicMs() - this.#agreedAtMs > STALE_MS;
    if (beforeFloor) this.#fact = { ...this.#fact, state: "wrong" };
    else if (doubt && (!this.#wasSet || stale)) this.#fact = { state: "unknown" };
    const { state, offsetMs } = this.#fact;
    facts.publish(CLOCK, this.#fact);
    publishStatus({ ...this.#fact, ...more, ...(doubt ? { doubt: say(words, doubt) } : {}) });
    if (state === "wrong") {
      const why = doubt ? words.phrase("why", { doubt }) : "";
      health.raise("clock-wrong", {
        how: beforeFloor
          ? words.phrase("past", { time: new Date(clock.now()).toISOString(), why })
          : words.phrase("off", { seconds: Math.round((offsetMs ?? 0) / 1_000) }),
        advice: words.phrase(this.config.correct ? "set-by-hand" : "let-otb"),
      });
    } else health.clear("clock-wrong");
    if (state === "unknown" && doubt) health.raise("clock-unknown", { doubt });
    else if (state !== "unknown") health.clear("clock-unknown");
  }
}
