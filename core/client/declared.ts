// What plugins declare, for faces that must know it without a core, and before there are settings.
import { basename } from "node:path";
import type { Finding, Machine } from "../contract/mod.ts";
import { statePaths } from "../enrol/paths.ts";
import { consult } from "../supervisor/consult.ts";
import { foldersIn } from "../supervisor/manifest.ts";
import { type Declared, readDeclared } from "../supervisor/declared.ts";

/** What one plugin declares. */
export interface DeclaredHere {
  plugin: string;
  directory: string;
  declared: Declared;
}

/** Of every plugin of the tree and of those added to a state, whatever its role; one whose declarations cannot be read has none. */
export function declaredHere(state: string): DeclaredHere[] {
  return folders(state).flatMap((directory) => {
    try {
      return [{ plugin: basename(directory), directory, declared: readDeclared(directory) }];
    } catch {
      // It runs all the same, and the core says what is the matter.
      return [];
    }
  });
}

/** The first words of all verbs that they declare, without a look at all else, as every line that is printed asks for them. */
export function declaredWords(state: string): string[] {
  return folders(state).flatMap((directory) => {
    try {
      const text = Deno.readTextFileSync(`${directory}/declared.json`);
      return [...text.matchAll(/"verb"\s*:\s*"([a-z][a-z0-9-]{0,31})[ "]/g)].map(([, word]) => word!);
    } catch {
      return [];
    }
  });
}

/** Whoever may not look into a state sees what the tree has. */
function folders(state: string): string[] {
  const { plugins, added } = statePaths(state);
  return [plugins, added].flatMap((directory) => {
    try {
      return foldersIn(directory);
    } catch {
      return [];
    }
  });
}

/** What plugins say of a machine on which otb does not run. */
export async function foreseen(state: string, machine: Machine): Promise<Finding[]> {
  const { root } = statePaths(state);
  const concerned = declaredHere(state).filter(({ declared }) => declared.foresight);
  const found = await Promise.all(
    concerned.map(async ({ plugin, directory, declared: { foresight } }): Promise<Finding[]> => {
      try {
        return await consult<Finding[]>({ name: plugin, directory }, root, { kind: "foresee", machine });
      } catch (error) {
        return [{ name: foresight!.name, state: "warning", message: (error as Error).message }];
      }
    }),
  );
  return found.flat();
}
