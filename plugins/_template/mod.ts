// my-plugin: follows the links, publishes a status, raises a health condition.
import { definePlugin } from "@otb/plugin";
import { config } from "./config.ts";
import { judge } from "./links_up.ts";
import { linksPage } from "./page.ts";
import { expect, look, verbs } from "./verbs.ts";

export default definePlugin({
  config,

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
    let { atLeast } = ctx.config;
    const look = () => {
      const { up, condition } = judge(ctx.links.current, atLeast);
      ctx.publishStatus({ up, atLeast });
      if (condition) ctx.health.raise(condition);
      else ctx.health.clear("too-few-links");
      return { up, atLeast };
    };
    // Undone in reverse order when the plugin stops, also after half a start.
    ctx.defer(ctx.links.subscribe(look));
    look();
    ctx.log.info("Watching the links", { atLeast });
    // What runs from now on; `reload`, actions and pages are given it.
    return {
      look,
      lookAgain(next: number) {
        atLeast = next;
        look();
      },
    };
  },

  reload: (running, { atLeast }) => running.lookAgain(atLeast),

  verbs: { "my-plugin": verbs },
  actions: { look },
  edits: { expect },
  pages: { links: linksPage },
});
