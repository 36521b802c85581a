// The plugin: the LAN's DHCP and DNS, taken over from modems with a person's help, and given back.
import { action, definePlugin, type Json } from "@otb/plugin";
import { checkSettings } from "./check.ts";
import { config } from "./config.ts";
import { Takeover } from "./takeover.ts";
import { panel } from "./words.ts";
import { words } from "./texts/mod.ts";

/** An action of a person that may not fit the phase. */
function act(kind: "takeover" | "recheck" | "confirm" | "undo", summary: string) {
  return action({ summary, run: (takeover: Takeover) => takeover.act(kind) });
}

export default definePlugin({
  config,
  words,
  check: checkSettings,

  async start(ctx) {
    const takeover = new Takeover(ctx);
    await takeover.start();
    return takeover;
  },

  reload: (takeover, next) => takeover.reload(next),

  actions: {
    takeover: act("takeover", "Become the LAN's DHCP server, step by step"),
    recheck: act("recheck", "Look again whether the other servers are silent"),
    confirm: act("confirm", "Keep it: the LAN works"),
    undo: act("undo", "Give the LAN's DHCP back to the modem"),
    leases: action({
      summary: "All leases",
      run: (takeover: Takeover) => takeover.leases() as unknown as Json,
    }),
  },

  panel,
});
