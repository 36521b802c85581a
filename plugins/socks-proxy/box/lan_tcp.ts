// The LAN's TCP, taken on its way as long as the settings want it. Where they no longer do, what is carried goes on and nothing new
// is taken.
import type { Native } from "../../../core/native/ffi.ts";
import type { Context } from "@otb/plugin";
import type { Config } from "../config.ts";
import type { Devices } from "./devices.ts";
import { interception, Interceptor } from "./intercept.ts";
import type { Reactor } from "../relay/reactor.ts";
import type { Sniffer } from "./sniffer.ts";
import type { StandIn } from "./stand_in.ts";

/** What it is made of. */
export interface LanTcpParts {
  ctx: Pick<Context<Config>, "network" | "links" | "claim" | "defer" | "log">;
  native: Native;
  reactor: Reactor;
  sniffer: Sniffer;
  devices: Devices;
  standIn: Pick<StandIn, "now" | "subscribe">;
}

/** One family of addresses that is carried. */
interface Carried {
  family: 4 | 6;
  port: number;
  /** What was claimed last, as text. */
  claimed: string;
}

/** Carries both families, or nothing yet. */
export class LanTcp {
  #wanted: Config["intercept"] = { enabled: false, exclude: [] };
  readonly #carried: Carried[] = [];

  constructor(private readonly parts: LanTcpParts) {}

  /** Carries what these settings say from now on; resolves once the kernel does. @throws OtbError what claiming throws */
  async take(wanted: Config["intercept"]): Promise<void> {
    this.#wanted = wanted;
    if (this.#carried.length > 0) return void await Promise.all(this.#carried.map((one) => this.#claim(one)));
    if (!wanted.enabled) return;
    const { ctx } = this.parts;
    await this.#begin(4);
    try {
      await this.#begin(6);
    } catch (error) {
      // A machine without IPv6 has nothing of it to carry.
      ctx.log.info("The LAN's IPv6 is not carried", { reason: (error as Error).message });
    }
  }

  async #begin(family: 4 | 6): Promise<void> {
    const { ctx, native, reactor, sniffer, devices, standIn } = this.parts;
    const interceptor = new Interceptor(native, reactor, sniffer, devices, family);
    ctx.defer(() => interceptor.close());
    const carried: Carried = { family, port: interceptor.port, claimed: "" };
    await this.#claim(carried);
    this.#carried.push(carried);
    const again = () =>
      this.#claim(carried).catch((error) =>
        ctx.log.error("Cannot intercept the LAN", { reason: String(error) })
      );
    ctx.defer(ctx.links.subscribe(again));
    ctx.defer(ctx.network.subscribe(again));
    ctx.defer(standIn.subscribe(again));
    // What changed while the first one was made: nobody tells of it again.
    await again();
  }

  async #claim(carried: Carried): Promise<void> {
    const { ctx, standIn } = this.parts;
    const { enabled, exclude } = this.#wanted;
    const { family, port } = carried;
    const isFull = standIn.now || !enabled;
    const wanted = interception(ctx.network.current, ctx.links.current, exclude, family, port, isFull);
    const text = JSON.stringify(wanted);
    if (text === carried.claimed) return;
    carried.claimed = text;
    try {
      await ctx.claim(`intercept${family}`, wanted);
    } catch (error) {
      carried.claimed = "";
      throw error;
    }
  }
}
