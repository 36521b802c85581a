// Packs the contract as the npm package @otb/plugin, for plugins that are written outside this tree: `deno task pack [FOLDER]`.
// JavaScript with types, for Deno and for whatever else reads npm packages; its version is the contract's.
import { runCommand } from "./command.ts";
import { CONTRACT_VERSION } from "./plugin.ts";

const CORE = new URL("..", import.meta.url).pathname;
/** What the contract is made of beside itself. */
const BESIDE = ["net/model.ts", "net/numbers.ts"];
const LEFT_OUT = /(_test\.ts|^pack\.ts)$/;

/** Writes the package into a folder. @returns its path @throws Error when the contract cannot be packed */
export async function pack(folder: string): Promise<string> {
  const { imports } = JSON.parse(await Deno.readTextFile(`${CORE}../deno.json`));
  const staged = await Deno.makeTempDir({ prefix: "otb-pack-" });
  try {
    await copy(`${CORE}contract`, `${staged}/contract`);
    await Deno.mkdir(`${staged}/net`);
    for (const path of BESIDE) await Deno.copyFile(`${CORE}${path}`, `${staged}/${path}`);
    await Deno.copyFile(`${CORE}../LICENSE`, `${staged}/LICENSE`);
    await Deno.copyFile(`${CORE}../plugins/README.md`, `${staged}/README.md`);
    // Types alone make no dependency: whoever declares settings needs zod.
    await Deno.writeTextFile(`${staged}/mod.ts`, 'import "zod/mini";\nexport * from "./contract/mod.ts";\n');
    const manifest = {
      name: "@otb/plugin",
      version: CONTRACT_VERSION,
      license: "Apache-2.0",
      exports: { ".": "./mod.ts", "./testing": "./contract/testing.ts" },
      imports: Object.fromEntries(["zod", "ipaddr.js"].map((name) => [name, imports[name]])),
    };
    await Deno.writeTextFile(`${staged}/deno.json`, JSON.stringify(manifest));
    const output = `${await Deno.realPath(folder)}/otb-plugin-${CONTRACT_VERSION}.tgz`;
    const args = ["pack", "--quiet", "--allow-dirty", "--no-source-maps", "--output", output];
    const { success, stdout, stderr } = await runCommand(Deno.execPath(), {
      args,
      cwd: staged,
      withinMs: 120_000,
    });
    if (!success) throw new Error(`Cannot pack the contract: ${stdout}${stderr}`);
    return output;
  } finally {
    await Deno.remove(staged, { recursive: true });
  }
}

async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (LEFT_OUT.test(name)) continue;
    if (isDirectory) await copy(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

if (import.meta.main) console.log(await pack(Deno.args[0] ?? "."));
