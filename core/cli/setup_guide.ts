// The part of `otb setup` that a plugin leads through: its questions are asked here, and what it tells is shown when it is news.
import type { GuideAnswer, GuideQuestion, GuideStep, StatusReport } from "../client/mod.ts";
import { askClearly } from "./answers.ts";
import { blockLines } from "./blocks.ts";
import { view } from "./declared_verbs.ts";
import type { Cli } from "./verb.ts";

/** A step, and whose it is. */
export type PluginStep = GuideStep & { plugin: string };

/** What is there so far. */
export interface Led {
  status?: StatusReport;
  guide?: PluginStep;
}

/** What the dialogue lends. */
export interface Dialogue {
  /** Looks again and again until it is done; false when the person ends it. */
  wait(what: string, done: (seen: Led) => boolean): Promise<boolean>;
}

/** Leads through it from wherever it stands; false when the person wants to leave. */
export async function lead(cli: Cli, guide: PluginStep | undefined, { wait }: Dialogue): Promise<boolean> {
  const { terminal } = cli;
  const byHand = (what: string) => wait(what, ({ status }) => (status?.connections.total ?? 0) > 0);
  if (!guide) return await byHand("Waiting for the first device");
  if (guide.state === "open" && guide.question) {
    const answer = ask(cli, guide.question);
    if (!answer) return false;
    await take(cli, guide.plugin, answer);
    if (answer.waits !== undefined) return await byHand(answer.waits);
    if (answer.leaves) return false;
  }
  let said = "", step = guide;
  const stood = await wait(step.waits, ({ guide: now }) => {
    if (!now) return false;
    step = now;
    if (now.news !== said) terminal.out(`\n${blockLines(now.blocks, terminal).join("\n")}\n`);
    said = now.news;
    return now.state !== "going" || now.question !== undefined;
  });
  if (!stood) return false;
  if (step.state !== "going" || !step.question) return true;
  const answer = ask(cli, step.question);
  if (!answer) return false;
  await take(cli, step.plugin, answer);
  return !answer.leaves;
}

/** What the person's answer comes to; undefined when that person leaves it open. */
function ask(
  { terminal }: Cli,
  { intro, text, usual, yes, no, left }: GuideQuestion,
): GuideAnswer | undefined {
  if (intro !== undefined) terminal.out(`${intro}\n`);
  const answer = askClearly(text, usual);
  if (answer !== undefined) return answer ? yes : no;
  if (left !== undefined) terminal.out(`${left}\n`);
  return undefined;
}

async function take(cli: Cli, plugin: string, { action, says }: GuideAnswer): Promise<void> {
  if (action !== undefined) await cli.withCore((core) => core.act(plugin, action, {}, view(cli)));
  if (says !== undefined) cli.terminal.out(`${says}\n`);
}
