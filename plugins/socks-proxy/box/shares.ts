// Each LAN device's share on a running box: of the proxy's connections and of the kernel's flows; and who wanted more.
import { type Context, DEVICE, type DeviceFact, type Value } from "@otb/plugin";
import type { Config } from "../config.ts";
import { Devices } from "./devices.ts";
import { flowLimits, refusedFlows } from "./flow_limits.ts";
import { type Words, words } from "../texts/mod.ts";

/** The kernel is asked so often whose flows it dropped. */
const LOOK_MS = 30_000;
/** So many are named, the others counted. */
const NAMED = 3;

/** Holds devices to their shares, and takes new numbers while it runs. */
export class Shares {
  readonly devices: Devices;
  readonly #names: { current: ReadonlyMap<string, DeviceFact> };
  #limits: Pick<Config, "connectionsPerDevice" | "flowsPerDevice">;
  #dropped: string[] = [];

  /** @param total connections of all devices together */
  constructor(
    private readonly ctx: Context<Config, Words>,
    total: () => number,
    macOf: (address: Uint8Array<ArrayBuffer>) => string | undefined,
  ) {
    this.#limits = ctx.config;
    this.#names = ctx.facts.watch(DEVICE);
    this.devices = new Devices({
      total,
      perDevice: () => this.#limits.connectionsPerDevice,
      macOf,
      nowMs: () => ctx.clock.monotonicMs(),
    });
  }

  /** Has the kernel count flows, from now on. */
  async countFlows(): Promise<void> {
    this.ctx.defer(this.ctx.network.subscribe(() => this.#claim()));
    await this.#claim();
    const timer = setInterval(() => this.#look(), LOOK_MS);
    this.ctx.defer(() => clearInterval(timer));
  }

  /** Other numbers hold from now on; what is open stays. */
  async take(limits: Pick<Config, "connectionsPerDevice" | "flowsPerDevice">): Promise<void> {
    this.#limits = limits;
    if (this.ctx.config.intercept.enabled) await this.#claim();
  }

  /** Raises who was refused something lately. */
  tell(): void {
    const { health } = this.ctx;
    const { connectionsPerDevice, flowsPerDevice } = this.#limits;
    const refused = this.devices.refused(), dropped = this.#dropped;
    if (refused.length > 0) {
      health.raise("device-connections", { devices: this.#named(refused), most: connectionsPerDevice });
    } else health.clear("device-connections");
    if (dropped.length > 0) {
      health.raise("device-flows", { devices: this.#named(dropped), most: flowsPerDevice });
    } else health.clear("device-flows");
  }

  #named(macs: string[]): Value {
    const names = macs.map((mac) => this.#names.current.get(mac)?.name ?? mac);
    const more = names.splice(NAMED).length;
    return more > 0 ? words.phrase("and-more", { names, count: more }) : names;
  }

  async #look(): Promise<void> {
    this.#dropped = await refusedFlows().catch(() => this.#dropped);
  }

  async #claim(): Promise<void> {
    const { ctx } = this;
    try {
      await ctx.claim("flows", flowLimits(ctx.network.current.lan?.interface, this.#limits.flowsPerDevice));
    } catch (error) {
      // A kernel without nft_connlimit; the proxy's own limits hold all the same.
      ctx.log.warn("Flows of a device are not limited", { reason: String(error) });
    }
  }
}
