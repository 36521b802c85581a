// The plugin: on the box it owns routes, endpoints and first paths of all links; in the cloud the settings of the other end.
import { openNative } from "../../core/native/ffi.ts";
import { definePlugin } from "@otb/plugin";
import { config } from "./config.ts";
import { CloudPaths } from "./cloud.ts";
import { settings } from "./routing.ts";
import { words } from "./texts/mod.ts";
import { Scheduler } from "./scheduler.ts";

export default definePlugin({
  config,
  words,
  claims: ({ maxBufferMb }) => ({ settings: settings(maxBufferMb) }),
  async start(ctx) {
    const native = openNative();
    await ctx.claim("settings", settings(ctx.config.maxBufferMb));
    if (ctx.role === "cloud") return await new CloudPaths(ctx, native).start();
    const scheduler = new Scheduler(ctx, native);
    await scheduler.start();
  },
});
