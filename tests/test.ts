// `otb test`: the gate, then the whole-system tests, counted together; the last line is what CI reads.

const ROOT = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

const HELP = `Usage: sudo ./otb test [--system | --unit]

Runs everything: format, lint, types, architecture, generated docs and unit tests (deno task ok), then the
whole-system tests in network namespaces. --unit and --system run one half.
`;

/** Runs the tests; the exit status is 1 when one failed. */
export async function test(args: string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    console.log(HELP);
    return 0;
  }
  const unknown = args.find((word) => word !== "--system" && word !== "--unit");
  if (unknown) {
    console.error(
      `otb: Cannot run the tests as the option is unknown: current value is "${unknown}"\n  next: ./otb test --help`,
    );
    return 2;
  }
  let passed = 0;
  let failed = 0;
  const count = (output: { passed: number; failed: number }) => {
    passed += output.passed;
    failed += output.failed;
  };
  if (!args.includes("--system")) count(await counted(["run", "-A", "--quiet", `${ROOT}/tests/ok.ts`]));
  if (!args.includes("--unit")) {
    count(await counted(["test", "-A", "--no-check", "--quiet", `${ROOT}/tests/system/`]));
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

/** Runs deno, shows what it prints, and adds up its own closing counts; a run that dies without any counts as one failure. */
async function counted(args: string[]): Promise<{ passed: number; failed: number }> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    Deno.stdout.writeSync(new TextEncoder().encode(chunk));
    text = (text + chunk).slice(-20_000);
  }
  const { success } = await child.status;
  // deno-lint-ignore no-control-regex
  const plain = text.replace(/\x1b\[[0-9;]*m/g, "");
  const last = [...plain.matchAll(/(\d+) passed(?: \(\d+ steps?\))?(?:,| \|) (\d+) failed/g)].at(-1);
  const result = { passed: Number(last?.[1] ?? 0), failed: Number(last?.[2] ?? 0) };
  if (!success && result.failed === 0) result.failed = 1;
  return result;
}
