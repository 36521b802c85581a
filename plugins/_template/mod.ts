// my-plugin: follows the links, tells people and other plugins how many are up, raises a health condition.
import { definePlugin } from "@otb/plugin";
import { config } from "./config.ts";
import { linksPage } from "./page.ts";
import { count, expect, verbs } from "./verbs.ts";
import { LinkWatch } from "./watch.ts";
import { words } from "./texts/mod.ts";

export default definePlugin({
  config,
  words,

  check: (next, { links }) =>
    links.length > 0 && next.atLeast > links.length
      ? [{
        code: "at-least-too-high",
        path: "atLeast",
        message:
          `Cannot wait for more links than there are (${links.length}): current value is "${next.atLeast}"`,
      }]
      : [],

  start(ctx) {
    const watch = new LinkWatch(ctx);
    // Undone in reverse order when the plugin stops, also after half a start.
    ctx.defer(ctx.links.subscribe(() => watch.look()));
    watch.look();
    ctx.log.info("Watching the links", { atLeast: ctx.config.atLeast });
    // What runs from now on; `reload`, actions and pages are given it.
    return watch;
  },

  reload: (watch, next) => watch.take(next),

  verbs: { "my-plugin": verbs },
  actions: { count },
  edits: { expect },
  pages: { links: linksPage },
});
