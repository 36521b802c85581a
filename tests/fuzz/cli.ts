// `otb fuzz`: every fuzzer there is, for as long as wanted; a line for each tells what it did.
import type { Fuzzer, Outcome, Wanted } from "./fuzzer.ts";
import { rustFuzzers } from "./rust.ts";
import { typescriptFuzzers } from "./typescript.ts";

const HELP = `Usage: ./otb fuzz [TEXT] [--minutes N] [--jobs N] [--seed N] [--keep] [--input FILE]

Runs the fuzzers one after the other: of the native library by libFuzzer with AddressSanitizer, of what is written in
TypeScript by properties over input that is almost right. tests/fuzz/README.md lists what each reaches. A finding is
printed with the command that shows it again, stays in target/fuzz/findings, and makes the exit status 1.

  TEXT          only those whose name contains TEXT
  --minutes N   how long each (default: 10; 0.1 are six seconds)
  --jobs N      how many at once (default: 1)
  --seed N      as the run that printed this seed
  --keep        inputs that reach something new go into core/native/testdata/fuzz, to be committed
  --input FILE  this one input of a finding, with TEXT the full name of a fuzzer of the native library

Example: ./otb fuzz native/receiver --minutes 1
`;

interface Options extends Wanted {
  text: string;
  jobs: number;
  help: boolean;
}

/** Runs fuzzers; the exit status is 1 when one found something. */
export async function fuzz(args: string[]): Promise<number> {
  const options = parseOptions(args);
  if (typeof options === "string") {
    console.error(`otb: Cannot fuzz as ${options}\n  next: ./otb fuzz --help`);
    return 2;
  }
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const all = [...rustFuzzers(), ...typescriptFuzzers()];
  const chosen = all.filter(({ name }) =>
    options.input ? name === options.text : name.includes(options.text)
  );
  if (chosen.length === 0) {
    console.error(
      `otb: Cannot fuzz as no fuzzer's name contains the text: current value is "${options.text}"\n  next: ./otb fuzz TEXT, with a part of ${
        all.map(({ name }) => name).join(", ")
      }`,
    );
    return 2;
  }
  if (options.input && !chosen[0]!.name.startsWith("native/")) {
    console.error(
      `otb: Cannot replay a file as only fuzzers of the native library take one: current value is "${
        chosen[0]!.name
      }"\n  next: ./otb fuzz ${chosen[0]!.name} --seed N`,
    );
    return 2;
  }
  const stopped = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => stopped.abort());
  for (const { prepare } of chosen) await prepare?.();
  const queue = [...chosen];
  let findings = 0;
  const work = async () => {
    for (let fuzzer = queue.shift(); fuzzer && !stopped.signal.aborted; fuzzer = queue.shift()) {
      const begun = performance.now();
      const outcome = await fuzzer.run(options, stopped.signal);
      if (stopped.signal.aborted) return;
      if (outcome.finding !== undefined) findings++;
      console.log(line(fuzzer, outcome, Math.round((performance.now() - begun) / 1000)));
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  if (stopped.signal.aborted) return 130;
  console.log(`${chosen.length} fuzzers, ${findings} with findings`);
  return findings > 0 ? 1 : 0;
}

/** What one fuzzer did, in a line; with a finding what it is as well. */
function line({ name }: Fuzzer, { runs, seed, coverage, finding, again }: Outcome, seconds: number): string {
  const parts = [
    `${runs.toLocaleString("en")} runs in ${seconds} s`,
    ...coverage ? [`coverage ${coverage.now} (${coverage.now - coverage.before} new)`] : [],
    ...seed === undefined ? [] : [`seed ${seed}`],
    finding === undefined ? "no finding" : "A FINDING",
  ];
  const head = `${finding === undefined ? "ok " : "BAD"} ${name.padEnd(28)} ${parts.join(", ")}`;
  return finding === undefined
    ? head
    : `${finding.trimEnd()}\n${head}${again ? `\n    again: ${again}` : ""}`;
}

/** The command line as options, or what is wrong with it. */
export function parseOptions(args: string[]): Options | string {
  const options: Options = { text: "", minutes: 10, jobs: 1, keep: false, help: false };
  const words = [...args];
  let texts = 0;
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === "--help" || word === "-h") options.help = true;
    else if (word === "--keep") options.keep = true;
    else if (word === "--minutes" || word === "--jobs" || word === "--seed") {
      const value = words.shift() ?? "", number = Number(value);
      const least = word === "--minutes" ? 0.01 : word === "--jobs" ? 1 : -(2 ** 31);
      const most = word === "--minutes" ? 10_000 : word === "--jobs" ? 64 : 2 ** 32 - 1;
      const good = value !== "" && number >= least && number <= most &&
        (word === "--minutes" || Number.isInteger(number));
      if (!good) return `${word} must be a number from ${least} to ${most}: current value is "${value}"`;
      if (word === "--minutes") options.minutes = number;
      else if (word === "--jobs") options.jobs = number;
      else options.seed = number;
    } else if (word === "--input") {
      options.input = words.shift();
      if (!options.input) return `--input must name a file: current value is ""`;
    } else if (word.startsWith("-")) return `the option is unknown: current value is "${word}"`;
    else if (texts++ > 0) return `one text at most may be given: current value is "${word}"`;
    else options.text = word;
  }
  return options;
}
