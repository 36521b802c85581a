// `otb`: parses the command line, runs one verb, tells of errors in one form. Exit status 0 done, 1 refused or failed, 2 usage.
import { merge } from "@optique/core/constructs";
import { runParser } from "@optique/core/facade";
import { formatMessage, message } from "@optique/core/message";
import type { Usage } from "@optique/core/usage";
import { jsonText } from "../client.ts";
import { configVerbs } from "./config.ts";
import { deviceVerbs } from "./device.ts";
import { dhcpVerbs } from "./dhcp.ts";
import { doctorVerb } from "./doctor.ts";
import { initVerbs } from "./init.ts";
import { lanVerbs } from "./lan.ts";
import { linkVerbs } from "./link.ts";
import { logsVerb } from "./logs.ts";
import { peerVerbs } from "./peer.ts";
import { pluginVerbs } from "./plugin.ts";
import { ruleVerbs } from "./rule.ts";
import { downVerb, upVerb } from "./run.ts";
import { serviceVerbs } from "./service.ts";
import { setupVerb } from "./setup.ts";
import { statusVerb } from "./status.ts";
import { processTerminal, report, type Terminal, UsageError } from "./terminal.ts";
import { type Cli, globalOptions, oneOf, type Parsed, type Verb, withCore } from "./verb.ts";
import { versionVerb } from "./version.ts";
import { whyVerb } from "./why.ts";

/** Every verb, in the order of help. */
export const VERBS: Verb[] = [
  setupVerb,
  initVerbs,
  upVerb,
  downVerb,
  statusVerb,
  lanVerbs,
  linkVerbs,
  deviceVerbs,
  ruleVerbs,
  whyVerb,
  dhcpVerbs,
  configVerbs,
  peerVerbs,
  pluginVerbs,
  logsVerb,
  serviceVerbs,
  doctorVerb,
  versionVerb,
];

/** The options of every verb, as a usage line shows them. */
const EVERYWHERE: Usage = [
  { type: "optional", terms: [{ type: "option", names: ["--state"], metavar: "DIR" }] },
  { type: "optional", terms: [{ type: "option", names: ["--json"] }] },
];

/** What a command line asks for; undefined when help or completion was printed. @throws UsageError */
export function parse(
  args: string[],
  terminal: Terminal,
): (Parsed & { state: string; json: boolean }) | undefined {
  const shown = Symbol("shown");
  const parser = merge(globalOptions, oneOf(VERBS));
  const parsed: unknown = runParser(parser, "otb", args.length === 0 ? ["--help"] : args, {
    help: { command: true, option: true, onShow: () => shown },
    completion: { command: true, onShow: () => shown },
    brief: message`Over The Box: joins several Internet links into one.`,
    footer:
      message`On one machine, to look, test and measure: otb demo | lab | test | bench (each has --help). 
otb build builds what is missing. Start with: sudo ./otb demo`,
    usageLine: () => [{ type: "argument", metavar: "VERB" }, ...EVERYWHERE],
    commandList: "top-level",
    termWidth: "auto",
    aboveError: "none",
    colors: terminal.colours,
    maxWidth: Math.max(60, Math.min(terminal.width, 100)),
    stdout: (line) => terminal.control(`${line}\n`),
    stderr: () => {},
    onError: (_status, error) => {
      throw new UsageError(
        `Cannot read the command line: ${
          formatMessage(error, { colors: false, quotes: true }).replace(/\s+/g, " ")
        }`,
        helpFor(args),
      );
    },
  });
  return parsed === shown ? undefined : parsed as Parsed & { state: string; json: boolean };
}

/** Runs one command line; answers with the exit status. */
export async function main(args: string[], terminal = processTerminal()): Promise<number> {
  // A command line that cannot be read must still be answered in the form that was asked for.
  let json = args.includes("--json");
  try {
    const parsed = parse(args, terminal);
    if (!parsed) return 0;
    const { run, state } = parsed;
    json = parsed.json;
    let signal: AbortSignal | undefined;
    const cli: Cli = {
      state,
      json,
      terminal,
      // Only verbs that look at it outlive a Ctrl-C.
      get signal() {
        return signal ??= stopSignal();
      },
      print: (value, human) =>
        terminal.out(
          json
            ? `${jsonText(value, terminal.tty ? 2 : 0)}\n`
            : [human()].flat().map((line) => `${line}\n`).join(""),
        ),
      withCore: (body) => withCore(state, body),
    };
    return await run(cli) ?? 0;
  } catch (error) {
    return report(error, json, terminal);
  }
}

/** The help that fits a command line that could not be read. */
function helpFor(args: string[]): string {
  const words: string[] = [];
  let usage: Usage = VERBS.flatMap((verb) => verb.usage);
  for (const word of args) {
    const inner = usage.filter((term) => "terms" in term).flatMap((term) => term.terms.flat());
    const found = VERBS.find((verb) => words.length === 0 && commandName(verb.usage) === word)?.usage;
    if (!found && !inner.some((term) => term.type === "command" && term.name === word)) break;
    words.push(word);
    usage = found ?? [];
  }
  return ["otb", ...words, "--help"].join(" ");
}

function commandName([term]: Usage): string | undefined {
  return term?.type === "command" ? term.name : undefined;
}

/** Aborted by the first Ctrl-C (or SIGTERM, SIGHUP); the second one ends the process on the spot. */
function stopSignal(): AbortSignal {
  const stopped = new AbortController();
  const stop = () => {
    if (stopped.signal.aborted) Deno.exit(130);
    stopped.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) Deno.addSignalListener(signal, stop);
  return stopped.signal;
}

// Verbs may leave a read of the terminal behind, so that the end is said.
if (import.meta.main) Deno.exit(await main(Deno.args));
