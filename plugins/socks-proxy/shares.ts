// Each LAN device's share on a running box: of the proxy's connections and of the kernel's flows; and who wanted more.
import type { Context, DeviceFact, HealthCondition } from "../../core/plugin.ts";
import type { Config } from "./config.ts";
import { Devices } from "./devices.ts";
import { flowLimits } from "./flow_limits.ts";

/** Holds devices to their shares, and takes new numbers while it runs. */
export class Shares {
  readonly devices: Devices;
  readonly #names: { current: ReadonlyMap<string, DeviceFact> };
  #limits: Pick<Config, "connectionsPerDevice" | "flowsPerDevice">;

  /** @param total connections of all devices together */
  constructor(
    private readonly ctx: Context<Config>,
    total: () => number,
    macOf: (address: Uint8Array<ArrayBuffer>) => string | undefined,
  ) {
    this.#limits = ctx.config;
    this.#names = ctx.facts.watch<DeviceFact>("device/");
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
  }

  /** Other numbers hold from now on; what is open stays. */
  async take(limits: Pick<Config, "connectionsPerDevice" | "flowsPerDevice">): Promise<void> {
    this.#limits = limits;
    if (this.ctx.config.intercept.enabled) await this.#claim();
  }

  /** Who was refused something lately, as a condition; undefined while nobody was. */
  condition(): HealthCondition | undefined {
    const names = this.devices.refused().map((mac) => this.#names.current.get(`device/${mac}`)?.name ?? mac);
    if (names.length === 0) return undefined;
    const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
    const { connectionsPerDevice } = this.#limits;
    return {
      code: "device-connections",
      severity: "warning",
      message: `Refused what is too much of ${
        names.slice(0, 3).join(", ")
      }${more}: a device has ${connectionsPerDevice} TCP connections at most, and no more than others leave free`,
      next: "Look what it does; if it needs more: otb config set socks-proxy.connectionsPerDevice=NUMBER",
    };
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
