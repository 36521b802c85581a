// The plugin: follows who is where and who serves what, keeps the table so, and tells what it shuts.
import { definePlugin, page, type Problem } from "@otb/plugin";
import { parseAllowed } from "./allow.ts";
import { config } from "./config.ts";
import { words } from "./texts/mod.ts";
import { Firewall } from "./firewall.ts";
import { foresight } from "./foresight.ts";

export default definePlugin({
  config,
  words,

  check({ allow, trusted }, { network, links }): Problem[] {
    const inCloud = allow.findIndex((text) => network.role === "cloud" && parseAllowed(text)?.from === "lan");
    const named = [network.lan?.interface, ...links.map((link) => link.interface)];
    const both = trusted.find((name) => named.includes(name));
    return [
      ...inCloud < 0 ? [] : [{
        code: "allow-lan-in-cloud",
        path: `allow.${inCloud}`,
        message: `Cannot allow this from the LAN as only a box has one: current value is "${allow[inCloud]}"`,
      }],
      ...both === undefined ? [] : [{
        code: "trusted-in-use",
        path: "trusted",
        message:
          `Cannot trust an interface as it must be neither the LAN's nor a link's: current value is "${both}"`,
        next: `Allow single ports instead: otb config set firewall.allow='["tcp 443 from ${both}"]'`,
      }],
    ];
  },

  async start(ctx) {
    const firewall = new Firewall(ctx);
    await firewall.start();
    return firewall;
  },
  reload: (firewall, next) => firewall.reload(next),
  pages: {
    shut: page({
      title: "Firewall",
      nav: "network",
      blocks: ({ closed }) => [{
        kind: "table",
        columns: ["Shut while otb runs"],
        rows: (closed as string[]).map((words) => [words]),
      }],
    }),
  },
  foresight,
});
