// Verbs of otb as a person and a program see them, run in this process against whatever core a state directory has: what is
// printed is compared with a golden text, and every verb must have been seen in both forms.
import { strict as assert } from "node:assert";
import type { Usage } from "@optique/core/usage";
import { everyVerb, main } from "../../core/cli/main.ts";
import { shown, type Terminal } from "../../core/cli/terminal.ts";

/** What one command line printed, and its exit status. */
export interface Said {
  exit: number;
  out: string;
  err: string;
}

/** Runs one command line; `colours` as on a terminal, at which nobody sits. */
export async function say(args: string[], { colours = false } = {}): Promise<Said> {
  const said: Said = { exit: -1, out: "", err: "" };
  const terminal: Terminal = {
    ...{ tty: false, interactive: false, colours, width: 100, height: 40 },
    out: (text) => void (said.out += shown(text)),
    err: (text) => void (said.err += shown(text)),
    control: (text) => void (said.out += text),
  };
  said.exit = await main(args, terminal);
  return said;
}

/**
 * Whether `text` is as `golden` says: `…` stands for anything, `#` for a number, `otb` for however it was called, any white space
 * for any other.
 */
export function isLike(text: string, golden: string): boolean {
  const pattern = golden.trim().split(/\s+/).map((word) =>
    word === "otb"
      ? "\\S*otb"
      : word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("#", "\\d+(?:\\.\\d+)?").replaceAll(
        "…",
        "[^]*?",
      )
  ).join("\\s+").replaceAll("\\s+[^]*?\\s+", "\\s[^]*?\\s*");
  return new RegExp(`^\\s*${pattern}\\s*$`).test(text);
}

/** Verbs against one state directory. */
export class Verbs {
  /** Command lines of verbs that were seen, by form. */
  readonly #seen = { text: new Set<string>(), json: new Set<string>() };

  constructor(private readonly state: string) {}

  /** Fails unless a person reads this, in colours, and the exit status is that. */
  async text(line: string, golden: string, exit: number | "any" = 0): Promise<string> {
    const { out, err, ...said } = await this.#say("text", line, { colours: true });
    // Colours of its own are all that steers the terminal; a raw sequence would have been made harmless.
    // deno-lint-ignore no-control-regex
    const text = (out + err).replace(/\x1b\[\d+m/g, "");
    assert.doesNotMatch(
      text,
      /\?\[|\bundefined\b|\bNaN\b|\[object |Infinity|Cannot read propert/,
      `${line}: ${text}`,
    );
    assert.ok(isLike(text, golden), `otb ${line} says:\n${text}\nand not:\n${golden}`);
    if (exit !== "any") assert.equal(said.exit, exit, `${line}: ${text}`);
    return text;
  }

  /** Fails unless a program gets one object with these names (`…`: any) and, of an error, nothing else; answers with it. */
  // deno-lint-ignore no-explicit-any
  async json(line: string, names: string, exit = 0): Promise<any> {
    const { out, err, ...said } = await this.#say("json", `${line} --json`);
    assert.equal(err, "", line);
    assert.equal(out.trimEnd().split("\n").length, 1, `${line}: ${out}`);
    const object = JSON.parse(out);
    if (names !== "…") {
      assert.deepEqual(Object.keys(object).sort(), names.split(" ").sort(), `${line}: ${out.slice(0, 500)}`);
    }
    assert.equal(said.exit, exit, `${line}: ${out}`);
    return object;
  }

  async both(line: string, golden: string, names: string): Promise<void> {
    await this.text(line, golden);
    await this.json(line, names);
  }

  /** Fails unless it is refused with this code, and in a sentence like that. */
  async refused(line: string, code: string, golden = "…"): Promise<void> {
    await this.text(line, `otb: Cannot ${golden}`, 1);
    assert.equal((await this.json(line, "error", 1)).error.code, code, line);
  }

  /** Verbs that were not seen in a form: those of `others` count as well. */
  missing(...others: Verbs[]): string[] {
    return (["text", "json"] as const).flatMap((form) =>
      LEAVES.filter((verb) => ![this, ...others].some((verbs) => verbs.#seen[form].has(verb)))
        .map((verb) => `${verb} (${form})`)
    );
  }

  /** Notes what was seen by other means. */
  saw(verb: string, ...forms: ("text" | "json")[]): void {
    assert.ok(LEAVES.includes(verb), verb);
    for (const form of forms) this.#seen[form].add(verb);
  }

  async #say(form: "text" | "json", line: string, options?: { colours: boolean }): Promise<Said> {
    const args = line.match(/'[^']*'|\S+/g)!.map((word) => word.replaceAll("'", ""));
    const verb = LEAVES.filter((leaf) => `${args.join(" ")} `.startsWith(`${leaf} `)).at(-1);
    assert.ok(verb, `${line} is no verb`);
    this.#seen[form].add(verb);
    return await say(args.includes("--state") ? args : [...args, "--state", this.state], options);
  }
}

/** Every verb of the help that does something, as it is typed. */
export const LEAVES = everyVerb().flatMap(({ usage }) => leaves(usage)).sort();

function leaves(usage: Usage, before: string[] = []): string[] {
  const own = usage.flatMap((term) => term.type === "command" ? [term.name] : []);
  const here = [...before, ...own];
  const branches = usage.flatMap((term): Usage[] => term.type === "exclusive" ? [...term.terms] : []);
  const below = branches.flatMap((branch) => leaves(branch, here));
  return below.length > 0 || own.length === 0 ? below : [here.join(" ")];
}
