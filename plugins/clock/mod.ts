// The plugin: keeps the machine's clock by what servers say over all links.
import { openNative } from "../../core/native/ffi.ts";
import { definePlugin, LINK_WAY } from "@otb/plugin";
import { config } from "./config.ts";
import { Keeper } from "./keeper.ts";
import { words } from "./texts/mod.ts";

export default definePlugin({
  config,
  words,
  async start(ctx) {
    const native = openNative();
    const ways = ctx.facts.watch(LINK_WAY);
    const keeper = new Keeper(
      ctx,
      ctx.config,
      { isKept: () => native.clockIsKept(), correct: (offsetMs, how) => native.correctClock(offsetMs, how) },
      () => [...ways.current.values()].filter(({ source }) => !source.includes(":")),
    );
    await keeper.start();
    ctx.defer(ways.subscribe(() => keeper.soon()));
  },
});
