// What the plugins of this tree declare, for faces that must know it without a core, and before there are settings.
import type { Finding, Machine } from "../contract/mod.ts";
import { statePaths } from "../enrol/paths.ts";
import { consult } from "../supervisor/consult.ts";
import { type Declared, readDeclared } from "../supervisor/declared.ts";

/** What one plugin declares. */
export interface DeclaredHere {
  plugin: string;
  declared: Declared;
}

let known: DeclaredHere[] | undefined;

/** Of every plugin, whatever its role; one whose declarations cannot be read has none. Read once. */
export function declaredHere(): DeclaredHere[] {
  return known ??= readAll(statePaths("/").plugins);
}

function readAll(directory: string): DeclaredHere[] {
  return folders(directory).flatMap((name) => {
    try {
      return [{ plugin: name, declared: readDeclared(`${directory}/${name}`) }];
    } catch {
      // It runs all the same, and the core says what is the matter.
      return [];
    }
  });
}

/** The first words of all verbs that they declare, without a look at all else, as every line that is printed asks for them. */
export function declaredWords(): string[] {
  const { plugins } = statePaths("/");
  return folders(plugins).flatMap((name) => {
    try {
      const text = Deno.readTextFileSync(`${plugins}/${name}/declared.json`);
      return [...text.matchAll(/"verb"\s*:\s*"([a-z][a-z0-9-]{0,31})[ "]/g)].map(([, word]) => word!);
    } catch {
      return [];
    }
  });
}

function folders(directory: string): string[] {
  return [...Deno.readDirSync(directory)].filter(({ name, isDirectory }) =>
    isDirectory && /^[a-z]/.test(name)
  )
    .map(({ name }) => name).sort();
}

/** What the plugins of this tree say of a machine on which otb does not run. */
export async function foreseen(machine: Machine): Promise<Finding[]> {
  const { plugins, root } = statePaths("/");
  const concerned = declaredHere().filter(({ declared }) => declared.foresight);
  const found = await Promise.all(
    concerned.map(async ({ plugin, declared: { foresight } }): Promise<Finding[]> => {
      const manifest = { name: plugin, directory: `${plugins}/${plugin}` };
      try {
        return await consult<Finding[]>(manifest, root, { kind: "foresee", machine });
      } catch (error) {
        return [{ name: foresight!.name, state: "warning", message: (error as Error).message }];
      }
    }),
  );
  return found.flat();
}
