// A process without any permission, in which the code of plugins answers what is pure.
import { runCommand } from "../contract/command.ts";
import { OtbError } from "../contract/mod.ts";
import type { Manifest } from "./manifest.ts";
import { pluginEnvironment } from "./process.ts";

/** Only a loop takes that long: a core that gives up here does not start, so a machine that is slow or busy must have time. */
const TIMEOUT_MS = 60_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

/**
 * What the function that `main.line` imports as `main` prints when it is given the plugins and the questions.
 *
 * @throws OtbError `plugin-uninspectable` when the code of one fails, hangs or prints something else
 */
export async function inRoom<Answer>(
  main: { line: string; purpose: string },
  manifests: Pick<Manifest, "name" | "directory">[],
  root: string,
  questions: unknown,
): Promise<Answer> {
  const entry = [
    main.line,
    ...manifests.map(({ directory }, index) =>
      `import plugin${index} from ${JSON.stringify(new URL(`file://${directory}/mod.ts`).href)};`
    ),
    `await main([${manifests.map((_, index) => `plugin${index}`).join(", ")}], ${
      JSON.stringify(questions)
    });`,
  ].join("\n");
  const { success, stdout, stderr } = await runCommand(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--cached-only",
      "--no-lock",
      "--minimum-dependency-age=0",
      "--quiet",
      `--config=${root}/deno.json`,
      "-",
    ],
    cwd: "/",
    input: entry,
    clearEnv: true,
    env: pluginEnvironment(),
    withinMs: TIMEOUT_MS,
  });
  if (!success || stdout.length > MAX_ANSWER_BYTES) {
    const said = stderr.trim().split("\n").find((line) => line.includes("rror")) ?? "no answer in time";
    throw new OtbError(
      "plugin-uninspectable",
      `Cannot ${main.purpose} of plugin "${
        manifests.map(({ name }) => name).join('", "')
      }" as its code fails: ${said}`,
    );
  }
  return JSON.parse(stdout);
}
