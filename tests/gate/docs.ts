// `deno run -A tests/gate/docs.ts [--check]`: what is generated: settings in the plugins' READMEs, from their schemas; the page of
// facts, from their declarations and the manifests; and what plugins declare as data (declared.json), from their code.
import { fileURLToPath } from "node:url";
import { toJSONSchema } from "zod/v4/core";
import { settingsTable, withSection } from "./docs_table.ts";
import { pluginFolders, readTree } from "./house.ts";
import { CORE_FACTS } from "../../core/running/facts.ts";
import { declarationsOf } from "../../core/contract/declared.ts";
import { readDeclared } from "../../core/supervisor/declared.ts";
import { declarations, drawn, factsTable } from "./facts.ts";
import { LINK_LOSS } from "./link_loss.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** Writes every page, or with `checkOnly` says which ones are out of step. */
export async function docs({ checkOnly }: { checkOnly: boolean }): Promise<string[]> {
  const complaints: string[] = [];
  const pages: [path: string, write: (text: string) => Promise<string>][] = [
    ...pluginFolders().map((plugin): typeof pages[number] => [
      `plugins/${plugin}/README.md`,
      (text) => settingsPage(plugin, text),
    ]),
    ["plugins/FACTS.md", factsPage],
    ...pluginFolders().map((plugin): typeof pages[number] => [
      `plugins/${plugin}/declared.json`,
      (text) => declaredPage(plugin, text),
    ]),
  ];
  for (const [path, write] of pages) {
    try {
      const text = path.endsWith(".json")
        ? await Deno.readTextFile(`${ROOT}/${path}`).catch(() => "")
        : await Deno.readTextFile(`${ROOT}/${path}`);
      const next = await write(text);
      if (next === text) continue;
      if (checkOnly) complaints.push(`${path} is out of step with the code: deno run -A tests/gate/docs.ts`);
      else await Deno.writeTextFile(`${ROOT}/${path}`, next);
    } catch (error) {
      complaints.push(`${path}: ${(error as Error).message}`);
    }
  }
  return complaints;
}

async function settingsPage(plugin: string, text: string): Promise<string> {
  const { default: { config } } = await import(`file://${ROOT}/plugins/${plugin}/mod.ts`);
  const table = settingsTable(toJSONSchema(config, { io: "input", unrepresentable: "any" }));
  return withSection(text, "settings", table);
}

/** What there is to declare; who declares nothing needs no file. */
async function declaredPage(plugin: string, text: string): Promise<string> {
  const { default: module } = await import(`file://${ROOT}/plugins/${plugin}/mod.ts`);
  const content = JSON.stringify(declarationsOf(module), null, 2);
  if (text !== "") readDeclared(`${ROOT}/plugins/${plugin}`);
  return text === "" && content === "{}" ? "" : `${content}\n`;
}

function factsPage(text: string): Promise<string> {
  const { sources, manifests } = readTree();
  const known = { sources, parts: { ...manifests, core: CORE_FACTS } };
  const keys = declarations(sources).map(({ key }) => key);
  return Promise.resolve(
    withSection(withSection(text, "facts", factsTable(known)), "loss", drawn(LINK_LOSS, keys)),
  );
}

if (import.meta.main) {
  const complaints = await docs({ checkOnly: Deno.args.includes("--check") });
  for (const complaint of complaints) console.error(complaint);
  // Plugins that were imported may hold the process open.
  Deno.exit(complaints.length > 0 ? 1 : 0);
}
