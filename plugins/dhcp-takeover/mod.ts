// The plugin: the LAN's DHCP and DNS, taken over from modems with a person's help, and given back.
import { definePlugin, type Json, OtbError } from "@otb/plugin";
import { checkSettings } from "./check.ts";
import { type Config, config } from "./config.ts";
import { Takeover } from "./takeover.ts";
import { panel } from "./words.ts";

let takeover: Takeover | undefined;

function running(): Takeover {
  if (takeover) return takeover;
  throw new OtbError("dhcp-not-running", "Cannot act on the LAN's DHCP as the plugin is not running");
}

/** An action of a person that may not fit the phase. */
function act(kind: "takeover" | "recheck" | "confirm" | "undo", summary: string) {
  return { summary, run: () => running().act(kind) };
}

export default definePlugin<Config>({
  config,
  check: checkSettings,

  async start(ctx) {
    const next = new Takeover(ctx);
    ctx.defer(() => {
      takeover = undefined;
    });
    await next.start();
    takeover = next;
  },

  async reload(next) {
    await running().reload(next);
  },

  actions: {
    takeover: act("takeover", "Become the LAN's DHCP server, step by step"),
    recheck: act("recheck", "Look again whether the other servers are silent"),
    confirm: act("confirm", "Keep it: the LAN works"),
    undo: act("undo", "Give the LAN's DHCP back to the modem"),
    leases: { summary: "All leases", run: () => running().leases() as unknown as Json },
  },

  panel,
});
