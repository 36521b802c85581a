// Asks one plugin's own code what is pure in its declarations, in a process that may do nothing else.
import { OtbError } from "../contract/mod.ts";
import type { Consulted, Question } from "./consult_main.ts";
import type { Manifest } from "./manifest.ts";
import { inRoom } from "./room.ts";

/** The plugin's answer. @throws OtbError what it throws, and `plugin-uninspectable` */
export async function consult<T>(
  manifest: Pick<Manifest, "name" | "directory">,
  root: string,
  question: Question,
): Promise<T> {
  const line = `import { consult as main } from ${
    JSON.stringify(new URL("./consult_main.ts", import.meta.url).href)
  };`;
  const consulted = await inRoom<Consulted>({ line, purpose: "ask the code" }, [manifest], root, question);
  if ("value" in consulted) return consulted.value as T;
  const { code, message, next } = consulted.error;
  throw new OtbError(code, message, next);
}
