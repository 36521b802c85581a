// The plugin: on the box it carries the LAN's TCP to the peer, in the cloud it is that peer.
import { openNative } from "../../core/native/ffi.ts";
import { definePlugin, isRange, type Resource } from "@otb/plugin";
import { config } from "./config.ts";
import { Reactor } from "./relay/reactor.ts";
import { flowLimits } from "./box/flow_limits.ts";
import { words } from "./texts/mod.ts";
import type { Take } from "./start.ts";
import { startCloud } from "./peer/start.ts";
import { startBox } from "./box/start.ts";

export default definePlugin({
  config,
  words,
  check(next, { network }) {
    const bad = next.allowTargets.find((range) => !isRange(range));
    if (bad !== undefined) {
      return [{
        code: "range-invalid",
        path: "allowTargets",
        message: `Cannot use a range as it must be an address with its length: current value is "${bad}"`,
      }];
    }
    if (network.role === "cloud" && next.socks5.enabled) {
      return [{
        code: "socks5-in-cloud",
        path: "socks5.enabled",
        message: "Cannot offer SOCKS5 as only a box has a LAN: current value is a cloud",
      }];
    }
    return [];
  },
  claims: ({ intercept, flowsPerDevice }, { network: { role, lan } }): { [key: string]: Resource[] } =>
    role === "box" ? { flows: intercept.enabled ? flowLimits(lan?.interface, flowsPerDevice) : [] } : {},
  async start(ctx): Promise<{ take: Take }> {
    const native = openNative();
    const reactor = new Reactor(native);
    const now = () => Math.floor(ctx.clock.now() / 1000);
    const turning = reactor.run();
    ctx.defer(async () => {
      reactor.stop();
      await turning;
    });
    const parts = { ctx, native, reactor, now };
    const take = await (ctx.role === "box" ? startBox(parts) : startCloud(parts));
    return { take };
  },
  reload: ({ take }, next) => take(next),
});
