import assert from "node:assert/strict";
import { nativeLibraryPath } from "./ffi.ts";

const ffi = new URL("./ffi.ts", import.meta.url).href;

/** Runs a line of code against the library with these flags, and returns what it printed. */
async function deno(flags: string[], env: Record<string, string>, code: string): Promise<string> {
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const file = await Deno.makeTempFile({ prefix: "otb", suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, `import { openNative } from "${ffi}";\n${code}`);
    const args = ["run", "--no-prompt", "--no-lock", "--config", config, ...flags, file];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env }).output();
    return new TextDecoder().decode(stdout) || new TextDecoder().decode(stderr);
  } finally {
    await Deno.remove(file);
  }
}

const show = `try { const native = openNative(); console.log(native.path, typeof native.randomUint32()); }
catch (error) { console.log(error.code, error.next); }`;

Deno.test("the permission for one path is all that is needed", async () => {
  const path = nativeLibraryPath();
  assert.equal((await deno([`--allow-ffi=${path}`], {}, show)).trim(), `${path} number`);
});

Deno.test("without permission or library it says what to do", async () => {
  assert.equal((await deno([], {}, show)).trim(), "native-missing run ./otb build");
  const env = { OTB_NATIVE: "/nowhere/libotb_native.so" };
  assert.equal((await deno(["-A"], env, show)).trim(), "native-missing run ./otb build");
});
