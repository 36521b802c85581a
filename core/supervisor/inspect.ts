// Asks a plugin's own code about proposed settings, in a process that may do nothing else.
import type { Inspection, InspectionRequest } from "./inspect_main.ts";
import type { Manifest } from "./manifest.ts";
import { inRoom } from "./room.ts";

/**
 * Parses and checks settings with each plugin's schema, all in one process: about 100 ms of processor time, and 10 ms more for
 * each plugin. These are plugins of one tree, which trust each other; one that comes from elsewhere has to be asked alone.
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
  try {
    return await ask(manifests, root, requests);
  } catch (error) {
    if (manifests.length === 1) throw error;
    // Which one it is shows alone.
    const alone = manifests.map((manifest, index) => ask([manifest], root, [requests[index]!]));
    return (await Promise.all(alone)).flat();
  }
}

function ask(manifests: Manifest[], root: string, requests: InspectionRequest[]): Promise<Inspection[]> {
  const line = `import { inspect as main } from ${
    JSON.stringify(new URL("./inspect_main.ts", import.meta.url).href)
  };`;
  return inRoom({ line, purpose: "check the settings" }, manifests, root, requests);
}
