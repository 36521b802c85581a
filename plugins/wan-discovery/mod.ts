// The plugin: finds modems on every interface, gives each a link, and watches how the links are.
import * as z from "zod/mini";
import { openNative } from "../../core/native/ffi.ts";
import { definePlugin } from "@otb/plugin";
import { type Config, config } from "./config.ts";
import { type Discovery, startDiscovery } from "./discovery.ts";
import { type HealthWatch, startHealth } from "./health/watch.ts";

let discovery: Discovery | undefined;
let health: HealthWatch | undefined;

const linkArgument = z.strictObject({ link: z.string() });

export default definePlugin<Config>({
  config,

  async start(ctx) {
    const native = openNative();
    discovery = await startDiscovery(ctx, native);
    health = await startHealth(ctx, native);
  },

  actions: {
    probe: {
      summary: "Looks for DHCP servers and modems now, and says what was found",
      run: () => discovery!.probe(),
    },
    forget: {
      summary: "Forgets a link whose modem is gone",
      args: linkArgument,
      run: async (args) => {
        const { link } = linkArgument.parse(args);
        await discovery!.forget(link);
        return { link };
      },
    },
    describe: {
      summary: "Says how a link is and what is known of it",
      args: linkArgument,
      run: (args) => health!.describe(linkArgument.parse(args).link),
    },
    preflight: {
      summary: "Looks anew at what a link can do, and says it",
      args: linkArgument,
      run: (args) => health!.preflight(linkArgument.parse(args).link),
    },
  },

  panel({ modems = [] }) {
    const rows = (modems as { [field: string]: string }[]).map((modem) =>
      ["name", "description", "interface", "address", "state"].map((field) => modem[field] ?? "")
    );
    return [{ kind: "table", columns: ["Link", "Modem", "Interface", "Address", "State"], rows }];
  },
});
