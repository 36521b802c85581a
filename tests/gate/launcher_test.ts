// The launcher, with what it finds around it replaced: it must be quick, quiet, and clear when something is missing.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const LAUNCHER = fileURLToPath(new URL("../../otb", import.meta.url));
/** What the launcher itself uses of a Debian system. */
const TOOLS = [
  "cat",
  "chmod",
  "cut",
  "dirname",
  "find",
  "flock",
  "getent",
  "head",
  "id",
  "ln",
  "mkdir",
  "mv",
  "readlink",
  "sed",
]
  .concat("gzip", "rm", "sh", "sha512sum", "stat", "tail", "tar", "touch", "uname");

/** A folder with programs of our choice for PATH and a cache; gone at the end. */
class Place implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "otb-launcher-" });
  readonly bin = `${this.folder}/bin`;
  readonly cache = `${this.folder}/cache`;

  constructor() {
    Deno.mkdirSync(this.bin);
    for (const tool of TOOLS) {
      for (const directory of ["/usr/bin", "/bin"]) {
        try {
          if (Deno.statSync(`${directory}/${tool}`).isFile) {
            Deno.symlinkSync(`${directory}/${tool}`, `${this.bin}/${tool}`);
          }
          break;
        } catch { /* in the other one, or not needed here */ }
      }
    }
  }

  /** A program that prints the given version and, called otherwise, its arguments. */
  deno(version: string): this {
    this.program("deno", `[ "$1" = --version ] && echo "deno ${version} (stable)" || echo "ran $*"`);
    return this;
  }

  program(name: string, body: string): void {
    Deno.writeTextFileSync(`${this.bin}/${name}`, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }

  run(args: string[], launcher = LAUNCHER) {
    const { code, stdout, stderr } = new Deno.Command(launcher, {
      args,
      clearEnv: true,
      env: { PATH: this.bin, HOME: this.folder, OTB_CACHE: this.cache },
    }).outputSync();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  }

  [Symbol.dispose]() {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

const version = /^DENO_VERSION=(.+)$/m.exec(Deno.readTextFileSync(LAUNCHER))![1]!;

Deno.test("with everything there it says nothing and hands the arguments over unchanged", () => {
  using place = new Place().deno(version);
  const first = place.run(["version", "a  b", "--json"]);
  assert.match(first.err, /^otb: fetching npm packages\n$/);
  const second = place.run(["version", "a  b", "--json"]);
  assert.equal(second.err, "");
  assert.match(second.out, /^ran run -A .*\/core\/cli\/main\.ts version a {2}b --json\n$/);
});

Deno.test("what is installed is what manifests of plugins name, and nothing beside what the core runs itself", () => {
  using place = new Place().deno(version);
  const plugins = fileURLToPath(new URL("../../plugins", import.meta.url));
  const named = [...Deno.readDirSync(plugins)].filter(({ isDirectory }) => isDirectory)
    .flatMap(({ name }) =>
      JSON.parse(Deno.readTextFileSync(`${plugins}/${name}/deno.json`)).otb.programs ?? []
    )
    .map(({ debian }: { debian: string }) => debian);
  assert.ok(named.includes("dnsmasq-base"));
  // Where nothing of the machine is found.
  const launcher = `${place.folder}/otb`;
  const text = Deno.readTextFileSync(LAUNCHER).replace("PATH=$PATH:/usr/sbin:/sbin", "");
  Deno.writeTextFileSync(launcher, text, { mode: 0o755 });
  Deno.symlinkSync(plugins, `${place.folder}/plugins`);
  const { code, err } = place.run(["up"], launcher);
  assert.equal(code, 1);
  const [, missing = ""] = /Install (.+) by hand/.exec(err) ?? [];
  assert.deepEqual(missing.split(" ").sort(), [...named, "iproute2", "iproute2", "nftables"].sort(), err);
});

Deno.test("it finds its tree through symlinks, relative ones too", () => {
  using place = new Place().deno(version);
  Deno.symlinkSync(LAUNCHER, `${place.folder}/one`);
  Deno.symlinkSync("one", `${place.folder}/two`);
  const { out, err } = place.run(["version"], `${place.folder}/two`);
  assert.ok(out.includes(` ${LAUNCHER.replace(/otb$/, "")}core/cli/main.ts version`), out + err);
});

Deno.test("the CLI is told how otb was called, for what a person is to type next", () => {
  using place = new Place();
  place.program(
    "deno",
    `[ "$1" = --version ] && echo "deno ${version} (stable)" || echo "called $OTB_CALLED"`,
  );
  assert.equal(place.run(["version"]).out, `called ${LAUNCHER}\n`);
  // Where it stands on PATH its name is enough.
  Deno.symlinkSync(LAUNCHER, `${place.bin}/otb`);
  assert.equal(place.run(["version"], `${place.bin}/otb`).out, "called otb\n");
});

Deno.test("lab, demo, bench, test and fuzz go to the tests' own CLI, help for them without any build", () => {
  using place = new Place().deno(version);
  for (const verb of ["lab", "demo", "bench", "test", "fuzz"]) {
    assert.match(place.run([verb, "--help"]).out, new RegExp(`/tests/runner/cli\\.ts ${verb} --help\\n$`));
  }
});

Deno.test("a Deno of another version is not used, and without npm the way out is said, in JSON when asked for", () => {
  using place = new Place().deno("1.0.0");
  const { code, err, out } = place.run(["version"]);
  assert.equal(code, 1);
  assert.equal(out, "");
  assert.match(err, /^otb: Cannot install Deno .+ as npm is missing\n {2}next: .+\n$/);
  const { error } = JSON.parse(place.run(["version", "--json"]).out);
  assert.equal(error.code, "install-failed");
  assert.match(error.message, /npm is missing/);
});

Deno.test("a Deno on PATH that changes is asked for its version again", () => {
  using place = new Place().deno(version);
  assert.equal(place.run(["version"]).code, 0);
  place.deno("9.9.9");
  const soon = new Date(Date.now() + 5000);
  Deno.utimeSync(`${place.bin}/deno`, soon, soon);
  assert.equal(place.run(["version"]).code, 1);
});

Deno.test("an npm that fails is told with its last words", () => {
  using place = new Place();
  place.program("npm", "echo network is unreachable >&2; exit 1");
  const { code, err } = place.run(["version"]);
  assert.equal(code, 1);
  assert.match(
    err,
    /network is unreachable\notb: Cannot install Deno .+ as npm failed\n {2}next: Check the network/,
  );
});

/** An npm that brings, whatever is asked for, a package whose Deno says so, and whose script would leave a trace. */
function bringing(place: Place): string {
  const brought = `${place.folder}/brought`;
  Deno.mkdirSync(`${brought}/package`, { recursive: true });
  Deno.writeTextFileSync(`${brought}/package/deno`, '#!/bin/sh\necho "fetched $*"\n');
  const scripts = { postinstall: `touch ${place.folder}/trace` };
  Deno.writeTextFileSync(`${brought}/package/package.json`, JSON.stringify({ name: "deno", scripts }));
  const archive = `${place.folder}/deno-linux-2.tgz`;
  const packed = new Deno.Command("tar", { args: ["-czf", archive, "-C", brought, "package"] }).outputSync();
  assert.ok(packed.success);
  place.program("npm", `[ "$1" = pack ] && cat ${archive} > deno-linux-2.tgz`);
  const { stdout } = new Deno.Command("sha512sum", { args: [archive] }).outputSync();
  return new TextDecoder().decode(stdout).split(" ")[0]!;
}

Deno.test("a Deno that is not the one known is refused, and nothing of it is left or run", () => {
  using place = new Place();
  const sum = bringing(place);
  const { code, err, out } = place.run(["version"]);
  assert.equal(code, 1);
  assert.equal(out, "");
  assert.match(
    err,
    new RegExp(
      `Cannot use the Deno that npm brought as its SHA-512 must be [0-9a-f]{128}: current value is "${sum}"`,
    ),
  );
  assert.deepEqual([...Deno.readDirSync(`${place.cache}/deno-${version}/node_modules/deno`)], []);
  assert.throws(() => Deno.statSync(`${place.folder}/trace`));
});

Deno.test("a Deno that is the one known is used, and no script of its package runs", () => {
  using place = new Place();
  const sum = bringing(place);
  const launcher = `${place.folder}/otb`;
  Deno.writeTextFileSync(
    launcher,
    Deno.readTextFileSync(LAUNCHER).replace(/^(DENO_(?:X64|ARM64))=.*$/gm, `$1=${sum}`),
    { mode: 0o755 },
  );
  const { out, err } = place.run(["version"], launcher);
  assert.match(out, /^fetched run -A .*core\/cli\/main\.ts version\n$/, err);
  assert.throws(() => Deno.statSync(`${place.folder}/trace`));
});
