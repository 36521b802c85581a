// The plugin: carries what the proxy does not, on the box and at the peer.
import { openNative } from "../../core/native/ffi.ts";
import { definePlugin } from "@otb/plugin";
import { BoxTunnel } from "./ends/box.ts";
import { check } from "./check.ts";
import { CloudTunnel } from "./ends/cloud.ts";
import { config } from "./config.ts";
import { tunnelPage } from "./page.ts";
import { words } from "./texts/mod.ts";

export default definePlugin({
  config,
  words,
  check,
  async start(ctx) {
    if (!ctx.config.enabled) {
      ctx.publishStatus({ state: "off" });
      return;
    }
    const native = openNative();
    const tunnel = ctx.role === "cloud" ? new CloudTunnel(ctx, native) : new BoxTunnel(ctx, native);
    await tunnel.start();
    return tunnel;
  },
  reload: (tunnel: BoxTunnel | CloudTunnel | void, next) => tunnel?.take(next),
  restartsFor: ["enabled", "pool", "prefix6"],
  ends: (tunnel) => [{ what: "tunnel session", count: tunnel?.sessions ?? 0 }],
  pages: { tunnel: tunnelPage },
});
