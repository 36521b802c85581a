// The way to a core.
import { requireInitialised } from "../enrol/init.ts";
import { statePaths } from "../enrol/paths.ts";
import { localCore } from "./local.ts";
import { remoteCore } from "./remote.ts";
import type { Core } from "./types.ts";

/**
 * The core of a state directory: the running one, or its files while none runs.
 *
 * @throws OtbError `not-initialised`, `state-not-writable`
 */
export async function connect(stateDirectory: string): Promise<Core> {
  const paths = statePaths(stateDirectory);
  let stream: Deno.Conn | undefined;
  try {
    stream = await Deno.connect({ transport: "unix", path: paths.socket });
  } catch {
    requireInitialised(paths);
    return await localCore(paths);
  }
  return remoteCore(stream);
}
