import assert from "node:assert/strict";
import { parseOptions } from "./cli.ts";
import { rustFuzzers } from "./rust.ts";
import { typescriptFuzzers } from "./typescript.ts";

const text = (path: string) => Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));

Deno.test("every fuzzer stands in the list of what hostile input reaches, and every one that stands there exists", () => {
  const listed = [...text("tests/fuzz/README.md").matchAll(/\| `([a-z-]+\/[a-z0-9_]+)`\s*\|$/gm)].map((
    [, name],
  ) => name!);
  const names = [...rustFuzzers(), ...typescriptFuzzers()].map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(listed.toSorted(), names.toSorted());
});

Deno.test("every body of the native library is a target, and has inputs that are kept", () => {
  const bodies = [...Deno.readDirSync(new URL("../../core/native/src/fuzz", import.meta.url))].map((
    { name },
  ) => `native/${name.replace(".rs", "")}`);
  assert.deepEqual(rustFuzzers().map(({ name }) => name).toSorted(), bodies.toSorted());
  for (const { name } of rustFuzzers()) {
    const kept = text(`core/native/testdata/fuzz/${name.replace("native/", "")}.txt`);
    assert.match(kept, /^(([0-9a-f]{2})+\n)+$/);
  }
});

Deno.test("the native fuzzer is built of the same crates as the library, in the same versions", () => {
  const crates = (manifest: string) =>
    manifest.slice(manifest.indexOf("[dependencies]")).split("\n\n")[0]!.split("\n").slice(1)
      .filter((line) => line && !line.startsWith("libfuzzer-sys"));
  const [own, fuzzed] = [text("core/native/Cargo.toml"), text("core/native/fuzz/Cargo.toml")].map(crates);
  assert.deepEqual(fuzzed, own);
  const versions = (lock: string) =>
    new Map(
      [...lock.matchAll(/name = "(.+)"\nversion = "(.+)"/g)].map(([, name, version]) => [name!, version!]),
    );
  const [locked, other] = [versions(text("Cargo.lock")), versions(text("core/native/fuzz/Cargo.lock"))];
  for (const line of own!) {
    const name = line.split(" ")[0]!;
    assert.equal(other.get(name), locked.get(name), name);
  }
});

Deno.test("the command line is taken as it says, or refused in a sentence", () => {
  const { text, minutes, jobs, keep } = parseOptions([]) as Exclude<ReturnType<typeof parseOptions>, string>;
  assert.deepEqual([text, minutes, jobs, keep], ["", 10, 1, false]);
  assert.equal((parseOptions(["aead", "--minutes", "0.1"]) as { minutes: number }).minutes, 0.1);
  for (
    const [words, refusal] of [
      [["--minutes"], /^--minutes must be a number/],
      [["--minutes", "no"], /current value is "no"$/],
      [["--jobs", "1.5"], /^--jobs must be/],
      [["--nothing"], /^the option is unknown: current value is "--nothing"$/],
      [["one", "two"], /^one text at most/],
      [["--input"], /^--input must name a file/],
    ] as [string[], RegExp][]
  ) assert.match(String(parseOptions(words)), refusal);
});
