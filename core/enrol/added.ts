// Plugins of others, which root adds from a folder anywhere: what is added is a copy that root alone can change, so that what a person
// agreed to is what runs, whoever may write to the folder later.
import { OtbError } from "../contract/mod.ts";
import { consult } from "../supervisor/consult.ts";
import { readDeclared } from "../supervisor/declared.ts";
import { inspectPlugins } from "../supervisor/inspect.ts";
import { type Manifest, parseManifest } from "../supervisor/manifest.ts";
import { describePermissions } from "../supervisor/sandbox.ts";
import { requireInitialised } from "./init.ts";
import { makeDirectories, statePaths } from "./paths.ts";

/** What a copy goes without: packages come from otb itself, and tests are not run there. */
const LEFT_OUT = /^(node_modules|\..*|.*_test\.ts)$/;
/** A plugin is some files of text; who names a folder with everything in it made a slip. */
const MOST_FILES = 500;

/** A plugin that was added, in words for a person. */
export interface AddedPlugin {
  name: string;
  version: string;
  summary: string;
  tier: "sandboxed" | "trusted";
  /** What it may do. */
  permissions: string[];
  /** It was there before, as another copy. */
  replaces: boolean;
}

/**
 * Copies a plugin's folder to where the next start of the core finds it, in place of an earlier copy.
 *
 * @param trusted root agrees to a plugin that has the rights of root
 * @throws OtbError `manifest-invalid` and the like, `plugin-not-trusted`, `plugin-name-taken`, `program-missing`, `plugin-uninspectable`, `declared-invalid`
 */
export async function addPlugin(
  stateDirectory: string,
  folder: string,
  { trusted }: { trusted: boolean },
): Promise<AddedPlugin> {
  const places = statePaths(stateDirectory);
  requireInitialised(places);
  const manifest = manifestIn(folder);
  const { name, version, summary, tier } = manifest;
  if (exists(`${places.plugins}/${name}`)) {
    throw new OtbError(
      "plugin-name-taken",
      `Cannot add the plugin as otb has one of that name: current value is "${name}"`,
      'Give it another one: "name" in its deno.json.',
    );
  }
  const permissions = describePermissions(manifest);
  if (tier === "trusted" && !trusted) {
    throw new OtbError(
      "plugin-not-trusted",
      `Cannot add the plugin "${name}" without your consent as it will have the rights of root: it ${
        permissions.join("; it ") || "asks for nothing more"
      }`,
      `If you trust who made it: otb plugin add ${folder} --trust`,
    );
  }
  for (const { name: program, debian } of manifest.programs) {
    if (["/usr/sbin", "/usr/bin", "/sbin", "/bin"].some((path) => exists(`${path}/${program}`))) continue;
    throw new OtbError(
      "program-missing",
      `Cannot add the plugin "${name}" as a program that it runs must be there: current value is "${program}"`,
      `apt-get install -y ${debian}`,
    );
  }
  makeDirectories(places);
  Deno.mkdirSync(places.added, { recursive: true, mode: 0o700 });
  const making = `${places.added}/.${name}-${Deno.pid}`, target = `${places.added}/${name}`;
  const replaces = exists(target);
  try {
    copyPlain(folder, making, { left: MOST_FILES });
    // The copy is asked, in a process that may do nothing: who wrote to the folder meanwhile is found out, too.
    const copied = { ...manifestIn(making), directory: making };
    if (copied.tier === "trusted" && !trusted || copied.name !== name) {
      throw new OtbError("plugin-changed", `Cannot add the plugin "${name}" as its folder changed meanwhile`);
    }
    const world = { network: { role: manifest.roles[0]!, peers: [] }, links: [] };
    const [inspection] = await inspectPlugins([copied], places.root, [{ config: {}, world }]);
    const [issue] = inspection!.issues;
    if (issue) {
      throw new OtbError(
        "plugin-defaults",
        `Cannot add the plugin "${name}" as every setting must have a default: ${
          issue.path.join(".")
        }: ${issue.message}`,
      );
    }
    // What its folder says of its verbs and pages may be of before its last change: its code says it anew.
    const declared = await consult(copied, places.root, { kind: "declare" });
    Deno.writeTextFileSync(`${making}/declared.json`, JSON.stringify(declared, null, 2), { mode: 0o644 });
    readDeclared(making);
    if (replaces) Deno.removeSync(target, { recursive: true });
    Deno.renameSync(making, target);
  } finally {
    if (exists(making)) Deno.removeSync(making, { recursive: true });
  }
  return { name, version, summary, tier, permissions, replaces };
}

/**
 * Takes a copy away; the next start is without it.
 *
 * @param forget takes its settings away, before
 * @throws OtbError `plugin-unknown`
 */
export async function removePlugin(
  stateDirectory: string,
  name: string,
  forget: () => Promise<void>,
): Promise<void> {
  const target = `${statePaths(stateDirectory).added}/${name}`;
  if (!/^[a-z][a-z0-9-]*$/.test(name) || !exists(target)) {
    throw new OtbError(
      "plugin-unknown",
      `Cannot remove the plugin as nobody added one of that name: current value is "${name}"`,
      "otb plugin list",
    );
  }
  await forget();
  Deno.removeSync(target, { recursive: true });
}

function manifestIn(folder: string): Manifest {
  try {
    return parseManifest(Deno.readTextFileSync(`${folder}/deno.json`), folder);
  } catch (error) {
    if (error instanceof OtbError) throw error;
    throw new OtbError(
      "manifest-invalid",
      `Cannot add a plugin as its folder must hold a deno.json: current value is "${folder}" (${
        (error as Error).message
      })`,
      "plugins/README.md says how to write one.",
    );
  }
}

/** Files and folders, and nothing that leads elsewhere. */
function copyPlain(from: string, to: string, count: { left: number }): void {
  Deno.mkdirSync(to, { mode: 0o755 });
  for (const { name, isDirectory, isFile } of Deno.readDirSync(from)) {
    if (LEFT_OUT.test(name)) continue;
    if (!isDirectory && !isFile || count.left-- <= 0) {
      throw new OtbError(
        "plugin-not-plain",
        `Cannot add a plugin as it must be at most ${MOST_FILES} plain files: current value is "${from}/${name}"`,
      );
    }
    if (isDirectory) copyPlain(`${from}/${name}`, `${to}/${name}`, count);
    else Deno.writeFileSync(`${to}/${name}`, Deno.readFileSync(`${from}/${name}`), { mode: 0o644 });
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
