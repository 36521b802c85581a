// Who asks something of a core: told once on a connection, noted with what is changed.
import type { Author } from "./types.ts";

const VIA: readonly Author["via"][] = ["cli", "web", "cloud", "core"];
const MOST_NAME = 64;

/** Whoever can reach a core without saying more: its socket is root's. */
export const ROOT: Author = { via: "cli", name: "root" };

/** The person at this machine: the one behind sudo where there is one. */
export function personHere(): Author {
  return { via: "cli", name: Deno.env.get("SUDO_USER") ?? Deno.env.get("USER") ?? "otb" };
}

/** What the other side of a connection says of itself. */
export function readAuthor(said: unknown): Author {
  const { via, name } = (said ?? {}) as Partial<Author>;
  if (!VIA.includes(via!) || typeof name !== "string" || name === "") return ROOT;
  return { via: via!, name: name.slice(0, MOST_NAME) };
}
