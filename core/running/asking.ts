// What a running core asks its plugins for, and what it tells who watches or reads its log.
import type { Core, LogLine, StatusReport } from "../client/types.ts";
import { factId } from "../contract/fact.ts";
import { LINK, OtbError, type Viewer } from "../contract/mod.ts";
import type { FactBoard } from "../supervisor/facts.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { Declarations } from "./declarations.ts";
import type { Logs } from "./log.ts";

/** How often who watches is told of the status. */
const WATCH_EVERY_MS = 1_000;

/** What is lost when the core stops, as its plugins tell. */
export async function losses(declarations: Declarations, supervisor: Supervisor): ReturnType<Core["losses"]> {
  const told = declarations.having("loss").map(async (plugin) => {
    const loss = await supervisor.loss(plugin);
    return loss ? [{ plugin, ...loss }] : [];
  });
  return (await Promise.all(told)).flat();
}

/** How far the part of the setup is that a plugin leads through: of several, the first by name. */
export async function guide(
  declarations: Declarations,
  supervisor: Supervisor,
  view: Viewer | undefined,
): ReturnType<Core["guide"]> {
  const [plugin] = declarations.having("guide");
  const step = plugin === undefined ? undefined : await supervisor.guide(plugin, view);
  return step && { plugin: plugin!, ...step };
}

/** Who found a link forgets it: the plugin that tells of it has an action of that name. */
export async function forgetLink(facts: FactBoard, supervisor: Supervisor, name: string): Promise<void> {
  const finder = facts.publisherOf(factId(LINK.key, name));
  if (finder === undefined) {
    throw new OtbError(
      "link-unknown",
      `Cannot forget a link as it must be a found one: current value is "${name}"`,
      "otb link list",
    );
  }
  await supervisor.act(finder, "forget", { link: name });
}

/** Tells of the status now and every second. */
export async function watch(
  core: Pick<Core, "status">,
  { signal, language }: Parameters<Core["watch"]>[0],
  onStatus: (status: StatusReport) => void,
): Promise<void> {
  while (!signal.aborted) {
    onStatus(await core.status(language));
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, WATCH_EVERY_MS);
      signal.addEventListener("abort", done, { once: true });
    });
  }
}

/** The last lines of the log, then new ones while `follow` is not aborted. */
export async function tell(
  logs: Logs,
  { plugin, lines = 50, follow }: Parameters<Core["logs"]>[0],
  onLine: (line: LogLine) => void,
): Promise<void> {
  logs.tail(lines, plugin).forEach(onLine);
  if (!follow) return;
  const stop = logs.follow((line) => (plugin === undefined || line.plugin === plugin) && onLine(line));
  await new Promise<void>((resolve) => follow.addEventListener("abort", () => resolve(), { once: true }));
  stop();
}
