// What others are told: devices and status as facts, conditions for people; only what changed goes out.
import { type Code, type Context, DEVICE, type DeviceFact, type Status } from "@otb/plugin";
import type { Config } from "./config.ts";
import { devices, type Sources } from "./devices.ts";
import { DHCP, type DhcpFact } from "./dhcp_fact.ts";
import { conditions, type Situation, statusOf } from "./words.ts";
import type { Words } from "./texts/mod.ts";

/** Tells of one takeover. */
export class Publisher {
  #devices = new Map<string, DeviceFact>();
  #raised = new Set<Code<Words>>();

  constructor(private readonly ctx: Context<Config, Words>) {}

  /** How many devices are told of. */
  get deviceCount(): number {
    return this.#devices.size;
  }

  tellDevices(sources: Sources): void {
    const { facts, clock } = this.ctx;
    this.#devices = devices(sources, this.#devices, clock.now());
    facts.publishAll(DEVICE, this.#devices);
  }

  tell(situation: Situation): void {
    const { ctx } = this;
    const wanted = conditions(situation);
    for (const condition of wanted) ctx.health.raise(...condition);
    const codes = new Set(wanted.map(([code]) => code));
    for (const code of this.#raised) if (!codes.has(code)) ctx.health.clear(code);
    this.#raised = codes;
    const status = statusOf(situation);
    ctx.publishStatus(status);
    const { leases: _, ...fact } = status;
    ctx.facts.publish(DHCP, fact as Status as DhcpFact);
  }
}
