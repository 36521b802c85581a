// `otb up` and `otb down`: the core in the foreground, and its orderly end.
import { message } from "@optique/core/message";
import { option } from "@optique/core/primitives";
import { type Core, jsonText } from "../client/mod.ts";
import { lossesAt, mayStop, sentencesOf } from "./leaving.ts";
import { logLine } from "./logs.ts";
import { stopSignal } from "./stop_signal.ts";
import { notRoot } from "./terminal.ts";
import { verb } from "./verb.ts";

/** `otb up`. */
export const upVerb = verb("up", {
  brief: "Run this box or peer in the foreground until Ctrl-C; its log goes to standard error.",
  example: "sudo otb up",
  options: {},
  async run(_, { state, json, print, terminal }) {
    // Composition stands above the CLI; only this verb reaches it.
    const { runCore } = await import("../main.ts");
    let running: Core | undefined;
    const signal = stopSignal(async () => {
      const losses = terminal.interactive && running ? await lossesAt(running) : [];
      if (losses.length === 0) return false;
      terminal.err(`${sentencesOf(losses).join("\n")}\nCtrl-C once more stops it all the same.\n`);
      return true;
    });
    await runCore({
      stateDirectory: state,
      signal,
      onLine: (line) => terminal.err(`${json ? jsonText(line) : logLine(line, terminal.colours)}\n`),
      onStarted: (core) => {
        running = core;
        void core.status().then(({ role, pid, sentence }) =>
          print({ started: true, role, pid }, () => `${role} runs (${sentence}). Look at it with: otb status`)
        ).catch(() => {
          // Nobody reads there any more.
        });
      },
    });
  },
});

/** `otb down`. */
export const downVerb = verb("down", {
  brief:
    "Stop in order; nothing of otb is left in the kernel but what holds a kill-switch. Cleans up after a killed core, too.",
  example: "sudo otb down",
  options: {
    open: option("--open", {
      description: message`Let devices behind a kill-switch out, too: they leave unprotected.`,
    }),
  },
  async run({ open }, cli) {
    const stopped = await cli.withCore(async (core) => {
      if (!core.live && Deno.uid() !== 0) throw notRoot();
      const losses = await lossesAt(core);
      if (!await mayStop(core, cli, losses)) return undefined;
      const remains = await core.stop({ open });
      return { stopped: true, wasRunning: core.live, remains, loss: sentencesOf(losses) };
    });
    if (!stopped) return 1;
    const { wasRunning, remains } = stopped;
    cli.print(stopped, () => [
      wasRunning
        ? "Stopped."
        : remains.length > 0
        ? "Nothing was running."
        : "Nothing was running; all is clean.",
      ...remains,
    ]);
  },
});
