// The way to a core.
import { requireInitialised } from "../enrol/init.ts";
import { statePaths } from "../enrol/paths.ts";
import { remoteCore } from "./remote.ts";
import type { Author, Core } from "./types.ts";
import { personHere } from "./author.ts";

/**
 * The core of a state directory: the running one, or its files while none runs.
 *
 * @throws OtbError `not-initialised`, `state-not-writable`
 */
export async function connect(stateDirectory: string, author: Author = personHere()): Promise<Core> {
  const paths = statePaths(stateDirectory);
  let stream: Deno.Conn | undefined;
  try {
    stream = await Deno.connect({ transport: "unix", path: paths.socket });
  } catch {
    requireInitialised(paths);
    // With it comes all that a core is made of: who asks a running one does not wait for that.
    const { localCore } = await import("./local.ts");
    return await localCore(paths, author);
  }
  return remoteCore(stream, author);
}
