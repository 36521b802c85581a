// The tree that the service runs: a copy that root alone can change, so that who may write to a checkout is not root by it.
import { OtbError, VERSION } from "../client/mod.ts";

/** Where copies lie; `current` is the one that runs. */
export const RELEASES = "/opt/otb";
/** Besides the running one, to go back to by hand. */
const KEPT = 2;
/** Marks a folder that was made here, and may be deleted. */
const MARK = ".otb-release";

/** What is copied of a tree; tests, their data and what is built stay behind. */
const FILES = ["otb", "deno.json", "deno.lock", "LICENSE", "README.md", "SECURITY.md"];
const FOLDERS = ["core", "plugins"];
const LEFT_OUT = /(_test|_bench)\.ts$|^(testing|testdata|node_modules|target|fuzz|src)$|^\./;

/** What a copy is made of. */
export interface Source {
  /** The otb tree. */
  root: string;
  /** The program, and its folder of packages (DENO_DIR). */
  deno: string;
  denoDir: string;
}

/**
 * Copies the tree to a folder of its own, checks that root alone can change it, and makes it the current one; a tree that is a
 * release already is only made current. Answers with the way to it that stays the same.
 *
 * @throws OtbError `release-not-safe`, `release-incomplete`
 */
export function installRelease(source: Source, releases = RELEASES): string {
  Deno.mkdirSync(releases, { recursive: true, mode: 0o755 });
  const root = Deno.realPathSync(source.root);
  const folder = dirname(root) === Deno.realPathSync(releases)
    ? root
    : copyRelease({ ...source, root }, releases);
  const weak = writableByOthers(folder);
  if (weak !== undefined) {
    throw new OtbError(
      "release-not-safe",
      `Cannot run otb as a service as root alone may be able to change what it runs: current value is "${weak}"`,
      `sudo chown root:root ${weak} && sudo chmod go-w ${weak}`,
    );
  }
  const next = `${releases}/.current-${Deno.pid}`;
  Deno.symlinkSync(basename(folder), next);
  Deno.renameSync(next, `${releases}/current`);
  prune(releases, basename(folder));
  return `${releases}/current`;
}

/** Deletes every release that was made here. */
export function removeReleases(releases = RELEASES): void {
  if (!exists(releases)) return;
  if (exists(`${releases}/current`)) Deno.removeSync(`${releases}/current`);
  for (const { name } of made(releases)) Deno.removeSync(`${releases}/${name}`, { recursive: true });
  // Something of a person's own may be there, too.
  if ([...Deno.readDirSync(releases)].length === 0) Deno.removeSync(releases);
}

/**
 * The first part of a tree, or folder on the way to it, that another user than root could change; undefined when there is none.
 * In a folder with the sticky bit, as /tmp, root's own is root's own.
 */
export function writableByOthers(path: string): string | undefined {
  for (let folder = dirname(path);; folder = dirname(folder)) {
    const { uid, gid, mode } = Deno.statSync(folder);
    const isSticky = ((mode ?? 0) & 0o1000) !== 0;
    if (uid !== 0 || !isSticky && isOpen(gid, mode)) return folder;
    if (folder === "/") break;
  }
  return weakWithin(path);
}

function weakWithin(path: string): string | undefined {
  const { uid, gid, mode, isDirectory, isSymlink } = Deno.lstatSync(path);
  // Where a link leads to is not looked at, so there is none.
  if (uid !== 0 || isSymlink || isOpen(gid, mode)) return path;
  if (!isDirectory) return undefined;
  for (const { name } of Deno.readDirSync(path)) {
    const weak = weakWithin(`${path}/${name}`);
    if (weak !== undefined) return weak;
  }
  return undefined;
}

function isOpen(gid: number | null, mode: number | null): boolean {
  return ((mode ?? 0) & 0o002) !== 0 || ((mode ?? 0) & 0o020) !== 0 && gid !== 0;
}

function copyRelease({ root, deno, denoDir }: Source, releases: string): string {
  const library = [`${root}/lib/libotb_native.so`, `${root}/target/release/libotb_native.so`].find(exists);
  if (!library || !exists(`${denoDir}/npm`)) {
    throw new OtbError(
      "release-incomplete",
      `Cannot copy otb as it must be built: current value is "${library ? `${denoDir}/npm` : root}"`,
      "./otb build",
    );
  }
  const making = `${releases}/.making-${Deno.pid}`;
  try {
    makeFolder(making);
    for (const name of FILES) if (exists(`${root}/${name}`)) copy(`${root}/${name}`, `${making}/${name}`);
    for (const name of FOLDERS) copy(`${root}/${name}`, `${making}/${name}`);
    makeFolder(`${making}/lib`);
    copyFile(Deno.realPathSync(library), `${making}/lib/libotb_native.so`);
    const program = `.cache/deno-${Deno.version.deno}/node_modules/deno`;
    makeFolder(`${making}/${program}`);
    copyFile(Deno.realPathSync(deno), `${making}/${program}/deno`);
    makeFolder(`${making}/.cache/deno-dir`);
    copy(`${denoDir}/npm`, `${making}/.cache/deno-dir/npm`, /^$/);
    // The launcher compares times: packages are newer than the list of them.
    Deno.writeTextFileSync(`${making}/.cache/npm-packages`, "", { mode: 0o644 });
    Deno.writeTextFileSync(`${making}/${MARK}`, `${VERSION}\n`, { mode: 0o644 });
    let name = VERSION;
    for (let number = 2; exists(`${releases}/${name}`); number++) name = `${VERSION}-${number}`;
    Deno.renameSync(making, `${releases}/${name}`);
    return `${Deno.realPathSync(releases)}/${name}`;
  } finally {
    if (exists(making)) Deno.removeSync(making, { recursive: true });
  }
}

function copy(from: string, to: string, leftOut = LEFT_OUT): void {
  const { isDirectory, isSymlink } = Deno.lstatSync(from);
  if (isSymlink) {
    throw new OtbError(
      "release-not-safe",
      `Cannot copy otb as its files must be plain ones: current value is "${from}", a link to elsewhere`,
      "Put the file itself there.",
    );
  }
  if (!isDirectory) return copyFile(from, to);
  makeFolder(to);
  for (const { name } of Deno.readDirSync(from)) {
    if (!leftOut.test(name)) copy(`${from}/${name}`, `${to}/${name}`, leftOut);
  }
}

function copyFile(from: string, to: string): void {
  // The copy is this process's, so root's, whoever the original belongs to.
  Deno.copyFileSync(from, to);
  Deno.chmodSync(to, ((Deno.statSync(from).mode ?? 0) & 0o111) !== 0 ? 0o755 : 0o644);
}

function makeFolder(path: string): void {
  Deno.mkdirSync(path, { recursive: true });
  Deno.chmodSync(path, 0o755);
}

/** Old ones beyond those that are kept, and what an interrupted run left, go. */
function prune(releases: string, current: string): void {
  const old = made(releases).filter(({ name }) => name !== current);
  for (const { name } of old.slice(KEPT)) Deno.removeSync(`${releases}/${name}`, { recursive: true });
}

/** Releases that were made here, newest first. */
function made(releases: string): { name: string; atMs: number }[] {
  return [...Deno.readDirSync(releases)].flatMap(({ name, isDirectory }) => {
    if (!isDirectory || !exists(`${releases}/${name}/${MARK}`)) return [];
    return [{ name, atMs: Deno.statSync(`${releases}/${name}/${MARK}`).mtime!.getTime() }];
  }).sort((a, b) => b.atMs - a.atMs);
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function dirname(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
