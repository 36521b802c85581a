// Each LAN device's share on a running box: of the proxy's connections and of the kernel's flows; and who wanted more.
import { type Context, DEVICE, type DeviceFact, type HealthCondition } from "@otb/plugin";
import type { Config } from "../config.ts";
import { Devices } from "./devices.ts";
import { flowLimits, refusedFlows } from "./flow_limits.ts";

/** The kernel is asked so often whose flows it dropped. */
const LOOK_MS = 30_000;

/** Holds devices to their shares, and takes new numbers while it runs. */
export class Shares {
  readonly devices: Devices;
  readonly #names: { current: ReadonlyMap<string, DeviceFact> };
  #limits: Pick<Config, "connectionsPerDevice" | "flowsPerDevice">;
  #dropped: string[] = [];

  /** @param total connections of all devices together */
  constructor(
    private readonly ctx: Context<Config>,
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

  /** Who was refused something lately, as conditions by their code; undefined where nobody was. */
  conditions(): { [code: string]: HealthCondition | undefined } {
    const { connectionsPerDevice, flowsPerDevice } = this.#limits;
    const condition = (
      code: string,
      macs: string[],
      limit: string,
      setting: string,
    ): HealthCondition | undefined =>
      macs.length === 0 ? undefined : {
        code,
        severity: "warning",
        message: `Refused what is too much of ${this.#inWords(macs)}: a device has ${limit}`,
        next: `Look what it does; if it needs more: otb config set socks-proxy.${setting}=NUMBER`,
      };
    return {
      "device-connections": condition(
        "device-connections",
        this.devices.refused(),
        `${connectionsPerDevice} TCP connections at most, and no more than others leave free`,
        "connectionsPerDevice",
      ),
      "device-flows": condition(
        "device-flows",
        this.#dropped,
        `${flowsPerDevice} flows of all protocols at most, and 1,000 new ones a second`,
        "flowsPerDevice",
      ),
    };
  }

  #inWords(macs: string[]): string {
    const names = macs.map((mac) => this.#names.current.get(mac)?.name ?? mac);
    return `${names.slice(0, 3).join(", ")}${names.length > 3 ? ` and ${names.length - 3} more` : ""}`;
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
