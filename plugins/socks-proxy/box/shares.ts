// Each LAN device's share on a running box: of the proxy's connections and of the kernel's flows; and who wanted more.
import { type Context, DEVICE, type DeviceFact, type HealthCondition } from "@otb/plugin";
import type { Config } from "../config.ts";
import { Devices } from "./devices.ts";
import { flowLimits, refusedFlows } from "./flow_limits.ts";

/** The kernel is asked so often whose flows it dropped. */
const LOOK_MS = 30_000;

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
