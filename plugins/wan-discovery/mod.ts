// The plugin: finds modems on every interface, gives each a link, and watches how the links are.
import * as z from "zod/mini";
import { openNative } from "../../core/native/ffi.ts";
import { action, definePlugin } from "@otb/plugin";
import { config } from "./config.ts";
import { type Discovery, startDiscovery } from "./discovery.ts";
import { modemsPage } from "./page.ts";
import { show } from "./show.ts";
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
    show,
    probe: action({
      title: "Look for modems",
      summary: "Looks for DHCP servers and modems now, and says what was found",
      run: ({ discovery }: Running) => discovery.probe(),
    }),
    forget: action({
      title: "Forget a link",
      changes: true,
      summary: "Forgets a link whose modem is gone",
      args: linkArgument,
      run: async ({ discovery }: Running, { link }) => {
        await discovery.forget(link);
        return { link };
      },
    }),
    describe: action({
      title: "Describe a link",
      summary: "Says how a link is and what is known of it",
      args: linkArgument,
      run: ({ health }: Running, { link }) => health.describe(link),
    }),
    preflight: action({
      title: "Look anew at a link",
      summary: "Looks anew at what a link can do, and says it",
      args: linkArgument,
      run: ({ health }: Running, { link }) => health.preflight(link),
    }),
  },

  pages: { modems: modemsPage },
});
