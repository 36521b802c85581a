// How what runs in the room (room.ts) answers.
import type { Json } from "../contract/mod.ts";

/** Prints an answer as JSON on standard output. */
export async function answer(value: Json | object): Promise<void> {
  // A pipe may take less than all at once.
  await Deno.stdout.writable.getWriter().write(new TextEncoder().encode(JSON.stringify(value)));
}
