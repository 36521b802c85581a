// The fuzzers of the native library: libFuzzer under AddressSanitizer, built from core/native/fuzz with the Rust that is installed.
import { exists } from "./fuzzer.ts";
import type { Fuzzer, Outcome, Wanted } from "./fuzzer.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
const FOLDER = `${ROOT}/core/native/fuzz`, KEPT = `${ROOT}/core/native/testdata/fuzz`;
/** Corpora grow here from run to run, and findings stay. */
const TARGET = `${ROOT}/target/fuzz`;
/** What is kept in the repository of one corpus: small inputs first, so much text. */
const MOST_KEPT_BYTES = 400, MOST_KEPT_TEXT = 24_000;
/** One input may take so long, seconds; and as much memory, MB. */
const LONGEST_S = 20, MOST_MB = 2_048;

/** What cargo-fuzz passes too (coverage of edges and comparisons, AddressSanitizer); the last is for sanitizers on a stable compiler. */
const FLAGS = [
  "--cfg fuzzing",
  "-Cpasses=sancov-module",
  "-Cllvm-args=-sanitizer-coverage-level=4",
  "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
  "-Cllvm-args=-sanitizer-coverage-pc-table",
  "-Cllvm-args=-sanitizer-coverage-trace-compares",
  "-Zsanitizer=address",
].join(" ");

/** The targets that core/native/src/fuzz.rs lists. */
export function rustFuzzers(): Fuzzer[] {
  const text = Deno.readTextFileSync(`${ROOT}/core/native/src/fuzz.rs`);
  return [...text.matchAll(/^ {4}\("([a-z_]+)", \1::run\),$/gm)].map(([, target]) => ({
    name: `native/${target}`,
    prepare: build,
    run: (wanted, signal) => run(target!, wanted, signal),
  }));
}

let built: Promise<string> | undefined;

/** The program, built once. @throws Error when cargo fails */
function build(): Promise<string> {
  return built ??= (async () => {
    const host = /^host: (.+)$/m.exec((await output("rustc", ["-vV"])).text)![1]!;
    // With --target, build scripts are built without the sanitizer.
    const args = ["build", "--release", "--locked", "--quiet", "--target", host, "--target-dir", TARGET];
    const { success, text } = await output("cargo", args, {
      env: { RUSTFLAGS: FLAGS, RUSTC_BOOTSTRAP: "1" },
      cwd: FOLDER,
    });
    if (!success) throw new Error(`Cannot build the fuzzers of the native library as cargo failed:\n${text}`);
    return `${TARGET}/${host}/release/otb-fuzz`;
  })();
}

async function run(target: string, wanted: Wanted, signal: AbortSignal): Promise<Outcome> {
  const program = await build();
  const corpus = `${TARGET}/corpus/${target}`, findings = `${TARGET}/findings`;
  for (const folder of [corpus, findings]) Deno.mkdirSync(folder, { recursive: true });
  unpack(target, corpus);
  const env = { OTB_FUZZ_TARGET: target };
  const limits = [`-timeout=${LONGEST_S}`, `-rss_limit_mb=${MOST_MB}`];
  if (wanted.input) {
    const { success, text } = await output(program, [...limits, wanted.input], { env, signal });
    return { runs: 1, finding: success ? undefined : text };
  }
  const { success, text } = await output(program, [
    ...limits,
    `-max_total_time=${Math.round(wanted.minutes * 60)}`,
    `-artifact_prefix=${findings}/${target}-`,
    ...wanted.seed === undefined ? [] : [`-seed=${wanted.seed}`],
    corpus,
  ], { env, signal });
  if (success && wanted.keep) await keep(program, target, corpus, env);
  const covered = [...text.matchAll(/^#(\d+)\s+(\w+).* cov: (\d+)/gm)];
  const first = covered.find(([, , what]) => what === "INITED"), last = covered.at(-1);
  const seed = /^INFO: Seed: (\d+)$/m.exec(text)?.[1];
  const file = /Test unit written to (\S+)/.exec(text)?.[1];
  return {
    runs: Number(last?.[1] ?? 0),
    seed: seed && Number(seed),
    coverage: last && { now: Number(last[3]), before: Number(first?.[3] ?? last[3]) },
    finding: success ? undefined : text.split("\n").slice(-60).join("\n"),
    again: file && `./otb fuzz native/${target} --input ${file}`,
  } as Outcome;
}

/** The inputs kept in the repository, as libFuzzer wants them: a file each. */
function unpack(target: string, corpus: string): void {
  const path = `${KEPT}/${target}.txt`;
  const lines = exists(path) ? Deno.readTextFileSync(path).trim().split("\n") : [];
  for (const [index, line] of lines.entries()) {
    const bytes = Uint8Array.from(line.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    Deno.writeFileSync(`${corpus}/kept-${index}`, bytes);
  }
}

/** The fewest inputs that reach what the corpus reaches go into the repository, the small ones. */
async function keep(program: string, target: string, corpus: string, env: Record<string, string>) {
  const folder = Deno.makeTempDirSync({ prefix: "otb-fuzz-" });
  try {
    await output(program, ["-merge=1", folder, corpus], { env });
    const inputs = [...Deno.readDirSync(folder)].map(({ name }) => Deno.readFileSync(`${folder}/${name}`))
      .filter(({ length }) => length > 0 && length <= MOST_KEPT_BYTES)
      .map((bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""))
      .sort((one, other) => one.length - other.length || (one < other ? -1 : 1));
    let size = 0;
    const kept = inputs.filter((line) => (size += line.length + 1) <= MOST_KEPT_TEXT);
    Deno.writeTextFileSync(`${KEPT}/${target}.txt`, `${kept.join("\n")}\n`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Runs a program and takes both of its outputs together. */
async function output(
  program: string,
  args: string[],
  { env, cwd = ROOT, signal }: { env?: Record<string, string>; cwd?: string; signal?: AbortSignal } = {},
): Promise<{ success: boolean; text: string }> {
  const command = new Deno.Command(program, { args, env, cwd, signal, stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  return { success, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}
