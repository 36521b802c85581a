// The plugin: the LAN's DHCP and DNS, taken over from modems with a person's help, and given back.
import { definePlugin } from "@otb/plugin";
import { checkSettings } from "./check.ts";
import { config } from "./config.ts";
import { dhcpActions, dhcpEdits, dhcpGroup } from "./dhcp_verbs.ts";
import { BEGIN } from "./guide.ts";
import { dhcpPage } from "./page.ts";
import { Takeover } from "./takeover.ts";
import { words } from "./texts/mod.ts";

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

  verbs: { dhcp: dhcpGroup },
  actions: dhcpActions,
  edits: dhcpEdits,
  pages: { dhcp: dhcpPage },
  loss: (takeover) => takeover.loss(),
  guide: { next: BEGIN, at: (takeover: Takeover, view) => takeover.guide(view) },
});
