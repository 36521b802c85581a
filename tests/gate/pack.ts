// Packs the contract as the npm package @otb/plugin, for plugins that are written outside this tree: `deno task pack [FOLDER]`.
// JavaScript for whatever runs it, and beside it the sources, which are its types and its documentation.
import { fileURLToPath } from "node:url";
import { CONTRACT_VERSION } from "@otb/plugin";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
/** What the contract is made of beside itself. */
const BESIDE = ["net/model.ts", "net/numbers.ts"];
const ENTRIES = { ".": "mod", "./testing": "contract/testing/mod" };

/** Writes the package into a folder. @returns its path @throws Error when the contract cannot be packed */
export async function pack(folder: string): Promise<string> {
  const work = await Deno.makeTempDir({ prefix: "otb-pack-" });
  try {
    const sources = `${work}/sources`;
    await stage(sources);
    // The types of facts come from their schemas, which Deno's quick way to types cannot follow: the sources go along instead.
    await run(
      sources,
      ...[Deno.execPath(), "pack", "--quiet", "--allow-dirty", "--allow-slow-types", "--no-source-maps"],
      ...["--output", `${work}/compiled.tgz`],
    );
    await run(work, "tar", "-xzf", "compiled.tgz");
    await run(
      work,
      "cp",
      "-r",
      ...["mod.ts", "contract", "net"].map((name) => `${sources}/${name}`),
      "package",
    );
    const path = `${work}/package/package.json`;
    const manifest = JSON.parse(await Deno.readTextFile(path));
    manifest.types = "./mod.ts";
    manifest.exports = Object.fromEntries(
      Object.entries(ENTRIES).map((
        [name, file],
      ) => [name, { types: `./${file}.ts`, default: `./${file}.js` }]),
    );
    await Deno.writeTextFile(path, `${JSON.stringify(manifest, null, 2)}\n`);
    const archive = `${await Deno.realPath(folder)}/otb-plugin-${CONTRACT_VERSION}.tgz`;
    await run(work, "tar", "-czf", archive, "package");
    return archive;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function stage(to: string): Promise<void> {
  await Deno.mkdir(`${to}/net`, { recursive: true });
  await copy(`${ROOT}/core/contract`, `${to}/contract`);
  for (const path of BESIDE) await Deno.copyFile(`${ROOT}/core/${path}`, `${to}/${path}`);
  await Deno.copyFile(`${ROOT}/LICENSE`, `${to}/LICENSE`);
  await Deno.copyFile(`${ROOT}/plugins/README.md`, `${to}/README.md`);
  await Deno.writeTextFile(`${to}/mod.ts`, 'export * from "./contract/mod.ts";\n');
  const { imports } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  const manifest = {
    name: "@otb/plugin",
    version: CONTRACT_VERSION,
    license: "Apache-2.0",
    exports: Object.fromEntries(Object.entries(ENTRIES).map(([name, file]) => [name, `./${file}.ts`])),
    imports: Object.fromEntries(["zod", "ipaddr.js"].map((name) => [name, imports[name]])),
  };
  await Deno.writeTextFile(`${to}/deno.json`, JSON.stringify(manifest));
}

async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copy(`${from}/${name}`, `${to}/${name}`);
    else if (!name.endsWith("_test.ts")) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

async function run(cwd: string, program: string, ...args: string[]): Promise<void> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, cwd, stdin: "null" }).output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(`Cannot pack the contract: ${decoder.decode(stdout)}${decoder.decode(stderr)}`);
  }
}

if (import.meta.main) console.log(await pack(Deno.args[0] ?? "."));
