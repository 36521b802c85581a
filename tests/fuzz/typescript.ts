// The fuzzers in TypeScript: the properties of every `*_fuzz_test.ts`, told to run for minutes instead of a moment.
import type { Fuzzer, Outcome, Wanted } from "./fuzzer.ts";
import type { Told } from "./property.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
const SUFFIX = "_fuzz_test.ts";

/** One of each file, named by the plugin or the part of core that it belongs to and by itself. */
export function typescriptFuzzers(): Fuzzer[] {
  return [...files(`${ROOT}/core`), ...files(`${ROOT}/plugins`)].sort().map((path) => {
    const [, part] = path.slice(ROOT.length + 1).split("/");
    const name = `${part}/${path.slice(path.lastIndexOf("/") + 1, -SUFFIX.length)}`;
    return { name, run: (wanted, signal) => run(name, path, wanted, signal) };
  });
}

function* files(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* files(`${folder}/${name}`);
    else if (name.endsWith(SUFFIX)) yield `${folder}/${name}`;
  }
}

async function run(name: string, path: string, wanted: Wanted, signal: AbortSignal): Promise<Outcome> {
  const told = Deno.makeTempFileSync({ prefix: "otb-fuzz-" });
  try {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", "--quiet", path],
      cwd: ROOT,
      env: {
        NO_COLOR: "1",
        OTB_FUZZ_MINUTES: String(wanted.minutes),
        OTB_FUZZ_TOLD: told,
        ...wanted.seed === undefined ? {} : { OTB_FUZZ_SEED: String(wanted.seed) },
      },
      stdin: "null",
      signal,
    }).output();
    const lines = Deno.readTextFileSync(told).split("\n").filter(Boolean).map((line) =>
      JSON.parse(line) as Told
    );
    const seed = (lines.find(({ failed }) => failed) ?? lines[0])?.seed;
    return {
      runs: lines.reduce((sum, { runs }) => sum + runs, 0),
      seed,
      finding: success ? undefined : new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr),
      again: success ? undefined : `./otb fuzz ${name} --seed ${seed}`,
    };
  } finally {
    Deno.removeSync(told);
  }
}
