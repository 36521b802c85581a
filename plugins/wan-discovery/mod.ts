// The plugin: finds modems on every interface, gives each a link, and watches how the links are.
import * as z from "zod/mini";
import { openNative } from "../../core/native/ffi.ts";
import { action, definePlugin } from "@otb/plugin";
import { config } from "./config.ts";
import { type Discovery, startDiscovery } from "./discovery.ts";
import { type HealthWatch, startHealth } from "./health/watch.ts";
import { words } from "./texts/mod.ts";

interface Running {
  discovery: Discovery;
  health: HealthWatch;
}

const linkArgument = z.strictObject({ link: z.string() });

export default definePlugin({
  config,
  words,

  async start(ctx): Promise<Running> {
    const native = openNative();
    return { discovery: await startDiscovery(ctx, native), health: await startHealth(ctx, native) };
  },

  actions: {
    probe: action({
      summary: "Looks for DHCP servers and modems now, and says what was found",
      run: ({ discovery }: Running) => discovery.probe(),
    }),
    forget: action({
      summary: "Forgets a link whose modem is gone",
      args: linkArgument,
      run: async ({ discovery }: Running, { link }) => {
        await discovery.forget(link);
        return { link };
      },
    }),
    describe: action({
      summary: "Says how a link is and what is known of it",
      args: linkArgument,
      run: ({ health }: Running, { link }) => health.describe(link),
    }),
    preflight: action({
      summary: "Looks anew at what a link can do, and says it",
      args: linkArgument,
      run: ({ health }: Running, { link }) => health.preflight(link),
    }),
  },

  panel({ modems = [] }) {
    const rows = (modems as { [field: string]: string }[]).map((modem) =>
      ["name", "description", "interface", "address", "state"].map((field) => modem[field] ?? "")
    );
    return [{ kind: "table", columns: ["Link", "Modem", "Interface", "Address", "State"], rows }];
  },
});
