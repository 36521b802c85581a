// Why tests failed, cut out of everything that a run printed: the part that must be read, and that is lost in the rest. Pure.

/** So many lines of one run say enough, and so many characters of a line. */
const MOST_LINES = 24, MOST_CHARACTERS = 240;

const LONG = new RegExp(`^(.{${MOST_CHARACTERS}}).+$`, "gm");

/** The errors that `deno test` and `cargo test` list below the tests; what was printed last where they list none. */
export function failures(output: string): string {
  // deno-lint-ignore no-control-regex
  const text = output.replace(/\x1b\[[0-9;]*m/g, "").replace(LONG, "$1...");
  const listed = [
    ...text.matchAll(/^ ERRORS \n([\s\S]*?)(?=^ FAILURES $|^FAILED \| |(?![\s\S]))/gm),
    ...text.matchAll(/^failures:\n\n([\s\S]*?)(?=^failures:$|^test result: |(?![\s\S]))/gm),
  ].map(([, errors]) => errors!.trim()).filter((errors) => errors !== "");
  if (listed.length === 0) return text.trim().split("\n").slice(-MOST_LINES).join("\n");
  const lines = listed.join("\n\n").split("\n");
  const shown = lines.slice(0, MOST_LINES);
  return lines.length > shown.length ? `${shown.join("\n")}\n...` : shown.join("\n");
}
