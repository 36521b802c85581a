// `deno run -A tests/docs.ts [--check]`: what is generated from plugins' code: the tables of settings in their READMEs, and what
// they declare as data (declared.json).
import { fileURLToPath } from "node:url";
import { toJSONSchema } from "zod/v4/core";
import { declarationsOf } from "../core/contract/declared.ts";
import { readDeclared } from "../core/supervisor/declared.ts";
import { settingsTable, withSettings } from "./docs_table.ts";
import { pluginFolders } from "./house.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/** Writes every table and declaration, or with `checkOnly` says which ones are out of step. */
export async function docs({ checkOnly }: { checkOnly: boolean }): Promise<string[]> {
  const complaints: string[] = [];
  /** Has a file be as it should. */
  const have = async (path: string, text: string | undefined, next: string, source: string) => {
    if (next === text) return;
    if (checkOnly) complaints.push(`${path} is out of step with ${source}: deno run -A tests/docs.ts`);
    else await Deno.writeTextFile(`${ROOT}/${path}`, next);
  };
  for (const plugin of pluginFolders()) {
    const path = `plugins/${plugin}/README.md`, declared = `plugins/${plugin}/declared.json`;
    try {
      const { default: module } = await import(`file://${ROOT}/plugins/${plugin}/mod.ts`);
      const text = await Deno.readTextFile(`${ROOT}/${path}`);
      const schema = toJSONSchema(module.config, { io: "input", unrepresentable: "any" });
      await have(path, text, withSettings(text, settingsTable(schema)), "config.ts");
      const known = await Deno.readTextFile(`${ROOT}/${declared}`).catch(() => undefined);
      const content = JSON.stringify(declarationsOf(module), null, 2);
      if (known !== undefined || content !== "{}") await have(declared, known, `${content}\n`, "mod.ts");
      readDeclared(`${ROOT}/plugins/${plugin}`);
    } catch (error) {
      complaints.push(`${path}: ${(error as Error).message}`);
    }
  }
  return complaints;
}

if (import.meta.main) {
  const complaints = await docs({ checkOnly: Deno.args.includes("--check") });
  for (const complaint of complaints) console.error(complaint);
  // Plugins that were imported may hold the process open.
  Deno.exit(complaints.length > 0 ? 1 : 0);
}
