// What a plugin can be asked to do.
import type * as z from "zod/mini";
import type { Json } from "./json.ts";

/** One declaration that is a CLI verb, a web button and an RPC call. */
export interface Action<Running, Args = undefined> {
  summary: string;
  /** zod schema of the arguments; absent when there are none. */
  args?: z.ZodMiniType<Args>;
  /** @param running what `start` resolved with */
  run(running: Running, args: Args): Json | Promise<Json>;
}

/** Types an action: `action({ summary, args, run: (running: Mine, { link }) => ... })`. */
export function action<Running, Args = undefined>(declared: Action<Running, Args>): Action<Running, Args> {
  return declared;
}
