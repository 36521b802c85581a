// The way to a core.
import { requireInitialised } from "../enrol/init.ts";
import { statePlaces } from "../enrol/places.ts";
import { personHere } from "./author.ts";
import { remoteCore } from "./remote.ts";
import type { Author, Core } from "./types.ts";

/**
 * The core of a state directory: the running one, or its files while none runs.
 *
 * @throws OtbError `not-initialised`, `state-not-writable`
 */
export async function connect(stateDirectory: string, author: Author = personHere()): Promise<Core> {
  const places = statePlaces(stateDirectory);
  let stream: Deno.Conn | undefined;
  try {
    stream = await Deno.connect({ transport: "unix", path: places.socket });
  } catch {
    requireInitialised(places);
    // With it comes all that a core is made of: who asks a running one does not wait for that.
    const { localCore } = await import("./local.ts");
    return await localCore(places, author);
  }
  return remoteCore(stream, author);
}
