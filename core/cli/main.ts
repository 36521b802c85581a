// `otb`: parses the command line, runs one verb, tells of errors in one form. Exit status 0 done, 1 refused or failed, 2 usage.
import { merge } from "@optique/core/constructs";
import { runParser } from "@optique/core/facade";
import { formatMessage, message } from "@optique/core/message";
import type { Usage } from "@optique/core/usage";
import { declaredHere, jsonText, type Language } from "../client/mod.ts";
import { terminalLanguage } from "./language.ts";
import { asCalled, type Call, DEFAULT_STATE, readCall } from "./called.ts";
import { configVerbs } from "./config.ts";
import { withDeclared } from "./declared_verbs.ts";
import { doctorVerb } from "./doctor.ts";
import { initVerbs } from "./init.ts";
import { lanVerbs } from "./lan.ts";
import { linkVerbs } from "./link.ts";
import { logsVerb } from "./logs.ts";
import { peerVerbs } from "./peer.ts";
import { pluginVerbs } from "./plugin.ts";
import { downVerb, upVerb } from "./run.ts";
import { serviceVerbs } from "./service.ts";
import { setupVerb } from "./setup.ts";
import { statusVerb } from "./status.ts";
import { stopSignal } from "./stop_signal.ts";
import { processTerminal, report, type Terminal, UsageError } from "./terminal.ts";
import { type Cli, globalOptions, nameOf, oneOf, type Parsed, type Verb, withCore } from "./verb.ts";
import { versionVerb } from "./version.ts";

const BEFORE: Verb[] = [setupVerb, initVerbs, upVerb, downVerb, statusVerb, lanVerbs, linkVerbs];
const AFTER: Verb[] = [
  configVerbs,
  peerVerbs,
  pluginVerbs,
  logsVerb,
  serviceVerbs,
  doctorVerb,
  versionVerb,
];

/** Every verb, in the order of help: those of plugins, also of the ones added to a state, stand in the middle or join a group. */
export function everyVerb(state = DEFAULT_STATE): Verb[] {
  return withDeclared(BEFORE, AFTER, declaredHere(state));
}

/** As many as a command line needs: to a verb of the CLI's own that is no group nobody adds any. */
function verbsFor({ words: [first], state }: Call): Verb[] {
  const own = [...BEFORE, ...AFTER].find((verb) => nameOf(verb) === first);
  return own && !("group" in own) ? [...BEFORE, ...AFTER] : everyVerb(state);
}

/** The options of every verb, as a usage line shows them. */
const EVERYWHERE: Usage = [
  { type: "optional", terms: [{ type: "option", names: ["--state"], metavar: "DIR" }] },
  { type: "optional", terms: [{ type: "option", names: ["--language"], metavar: "LANGUAGE" }] },
  { type: "optional", terms: [{ type: "option", names: ["--json"] }] },
];

/** What every verb is told. */
interface Everywhere {
  state: string;
  json: boolean;
  language?: Language;
}

/** What a command line asks for; undefined when help or completion was printed. @throws UsageError */
export function parse(
  args: string[],
  terminal: Terminal,
): (Parsed & Everywhere) | undefined {
  const done = Symbol("help or completion was printed");
  // Help is about any state; completion is a program.
  const call = { ...readCall(args), state: DEFAULT_STATE };
  const shown = (text: string) => call.words[0] === "completion" ? text : asCalled(text, call);
  const parser = merge(globalOptions, oneOf(verbsFor(readCall(args))));
  const parsed: unknown = runParser(parser, "otb", args.length === 0 ? ["--help"] : args, {
    help: { command: true, option: true, onShow: () => done },
    completion: { command: true, onShow: () => done },
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
    stdout: (line) => terminal.control(`${shown(line)}\n`),
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
  return parsed === done ? undefined : parsed as Parsed & Everywhere;
}

/** Runs one command line; answers with the exit status. */
export async function main(args: string[], terminal = processTerminal()): Promise<number> {
  // A command line that cannot be read must still be answered in the form that was asked for.
  let json = args.includes("--json");
  const call = readCall(args);
  try {
    const parsed = parse(args, terminal);
    if (!parsed) return 0;
    const { run, state, language } = parsed;
    json = parsed.json;
    let signal: AbortSignal | undefined;
    const cli: Cli = {
      state,
      json,
      language: language ?? (json ? "en" : terminalLanguage()),
      call,
      terminal: json ? terminal : toldAsCalled(terminal, call),
      // Only verbs that look at it outlive a Ctrl-C.
      get signal() {
        return signal ??= stopSignal();
      },
      print: (value, human) =>
        terminal.out(
          json
            ? `${jsonText(value, terminal.tty ? 2 : 0)}\n`
            : asCalled([human()].flat().map((line) => `${line}\n`).join(""), call),
        ),
      withCore: (body) => withCore(state, body),
    };
    return await run(cli) ?? 0;
  } catch (error) {
    return report(error, json, call, terminal);
  }
}

/** The same terminal; command lines that are told to a person work as they stand. */
function toldAsCalled(terminal: Terminal, call: Call): Terminal {
  return Object.assign(Object.create(terminal), {
    out: (text: string) => terminal.out(asCalled(text, call)),
    err: (text: string) => terminal.err(asCalled(text, call)),
  });
}

/** The help that fits a command line that could not be read. */
function helpFor(args: string[]): string {
  const words: string[] = [];
  const call = readCall(args);
  let branches: Usage[] = everyVerb(call.state).map(({ usage }) => usage);
  for (const word of call.words) {
    const found = branches.find((usage) => nameOf({ usage }) === word);
    if (!found) break;
    words.push(word);
    branches = branchesOf(found);
  }
  return ["otb", ...words, "--help"].join(" ");
}

/** The command lines among which a usage chooses, groups of groups flattened. */
function branchesOf(usage: Usage): Usage[] {
  return usage.flatMap((term) => term.type === "exclusive" ? [...term.terms] : [])
    .flatMap((branch) => nameOf({ usage: branch }) === "" ? branchesOf(branch) : [branch]);
}

// Verbs may leave a read of the terminal behind, so that the end is said.
if (import.meta.main) Deno.exit(await main(Deno.args));
