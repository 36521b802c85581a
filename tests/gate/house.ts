// The house as it stands: every module with its imports, as Deno itself resolves them.
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Edge, House } from "./arch.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const ROOMS = ["core", "plugins", "webui", "cloud", "image", "tests"];

interface Dependency {
  code?: { specifier?: string };
  type?: { specifier?: string };
  isDynamic?: boolean;
}

/** Reads the tree. @throws Error when a module cannot be resolved */
export async function readHouse(root = ROOT): Promise<House> {
  const tree = readTree(root);
  return {
    ...tree,
    edges: await edges(root, Object.keys(tree.sources)),
    imports: json(`${root}/deno.json`).imports,
  };
}

/** What stands in the tree, without who imports whom. */
export function readTree(root = ROOT): Pick<House, "sources" | "manifests"> {
  const paths = ROOMS.flatMap((room) => modules(`${root}/${room}`)).map((path) => relative(root, path));
  return {
    sources: Object.fromEntries(paths.map((path) => [path, Deno.readTextFileSync(`${root}/${path}`)])),
    manifests: Object.fromEntries(
      pluginFolders(root).map((name) => [name, json(`${root}/plugins/${name}/deno.json`).otb ?? {}]),
    ),
  };
}

/** Names of the folders in plugins/ that have a manifest, the template included. */
export function pluginFolders(root = ROOT): string[] {
  return [...Deno.readDirSync(`${root}/plugins`)].filter(({ name, isDirectory }) =>
    isDirectory && exists(`${root}/plugins/${name}/deno.json`)
  ).map(({ name }) => name).sort();
}

async function edges(root: string, paths: string[]): Promise<Edge[]> {
  // One module that imports all others gives one graph.
  const entry = await Deno.makeTempFile({ prefix: "otb-house-", suffix: ".ts" });
  try {
    await Deno.writeTextFile(
      entry,
      paths.map((path) => `import ${JSON.stringify(`file://${root}/${path}`)};\n`).join(""),
    );
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-lock", "--config", `${root}/deno.json`, entry],
      stdin: "null",
    }).output();
    if (!success) throw new Error(`deno info failed: ${new TextDecoder().decode(stderr)}`);
    const graph = JSON.parse(new TextDecoder().decode(stdout)) as {
      modules: { specifier: string; dependencies?: Dependency[] }[];
    };
    const shown = (specifier: string) =>
      specifier.startsWith(`file://${root}/`) ? specifier.slice(`file://${root}/`.length) : specifier;
    return graph.modules.filter(({ specifier }) => specifier.startsWith(`file://${root}/`)).flatMap((
      module,
    ) =>
      (module.dependencies ?? []).flatMap(({ code, type, isDynamic }) => {
        const to = code?.specifier ?? type?.specifier;
        return to
          ? [{ from: shown(module.specifier), to: shown(to), typeOnly: !code, dynamic: isDynamic === true }]
          : [];
      })
    );
  } finally {
    await Deno.remove(entry);
  }
}

function modules(folder: string): string[] {
  if (!exists(folder)) return [];
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) {
      return name.startsWith(".") || name === "node_modules" || name === "target" ? [] : modules(path);
    }
    return /\.tsx?$/.test(name) ? [path] : [];
  }).sort();
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch {
    return false;
  }
}

// deno-lint-ignore no-explicit-any
function json(path: string): any {
  return JSON.parse(Deno.readTextFileSync(path));
}
