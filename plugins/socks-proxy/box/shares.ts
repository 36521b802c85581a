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

type Limits = Pick<Config, "connectionsPerDevice" | "flowsPerDevice" | "intercept">;

/** Holds devices to their shares, and takes new numbers while it runs. */
export class Shares {
  readonly devices: Devices;
  readonly #names: { current: ReadonlyMap<string, DeviceFact> };
  #limits: Limits;
  #isCounting = false;
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

  /** These settings hold from now on, flows only while the LAN's TCP is carried; what is open stays. */
  async take({ connectionsPerDevice, flowsPerDevice, intercept }: Limits): Promise<void> {
    this.#limits = { connectionsPerDevice, flowsPerDevice, intercept };
    if (intercept.enabled) this.#isCounting ||= this.#count();
    if (this.#isCounting) await this.#claim();
  }

  /** The kernel counts flows, and who has too many is looked at, until the plugin stops. */
  #count(): true {
    const { ctx } = this;
    ctx.defer(ctx.network.subscribe(() => this.#claim()));
    const timer = setInterval(() => this.#look(), LOOK_MS);
    ctx.defer(() => clearInterval(timer));
    return true;
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
    this.#dropped = this.#limits.intercept.enabled ? await refusedFlows().catch(() => this.#dropped) : [];
  }

  async #claim(): Promise<void> {
    const { ctx } = this;
    const { flowsPerDevice, intercept } = this.#limits;
    try {
      const lan = ctx.network.current.lan?.interface;
      await ctx.claim("flows", intercept.enabled ? flowLimits(lan, flowsPerDevice) : []);
    } catch (error) {
      // A kernel without nft_connlimit; the proxy's own limits hold all the same.
      ctx.log.warn("Flows of a device are not limited", { reason: String(error) });
    }
  }
}
