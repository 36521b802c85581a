// `otb status`: once, or live.
import { message } from "@optique/core/message";
import { option } from "@optique/core/primitives";
import { connect, type Core, jsonText } from "../client/mod.ts";
import { asCalled } from "./called.ts";
import { statusLines } from "./status_view.ts";
import { shown } from "./terminal.ts";
import { speaker } from "./texts/mod.ts";
import { type Cli, verb } from "./verb.ts";

const REFRESH_MS = 1000;
/** Alternate screen without cursor, and back (ctlseqs: DECSET 1049, 25). */
const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";

/** `otb status`. */
export const statusVerb = verb("status", {
  brief: "Show links, paths, connections, plugins and what is the matter.",
  example: "sudo otb status --watch",
  options: {
    watch: option("--watch", "-w", {
      description: message`Every second anew until Ctrl-C; with --json one object a line.`,
    }),
  },
  run: ({ watch: live }, cli) =>
    live ? watch(cli) : cli.withCore(async (core) => {
      const report = await core.status(cli.language);
      cli.print(report, () => statusLines(report, view(cli)));
    }),
});

async function watch(cli: Cli): Promise<void> {
  const { terminal, json, signal } = cli;
  const screen = terminal.tty && !json;
  // The first look tells at once what is wrong with the command; later a core may go and come back.
  await cli.withCore((core) => core.status());
  const show = (lines: string[]) => {
    if (screen) {
      const visible = lines.slice(0, terminal.height - 1);
      terminal.control(`\x1b[H${visible.map((line) => `${shown(line)}\x1b[K\n`).join("")}\x1b[J`);
    } else terminal.out(lines.map((line) => `${line}\n`).join(""));
  };
  if (screen) terminal.control(ENTER);
  try {
    while (!signal.aborted) {
      let core: Core | undefined;
      let reason = "it has gone";
      try {
        core = await connect(cli.state);
        await core.watch(
          { signal, language: cli.language },
          (report) => show(json ? [jsonText(report)] : [...statusLines(report, view(cli)), ""]),
        );
      } catch (error) {
        reason = (error as Error).message;
      } finally {
        core?.close();
      }
      if (signal.aborted) break;
      const say = speaker(cli.language);
      if (!json) show([say("silent-core", { reason }), say("still-trying")]);
      await pause(REFRESH_MS, signal);
    }
  } finally {
    if (screen) terminal.control(LEAVE);
  }
}

function view({ call, language, terminal: { width, colours } }: Cli) {
  return { language, width, colours, nowMs: Date.now(), told: (text: string) => asCalled(text, call) };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
