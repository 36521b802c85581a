// The plugin: in the cloud a resolver for boxes, on the box the way to it.
import { definePlugin, type Problem } from "@otb/plugin";
import { config } from "./config.ts";
import { parseUpstream } from "./upstream.ts";
import { words } from "./texts/mod.ts";
import { startCloud } from "./cloud.ts";
import { startBox } from "./box.ts";

export default definePlugin({
  config,
  words,

  check({ forwardTo }): Problem[] {
    const byTls = forwardTo.filter((text) => parseUpstream(text)?.tlsName).length;
    if (byTls === 0 || byTls === forwardTo.length) return [];
    return [{
      code: "resolver-mixed",
      path: "forwardTo",
      message:
        `Cannot ask some by TLS and some in the clear as all must be alike: current value is "${forwardTo}"`,
      next: "Give all of them a #name, or none.",
    }];
  },

  start: (ctx) => ctx.role === "box" ? startBox(ctx) : startCloud(ctx),
});
