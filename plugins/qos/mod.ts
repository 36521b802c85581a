// The plugin: on the box it holds every link to its rate with calls first, in the cloud it does so for what goes to boxes.
import { definePlugin } from "@otb/plugin";
import { Box } from "./box.ts";
import { type Cloud, startCloud } from "./cloud.ts";
import { config } from "./config.ts";
import { ratesPage } from "./page.ts";
import { speedTest } from "./speed_test_verb.ts";
import { words } from "./texts/mod.ts";

export default definePlugin({
  config,
  words,

  async start(ctx): Promise<Box | Cloud> {
    if (ctx.role === "cloud") return await startCloud(ctx);
    const box = new Box(ctx);
    await box.start();
    return box;
  },

  reload: (running: Box | Cloud, next) => running.take(next),
  restartsFor: ["port"],
  ends: (running) => running instanceof Box && running.isTesting ? [{ what: "speed test", count: 1 }] : [],

  actions: { "speed-test": speedTest },
  pages: { rates: ratesPage },
});
