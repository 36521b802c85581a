// What is lost when the core stops, as its plugins tell: said before it happens, with a better way where there is one.
import type { Core, Loss } from "../client/mod.ts";
import { askClearly } from "./answers.ts";
import { answerLines, view } from "./declared_verbs.ts";
import type { Cli } from "./verb.ts";

/** What a plugin tells of it. */
export type PluginLoss = Loss & { plugin: string };

/** What stopping would take; nothing while nobody can tell. */
export async function lossesAt(core: Core): Promise<PluginLoss[]> {
  return await core.losses().catch(() => []);
}

/** All of it in sentences. */
export function sentencesOf(losses: PluginLoss[]): string[] {
  return losses.flatMap(({ sentences }) => sentences);
}

/**
 * Tells a person what stopping takes, and lets them do something about it instead; answers whether to stop.
 * Without a person to ask it is told and done.
 */
export async function mayStop(core: Core, cli: Cli, losses: PluginLoss[]): Promise<boolean> {
  if (losses.length === 0 || cli.json) return true;
  const { terminal } = cli;
  terminal.err(`${sentencesOf(losses).join("\n")}\n`);
  if (!terminal.interactive) return true;
  const [better] = losses.flatMap(({ plugin, instead }) => instead ? [{ plugin, ...instead }] : []);
  const back = askClearly(better?.question ?? "Leave the box running?");
  if (back === false) return true;
  if (back && better) {
    const answer = await core.act(better.plugin, better.action, {}, view(cli));
    terminal.out(`${answerLines(answer, cli).join("\n")}\n${better.then}\n`);
  } else terminal.out("Nothing was changed; it still runs.\n");
  return false;
}
