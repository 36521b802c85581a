// The plugin: finds modems and tells of them as links.
import { openNative } from "../../core/native/ffi.ts";
import { definePlugin } from "../../core/plugin.ts";
import { type Config, config } from "./config.ts";
import { Finder } from "./finder.ts";

let finder: Finder | undefined;

export default definePlugin<Config>({
  config,

  async start(ctx) {
    if (!ctx.config.enabled) return ctx.publishStatus({ enabled: false });
    finder = new Finder(ctx, openNative());
    await finder.start();
  },

  actions: {
    probe: {
      summary: "Ask every interface now who serves there",
      run() {
        finder?.probe();
        return finder !== undefined;
      },
    },
  },

  panel: ({ links = [] }) => [{
    kind: "table",
    columns: ["Link", "Interface", "Address", "Gateway", "What"],
    rows: (links as { [key: string]: string }[]).map((link) =>
      ["name", "interface", "address", "gateway", "description"].map((column) => link[column] ?? "")
    ),
  }],
});
