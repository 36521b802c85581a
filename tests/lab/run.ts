// Runs a command of a lab to its end.
import { OtbError } from "@otb/plugin";

/**
 * What it printed.
 * @param tolerant its failure is none
 * @throws OtbError `lab-failed`
 */
export async function run(
  command: string,
  args: string[],
  input?: string,
  tolerant = false,
): Promise<string> {
  const child = new Deno.Command(command, {
    args,
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input + "\n"));
    await writer.close();
  }
  const { success, stdout, stderr } = await child.output();
  if (!success && !tolerant) {
    throw new OtbError(
      "lab-failed",
      `Cannot raise the lab as "${command} ${args.join(" ")}" failed: ${
        new TextDecoder().decode(stderr).trim()
      }`,
    );
  }
  return new TextDecoder().decode(stdout);
}
