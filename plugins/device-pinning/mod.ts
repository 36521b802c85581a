// The plugin: joins settings, links and the peer's state to the kernel's table, and answers why.
import * as z from "zod/mini";
import { action, definePlugin } from "@otb/plugin";
import { check } from "./check.ts";
import { config } from "./config.ts";
import { words } from "./texts/mod.ts";
import { Pinning } from "./pinning.ts";

export default definePlugin({
  config,
  words,
  check,
  async start(ctx) {
    const pinning = new Pinning(ctx);
    await pinning.start();
    return pinning;
  },
  reload: (pinning, next) => pinning.reload(next),
  actions: {
    why: action({
      summary: "Which way a connection or a device takes, and why",
      args: z.strictObject({ of: z.string().check(z.maxLength(400)) }),
      run: (pinning: Pinning, { of }) => pinning.why(of),
    }),
    rules: action({ summary: "The rules with their hits", run: (pinning: Pinning) => pinning.rules() }),
    devices: action({
      summary: "Devices on the LAN, with names and what holds for them",
      run: (pinning: Pinning) => pinning.devices(),
    }),
  },
  panel: ({ peer, tunnel, rules = [] }) => [
    { kind: "stat", label: "Peer", value: String(peer) },
    { kind: "stat", label: "Tunnel", value: String(tunnel) },
    {
      kind: "table",
      columns: ["Rule", "Now", "Hits"],
      rows: (rules as { name: string; now: string; hits: number }[]).map((
        { name, now, hits },
      ) => [name, now, hits]),
    },
  ],
});
