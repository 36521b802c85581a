// `deno run -A tests/gate/docs.ts [--check]`: the tables of settings in the plugins' READMEs, generated from their schemas.
import { fileURLToPath } from "node:url";
import { toJSONSchema } from "zod/v4/core";
import { settingsTable, withSettings } from "./docs_table.ts";
import { pluginFolders } from "./house.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** Writes every table, or with `checkOnly` says which ones are out of step. */
export async function docs({ checkOnly }: { checkOnly: boolean }): Promise<string[]> {
  const complaints: string[] = [];
  for (const plugin of pluginFolders()) {
    const path = `plugins/${plugin}/README.md`;
    try {
      const { default: { config } } = await import(`file://${ROOT}/plugins/${plugin}/mod.ts`);
      const text = await Deno.readTextFile(`${ROOT}/${path}`);
      const next = withSettings(
        text,
        settingsTable(toJSONSchema(config, { io: "input", unrepresentable: "any" })),
      );
      if (next === text) continue;
      if (checkOnly) complaints.push(`${path} is out of step with config.ts: deno run -A tests/gate/docs.ts`);
      else await Deno.writeTextFile(`${ROOT}/${path}`, next);
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
