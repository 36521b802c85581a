// The plugin: on the box it holds every link to its rate with calls first, in the cloud it does so for what goes to boxes.
import * as z from "zod/mini";
import { action, definePlugin, type Json, OtbError } from "@otb/plugin";
import { Box } from "./box.ts";
import { type Cloud, startCloud } from "./cloud.ts";
import { config } from "./config.ts";
import { words } from "./texts/mod.ts";

export default definePlugin({
  config,
  words,

  async start(ctx): Promise<Box | Cloud> {
    if (ctx.role === "cloud") return await startCloud(ctx);
    const box = new Box(ctx);
    await box.start();
    return box;
  },

  reload: (running: Box | Cloud, next) => running.take(next),
  restartsFor: ["port"],
  ends: (running) => running instanceof Box && running.isTesting ? [{ what: "speed test", count: 1 }] : [],

  actions: {
    "speed-test": action({
      summary: "Measure one link both ways, ten seconds of full load, and begin anew with what was found",
      args: z.strictObject({
        link: z.string().check(z.maxLength(15)),
        force: z._default(z.boolean(), false),
      }),
      async run(box: Box | Cloud, { link, force }) {
        if (!(box instanceof Box)) {
          throw new OtbError(
            "links-in-cloud",
            "Cannot test a link as only a box has links: current value is a cloud",
          );
        }
        return await box.test(link, force) as unknown as Json;
      },
    }),
  },

  panel({ discipline, links, addresses }) {
    const mbps = (bits: Json | undefined) => typeof bits === "number" ? (bits / 1e6).toFixed(1) : "not held";
    if (Array.isArray(addresses)) {
      const rows = addresses as { address: string; bitsPerSecond: number }[];
      return [{
        kind: "table",
        columns: ["Address", "Mbit/s"],
        rows: rows.map(({ address, bitsPerSecond }) => [address, mbps(bitsPerSecond)]),
      }];
    }
    return [
      { kind: "stat", label: "Discipline", value: String(discipline) },
      {
        kind: "table",
        columns: ["Link", "Up, Mbit/s", "Down, Mbit/s", "Down by"],
        rows: (links as { [name: string]: Json }[] ?? []).map((row) => [
          String(row.link),
          mbps(row.upBitsPerSecond),
          mbps(row.downBitsPerSecond),
          String(row.downBy),
        ]),
      },
    ];
  },
});
