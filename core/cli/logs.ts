// `otb logs`: what core and plugins wrote.
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import { formatLine, jsonText, type LogLine, OtbError } from "../client/mod.ts";
import { type Paint, paint } from "./terminal.ts";
import { verb } from "./verb.ts";

const LEVEL_PAINTS = new Map<string, Paint>([["debug", "dim"], ["warning", "yellow"], ["error", "red"]]);

/** A line in the colour of its level. */
export function logLine(line: LogLine, colours: boolean): string {
  const colour = LEVEL_PAINTS.get(line.level);
  return colour ? paint(colours, colour, formatLine(line)) : formatLine(line);
}

/** `otb logs`. */
export const logsVerb = verb("logs", {
  brief: "Show the log of the core and all plugins, or of one.",
  example: "sudo otb logs core --follow",
  options: {
    plugin: optional(argument(string({ metavar: "PLUGIN" }), {
      description: message`A plugin's name, or core.`,
    })),
    follow: option("--follow", "-f", {
      description: message`Go on with new lines until Ctrl-C; with --json one object a line.`,
    }),
    lines: withDefault(
      option("--lines", "-n", integer({ min: 0, max: 100_000, metavar: "N" }), {
        description: message`So many of the last lines (default 50).`,
      }),
      50,
    ),
  },
  run: ({ plugin, follow, lines }, cli) =>
    cli.withCore(async (core) => {
      const { json, print, terminal } = cli;
      if (follow && !core.live) {
        throw new OtbError(
          "core-not-running",
          "Cannot follow the log as no core runs",
          "otb logs without --follow",
        );
      }
      if (plugin !== undefined && plugin !== "core") {
        const names = (await core.plugins()).map(({ name }) => name);
        if (!names.includes(plugin)) {
          throw new OtbError(
            "plugin-unknown",
            `Cannot show a log as it must be of core, ${names.join(", ")}: current value is "${plugin}"`,
            "otb plugin list",
          );
        }
      }
      const collected: LogLine[] = [];
      const show = (line: LogLine) => terminal.out(`${logLine(line, terminal.colours)}\n`);
      const take = !json
        ? show
        : follow
        ? (line: LogLine) => terminal.out(`${jsonText(line)}\n`)
        : (line: LogLine) => void collected.push(line);
      await core.logs({ plugin, lines, follow: follow ? cli.signal : undefined }, take);
      if (json && !follow) print({ lines: collected }, () => []);
    }),
});
