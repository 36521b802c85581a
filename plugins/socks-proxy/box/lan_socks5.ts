// SOCKS5 on the LAN as long as the settings want it: what is carried outlives a change.
import type { Native } from "../../../core/native/ffi.ts";
import { type Context, OtbError } from "@otb/plugin";
import type { Config } from "../config.ts";
import type { Devices } from "./devices.ts";
import type { Reactor } from "../relay/reactor.ts";
import { serves } from "../serves.ts";
import { type Login, Socks5 } from "./socks5.ts";
import type { Outbound } from "./outbound.ts";

/** What it carries with. */
interface Parts {
  native: Native;
  reactor: Reactor;
  outbound: Outbound;
  devices: Devices;
}

/** One listener, or none. */
export class LanSocks5 {
  #proxy: Socks5 | undefined;
  #taken = JSON.stringify({ enabled: false });

  constructor(
    private readonly ctx: Pick<Context<Config>, "name" | "network" | "secret" | "facts">,
    private readonly parts: Parts,
  ) {}

  /** @throws OtbError `lan-missing`, `secret-missing`, and when it can't listen */
  take({ enabled, port, username }: Config["socks5"]): void {
    const taken = JSON.stringify(enabled ? { enabled, port, username } : { enabled });
    if (taken === this.#taken) return;
    const { ctx } = this;
    const { lan } = ctx.network.current;
    if (enabled && !lan) {
      throw new OtbError(
        "lan-missing",
        "Cannot offer SOCKS5 as the box has no LAN address",
        "otb lan set --interface IF --address CIDR",
      );
    }
    const login: Login | undefined = enabled && username
      ? { username, password: ctx.secret("socks5-password") }
      : undefined;
    this.close();
    if (enabled) {
      const { native, reactor, outbound, devices } = this.parts;
      const host = lan!.address.split("/")[0]!;
      this.#proxy = new Socks5(native, reactor, outbound, host, port, login, devices);
    }
    serves(ctx, "lan", ...enabled ? [port] : []);
    this.#taken = taken;
  }

  /** Takes nothing new. */
  close(): void {
    this.#proxy?.close();
    this.#proxy = undefined;
    this.#taken = "";
  }
}
