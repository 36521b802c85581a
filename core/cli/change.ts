// A change of settings from the command line: propose, show what it does, and ask whether to keep it.
import type { Core, Difference, Json, PluginEffect, ProposalResult } from "../client/mod.ts";
import { askClearly, clearly } from "./answers.ts";
import { plural, printable } from "./format.ts";
import { paint, Refused } from "./terminal.ts";
import type { Cli } from "./verb.ts";

/** The patch of a proposal: `network` and one entry per plugin. */
export interface Patch {
  network?: Json;
  plugins?: { [name: string]: Json };
}

/** How a change is made. */
export interface ChangeOptions {
  /** Said when it is done, for example `Link "fibre" added`. */
  done: string;
  patch: Patch;
  yes: boolean;
  dryRun?: boolean;
  comment?: string;
  /** The revision that the caller looked at. */
  base?: number;
}

/** Makes the proposal, and says what is told of it when it is done. */
export type Propose = (
  how: { confirm: boolean; dryRun?: boolean },
) => Promise<{ done: string; result: ProposalResult }>;

/**
 * Proposes a change and sees it through: kept at once with `yes`, asked for on a terminal, otherwise left pending. Whoever can be
 * asked is so before anything that goes on now would end.
 *
 * @throws Refused with every problem that the check found
 */
export async function change(core: Core, cli: Cli, options: ChangeOptions): Promise<void> {
  const { done, patch, yes, dryRun, comment, base } = options;
  await seeThrough(core, cli, { yes, dryRun }, async (how) => ({
    done,
    result: await core.propose({ ...how, base, patch, comment }),
  }));
}

/** The same for a change that `propose` makes. @throws Refused */
export async function seeThrough(
  core: Core,
  cli: Cli,
  { yes, dryRun }: Pick<ChangeOptions, "yes" | "dryRun">,
  propose: Propose,
): Promise<void> {
  const { terminal } = cli;
  if (!dryRun && !yes && !cli.json && terminal.interactive && !await agreed(cli, propose)) {
    return terminal.out("Nothing was changed.\n");
  }
  const { done, result } = await propose({ confirm: yes, dryRun });
  if (result.problems.length > 0) throw new Refused(result.problems);
  const lines = () => told(result, { done, dryRun }, core.live, terminal.colours);
  if (!result.pending || cli.json || !terminal.interactive) return cli.print(result, lines);
  terminal.out(`${lines().slice(0, -1).join("\n")}\n`);
  const kept = await askInTime(result.pending.revertsAtMs, (text) => terminal.out(text));
  if (kept === undefined) terminal.out("\nNobody answered in time: the settings from before are back.\n");
  else if (kept) {
    await core.confirm();
    terminal.out("Kept.\n");
  } else {
    await core.revert();
    terminal.out("Taken back.\n");
  }
}

/** Shows what would end, and asks; true where nothing would. @throws Refused */
async function agreed({ terminal }: Cli, propose: Propose): Promise<boolean> {
  const { problems, differences, effects } = (await propose({ confirm: false, dryRun: true })).result;
  if (problems.length > 0) throw new Refused(problems);
  if (effects.every(({ ends }) => ends?.length === 0)) return true;
  const lines = [...differenceLines(differences, terminal.colours), ...effectLines(effects)];
  terminal.out(`${lines.join("\n")}\n`);
  return askClearly("Change it now?", true) ?? false;
}

/** What a change does to plugins, a line each. */
export function effectLines(effects: PluginEffect[]): string[] {
  return effects.map(({ plugin, takes, ends }) => {
    if (takes === "reload") return printable(`${plugin} takes it while it runs; nothing ends.`);
    if (takes === "next-start") return printable(`${plugin} takes it when it next runs.`);
    const what = ends === undefined
      ? "what ends with it is not known"
      : ends.length === 0
      ? "nothing else ends"
      : `ends ${ends.map(({ what, count }) => plural(count, what)).join(", ")}`;
    return printable(`${plugin} is started anew: ${what}.`);
  });
}

/** Lines about the outcome of a proposal; the last one says how it stands. */
function told(
  result: ProposalResult,
  { done, dryRun }: Pick<ChangeOptions, "done" | "dryRun">,
  live: boolean,
  colours: boolean,
): string[] {
  if (result.differences.length === 0) return ["Nothing to change: the settings are so already."];
  const warned = (result.warnings ?? []).map(({ message, next }) =>
    paint(colours, "yellow", printable(`Note: ${message}${next ? `. ${next}` : ""}`))
  );
  const lines = [
    ...differenceLines(result.differences, colours),
    ...effectLines(result.effects),
    ...warned,
  ];
  if (dryRun) {
    return [
      ...lines,
      ...result.plan.map((line) => `  ${printable(line)}`),
      ...result.effects.length > 0
        ? ["What plugins claim by what they find out (links, leases, devices) shows when they do."]
        : [],
      "Nothing was changed (--dry-run).",
    ];
  }
  if (result.pending) {
    const seconds = Math.max(1, Math.round((result.pending.revertsAtMs - Date.now()) / 1000));
    return [
      ...lines,
      `${printable(done)}; it is in force and reverts in ${seconds} s. Keep it with: otb config confirm`,
    ];
  }
  return [
    ...lines,
    live ? `${printable(done)}.` : `${printable(done)}; it takes effect with the next otb up.`,
  ];
}

/** Two lines at most per difference: `- path = before`, `+ path = after`. */
export function differenceLines(differences: Difference[], colours: boolean): string[] {
  return differences.flatMap(({ path, before, after }) => {
    const name = shownPath(path);
    return [
      ...before === undefined ? [] : [paint(colours, "red", `- ${name} = ${shownValue(before)}`)],
      ...after === undefined ? [] : [paint(colours, "green", `+ ${name} = ${shownValue(after)}`)],
    ];
  });
}

/** A path as `config get` and `config set` take it. */
export function shownPath(path: string): string {
  return printable(path.replace(/^plugins\./, ""));
}

/** A value as `config set` takes it. */
export function shownValue(value: Json): string {
  return printable(JSON.stringify(value));
}

/** Whether the change is kept, asked until that is clear; undefined when nobody said so in time. */
async function askInTime(revertsAtMs: number, out: (text: string) => void): Promise<boolean | undefined> {
  for (let please = "";; please = "Please answer yes or no. ") {
    const leftMs = revertsAtMs - Date.now();
    out(`${please}Keep this change? [Y/n] (reverts in ${Math.max(1, Math.round(leftMs / 1000))} s) `);
    const answer = await readAnswer(leftMs);
    if (answer === undefined) return undefined;
    const kept = clearly(answer, true);
    if (kept !== undefined) return kept;
  }
}

/** A line from the terminal; undefined when none came in time, empty at the end of input counts as no. */
async function readAnswer(boundMs: number): Promise<string | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const buffer = new Uint8Array(256);
  try {
    return await Promise.race([
      Deno.stdin.read(buffer).then((count) =>
        count === null ? "n" : new TextDecoder().decode(buffer.subarray(0, count))
      ),
      new Promise<undefined>((resolve) => timer = setTimeout(() => resolve(undefined), Math.max(0, boundMs))),
    ]);
  } finally {
    clearTimeout(timer);
  }
}
