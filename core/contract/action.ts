// What a plugin can be asked to do.
import type * as z from "zod/mini";
import type { Json } from "./json.ts";

/** One declaration that is a CLI verb, a web button and an RPC call. */
export interface Action {
  summary: string;
  /** zod schema of the arguments; absent when there are none. */
  args?: z.ZodMiniType;
  run(args: unknown): Json | Promise<Json>;
}
