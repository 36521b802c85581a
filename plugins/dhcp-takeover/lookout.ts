// Who has which address on the LAN although nobody leased it here: asked by ARP in turn, kept on the disk.
import { type Context, ipv4Number, ipv4Text, type Json } from "@otb/plugin";
import type { Config } from "./config.ts";
import { type Hold, holdsWith, quarantineWith, type Refused } from "./holds.ts";
import type { Lease } from "./leases.ts";
import { type Neighbour, neighbours, Nudger } from "./neighbours.ts";
import type { ServePlan } from "./plan.ts";

/** Addresses nudged at one look before serving; at other times it is one every other look. */
const NUDGES_BEFORE = 256, LOOKS_PER_NUDGE = 2;
/** The kernel's table is read at every so manieth look that is not urgent. */
const LOOKS_PER_READ = 5;
/** Addresses nudged in one round. */
const MAX_NUDGED = 512;

/** Looks around whenever it is told to. */
export class Lookout {
  readonly #nudger = new Nudger();
  #seen: Neighbour[] = [];
  #holds: Hold[] = [];
  #refused: Refused[] = [];
  #nudged: number[] = [];
  #looks = 0;
  #blind: string | undefined;

  constructor(private readonly ctx: Context<Config>) {}

  /** Stations that were there at the last look. */
  get seen(): Neighbour[] {
    return this.#seen;
  }

  /** Addresses that are kept for who was seen with them. */
  get holds(): Hold[] {
    return this.#holds;
  }

  /** Why nobody can tell who is there. */
  get blind(): string | undefined {
    return this.#blind;
  }

  /** Addresses that rest. */
  refused(nowMs: number): string[] {
    return this.#refused.filter(({ untilMs }) => untilMs > nowMs).map(({ address }) => address);
  }

  async load(): Promise<void> {
    const stored = await this.ctx.store.get<Json>("addresses") as
      | { holds?: Hold[]; refused?: Refused[] }
      | undefined;
    this.#holds = stored?.holds ?? [];
    this.#refused = stored?.refused ?? [];
  }

  /** The next look begins a new round. */
  restart(): void {
    this.#nudged = [];
  }

  /** One look; all at once only where it is about to matter, as each question is a broadcast. Never rejects. */
  async look(
    { on, plan, leases, isUrgent, nowMs }: {
      /** The LAN's interface. */
      on: string;
      plan: ServePlan | undefined;
      leases: Lease[];
      isUrgent: boolean;
      nowMs: number;
    },
  ): Promise<void> {
    this.#looks++;
    if (this.#nudged.length === 0) this.#nudged = toNudge(plan, leases);
    const count = isUrgent ? NUDGES_BEFORE : this.#looks % LOOKS_PER_NUDGE === 0 ? 1 : 0;
    for (const address of this.#nudged.splice(0, count)) this.#nudger.nudge(ipv4Text(address));
    if (!isUrgent && this.#looks % LOOKS_PER_READ !== 0) return;
    try {
      this.#seen = (await neighbours()).filter((one) => one.interface === on);
      const holds = holdsWith(this.#holds, this.#seen, leases, nowMs);
      if (holds !== this.#holds) {
        this.#holds = holds;
        await this.#store();
      }
      this.#blind = undefined;
    } catch (error) {
      this.#blind = String(error);
    }
  }

  /** A device refused an address as somebody else has it. */
  quarantine(refusal: { address: string; mac: string }, nowMs: number): void {
    this.#refused = quarantineWith(this.#refused, refusal, nowMs);
    this.ctx.log.warn("A device refused an address as somebody else has it; it rests", refusal);
    void this.#store();
  }

  close(): void {
    this.#nudger.close();
  }

  async #store(): Promise<void> {
    await this.ctx.store.keep("addresses", { holds: this.#holds, refused: this.#refused } as unknown as Json);
  }
}

/** Addresses of the LAN's own network that may be given and are not. */
function toNudge(plan: ServePlan | undefined, leases: Lease[]): number[] {
  const leased = new Set(leases.map(({ address }) => ipv4Number(address)));
  return (plan?.networks ?? []).filter(({ own }) => own).flatMap(({ ranges }) => ranges).flatMap(
    ([first, last]) => {
      const length = Math.min(MAX_NUDGED, ipv4Number(last) - ipv4Number(first) + 1);
      return Array.from({ length }, (_, index) => ipv4Number(first) + index);
    },
  ).filter((address) => !leased.has(address)).slice(0, MAX_NUDGED);
}
