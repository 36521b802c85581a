// Asks a plugin's own code about proposed settings, in a process that may do nothing else.
import { OtbError } from "../contract/mod.ts";
import type { Inspection, InspectionRequest } from "./inspect_main.ts";
import type { Manifest } from "./manifest.ts";
import { inRoom } from "./room.ts";

/**
 * Parses and checks settings with each plugin's schema: about 100 ms of processor time for a process, and 10 ms more for each plugin.
 * Plugins of this tree trust each other and share one; each that comes from elsewhere is asked alone, so that none speaks for another.
 *
 * @param requests one for each manifest
 * @returns in the order of the manifests
 * @throws OtbError `plugin-uninspectable` when the code of one fails, hangs or prints something else
 */
export async function inspectPlugins(
  manifests: Manifest[],
  root: string,
  requests: InspectionRequest[],
): Promise<Inspection[]> {
  const alone = (which: number[]) => which.map((index) => ask([manifests[index]!], root, [requests[index]!]));
  const all = [...manifests.keys()];
  const own = all.filter((index) => manifests[index]!.directory.startsWith(`${root}/plugins/`));
  const others = all.filter((index) => !own.includes(index));
  const together = async () => {
    if (own.length === 0) return [];
    try {
      return await ask(own.map((index) => manifests[index]!), root, own.map((index) => requests[index]!));
    } catch (error) {
      if (own.length === 1) throw error;
      // Which one it is shows alone.
      return (await Promise.all(alone(own))).flat();
    }
  };
  const [mine, theirs] = await Promise.all([together(), Promise.all(alone(others))]);
  const answers = [...mine, ...theirs.flat()];
  return all.map((index) => answers[[...own, ...others].indexOf(index)]!);
}

async function ask(
  manifests: Manifest[],
  root: string,
  requests: InspectionRequest[],
): Promise<Inspection[]> {
  const line = `import { inspect as main } from ${
    JSON.stringify(new URL("./inspect_main.ts", import.meta.url).href)
  };`;
  const answers = await inRoom<unknown>({ line, purpose: "check the settings" }, manifests, root, requests);
  if (Array.isArray(answers) && answers.length === manifests.length) return answers;
  throw new OtbError(
    "plugin-uninspectable",
    `Cannot check the settings of plugin "${
      manifests.map(({ name }) => name).join('", "')
    }" as its code does not answer`,
  );
}
