// The plugin: follows whose multicast belongs where, and keeps igmpproxy and the filter around it so.
import { definePlugin, page } from "@otb/plugin";
import { config } from "./config.ts";
import type { Channel } from "./routes.ts";
import { words } from "./texts/mod.ts";
import { Multicast } from "./multicast.ts";

export default definePlugin({
  config,
  words,
  async start(ctx) {
    const multicast = new Multicast(ctx);
    await multicast.start();
    return multicast;
  },
  reload: (multicast, next) => multicast.reload(next),
  pages: {
    multicast: page({
      title: "Multicast",
      nav: "network",
      blocks: ({ channels = [] }) => [{
        kind: "table",
        columns: ["Channel", "From", "MB"],
        rows: (channels as unknown as Channel[]).map((
          { group, source, bytes },
        ) => [group, source, bytes / 1e6]),
      }],
    }),
  },
});
