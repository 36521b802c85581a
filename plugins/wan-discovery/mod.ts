// The plugin: finds modems on every interface, and gives each a link.
import { definePlugin } from "../../core/plugin.ts";
import { type Config, config } from "./config.ts";
import { type Discovery, startDiscovery } from "./discovery.ts";

let discovery: Discovery | undefined;

export default definePlugin<Config>({
  config,

  async start(ctx) {
    discovery = await startDiscovery(ctx);
  },

  actions: {
    probe: {
      summary: "Looks for DHCP servers and modems now, and says what was found",
      run: () => discovery!.probe(),
    },
  },

  panel({ modems = [] }) {
    const rows = (modems as { [field: string]: string }[]).map((modem) =>
      ["name", "description", "interface", "address", "state"].map((field) => modem[field] ?? "")
    );
    return [{ kind: "table", columns: ["Link", "Modem", "Interface", "Address", "State"], rows }];
  },
});
