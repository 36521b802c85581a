import { strict as assert } from "node:assert";
import { fileURLToPath } from "node:url";
import { installRelease, removeReleases, writableByOthers } from "./release.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const asRoot = (name: string) => ({ name, ignore: Deno.uid() !== 0 || Deno.build.os !== "linux" });
/** Somebody who is not root. */
const PERSON = 65_533;

/** A tree of a person's, small but whole, and a folder for releases; gone at the end. */
class Place implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "otb" });
  readonly tree = `${this.folder}/checkout`;
  readonly releases = `${this.folder}/opt`;
  readonly source = { root: this.tree, deno: `${this.folder}/deno`, denoDir: `${this.folder}/deno-dir` };

  constructor() {
    Deno.chmodSync(this.folder, 0o755);
    const files = {
      ...{
        "otb": "#!/bin/sh\n",
        "deno.json": "{}",
        "core/main.ts": "old",
        "core/main_test.ts": "",
        "core/a/testdata/x": "",
      },
      ...{ "plugins/p/mod.ts": "", "lib/libotb_native.so": "library" },
    };
    for (const [name, text] of Object.entries(files)) this.write(`${this.tree}/${name}`, text);
    this.write(this.source.deno, "deno");
    this.write(`${this.source.denoDir}/npm/zod/index.js`, "");
    Deno.chmodSync(`${this.tree}/otb`, 0o775);
  }

  write(path: string, text: string): void {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(path, text, { mode: 0o664 });
    Deno.chownSync(path, PERSON, PERSON);
  }

  install(): string {
    return installRelease(this.source, this.releases);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test(
  asRoot("a tree that a person can change becomes a copy that root alone can, and is what runs"),
  () => {
    using place = new Place();
    assert.ok(writableByOthers(place.tree));
    const current = place.install();
    assert.equal(current, `${place.releases}/current`);
    const real = Deno.realPathSync(current);
    assert.equal(writableByOthers(real), undefined);
    Deno.writeTextFileSync(`${place.tree}/core/main.ts`, "changed by the person");
    assert.equal(Deno.readTextFileSync(`${current}/core/main.ts`), "old");
    assert.equal(Deno.statSync(`${current}/otb`).mode! & 0o777, 0o755);
    for (const path of ["lib/libotb_native.so", "plugins/p/mod.ts", ".cache/deno-dir/npm/zod/index.js"]) {
      assert.ok(Deno.statSync(`${current}/${path}`).isFile, path);
    }
    for (const path of ["core/main_test.ts", "core/a/testdata"]) {
      assert.throws(() => Deno.statSync(`${current}/${path}`), Deno.errors.NotFound);
    }
    // From a release itself nothing is copied.
    assert.equal(installRelease({ ...place.source, root: current }, place.releases), current);
    assert.equal(Deno.realPathSync(current), real);
  },
);

Deno.test(asRoot("a new one takes the place at once, two old ones are kept, and all go in the end"), () => {
  using place = new Place();
  const seen: string[] = [];
  for (let round = 0; round < 5; round++) {
    Deno.writeTextFileSync(`${place.tree}/core/main.ts`, `version ${round}`);
    seen.push(Deno.realPathSync(place.install()));
    assert.equal(Deno.readTextFileSync(`${place.releases}/current/core/main.ts`), `version ${round}`);
    // Which is older is told by the second at worst.
    const at = new Date(Date.now() - (10 - round) * 60_000);
    Deno.utimeSync(`${seen[round]}/.otb-release`, at, at);
  }
  assert.equal(new Set(seen).size >= 3, true);
  const there = [...Deno.readDirSync(place.releases)].filter(({ isDirectory }) => isDirectory).length;
  assert.equal(there, 3);
  Deno.mkdirSync(`${place.releases}/mine`);
  removeReleases(place.releases);
  assert.deepEqual([...Deno.readDirSync(place.releases)].map(({ name }) => name), ["mine"]);
  Deno.removeSync(`${place.releases}/mine`);
  removeReleases(place.releases);
  assert.throws(() => Deno.statSync(place.releases), Deno.errors.NotFound);
  removeReleases(place.releases);
});

Deno.test(
  asRoot("a place for releases that others can change is refused, and so is a link to elsewhere"),
  () => {
    using place = new Place();
    Deno.mkdirSync(place.releases);
    const refused = (code: string, about: RegExp) =>
      assert.throws(() => place.install(), (error: { code: string; message: string }) => {
        assert.equal(error.code, code);
        assert.match(error.message, about);
        return true;
      });
    Deno.chmodSync(place.releases, 0o777);
    refused("release-not-safe", /current value is ".*\/opt"/);
    Deno.chmodSync(place.releases, 0o755);
    Deno.chownSync(place.folder, PERSON, PERSON);
    refused("release-not-safe", /root alone/);
    Deno.chownSync(place.folder, 0, 0);
    Deno.symlinkSync("/etc/shadow", `${place.tree}/core/secret.ts`);
    refused("release-not-safe", /a link to elsewhere/);
    assert.throws(() => Deno.statSync(`${place.releases}/current`), Deno.errors.NotFound);
    Deno.removeSync(`${place.tree}/core/secret.ts`);
    Deno.removeSync(`${place.tree}/lib`, { recursive: true });
    refused("release-incomplete", /must be built/);
  },
);

Deno.test(asRoot("a release of this tree runs by itself: no npm, no cargo, no home"), async () => {
  using place = new Place();
  const source = {
    root: ROOT,
    deno: Deno.execPath(),
    denoDir: Deno.env.get("DENO_DIR") ?? `${ROOT}/.cache/deno-dir`,
  };
  const current = installRelease(source, place.releases);
  const { success, stdout, stderr } = await new Deno.Command(`${current}/otb`, {
    args: ["version", "--json"],
    clearEnv: true,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/nonexistent" },
  }).output();
  const said = new TextDecoder().decode(stderr);
  assert.ok(success, said);
  assert.equal(said, "");
  assert.ok(JSON.parse(new TextDecoder().decode(stdout)).otb);
  assert.equal(writableByOthers(Deno.realPathSync(current)), undefined);
});
