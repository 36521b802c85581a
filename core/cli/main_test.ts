// The real CLI as its users run it: a child process, in a copy of the tree whose only plugin is the template.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Usage } from "@optique/core/usage";
import { everyVerb } from "./main.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** A tree and a place for state; both are gone at the end. */
class Place implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "otb-cli-" });
  readonly state = `${this.folder}/state`;
  readonly tree: string;

  constructor({ tree }: { tree?: string } = {}) {
    this.tree = tree ?? `${this.folder}/tree`;
    if (tree) return;
    for (const directory of [this.tree, `${this.tree}/plugins`]) Deno.mkdirSync(directory);
    for (const file of ["deno.json", "deno.lock"]) {
      Deno.copyFileSync(`${ROOT}/${file}`, `${this.tree}/${file}`);
    }
    copy(`${ROOT}/core`, `${this.tree}/core`);
    copy(`${ROOT}/plugins/_template`, `${this.tree}/plugins/_template`);
  }

  async otb(args: string[], { input, state = true }: { input?: string; state?: boolean } = {}) {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--quiet",
        "--cached-only",
        `${this.tree}/core/cli/main.ts`,
        ...args,
        ...state ? ["--state", this.state] : [],
      ],
      // The launcher that runs the tests says how it was called.
      env: { OTB_CALLED: "" },
      stdin: input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    if (input !== undefined) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(input));
      await writer.close();
    }
    const { code, stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  }

  /** Runs with --json and expects success. */
  // deno-lint-ignore no-explicit-any
  async json(args: string[], input?: string): Promise<any> {
    const { code, out, err } = await this.otb([...args, "--json"], { input });
    assert.equal(code, 0, `otb ${args.join(" ")}: ${out}${err}`);
    return JSON.parse(out);
  }

  /** Runs with --json and expects to be refused; answers with the error. */
  async refusal(
    args: string[],
    input?: string,
  ): Promise<{ code: string; message: string; next?: string; exit: number }> {
    const { code, out, err } = await this.otb([...args, "--json"], { input });
    assert.notEqual(code, 0, `otb ${args.join(" ")} was taken`);
    assert.equal(err, "");
    const { error } = JSON.parse(out);
    assert.ok(!error.message.includes("\n"));
    return { ...error, exit: code };
  }

  /** A peer and a box that joined it; the template runs under the name link-count. */
  async box(): Promise<void> {
    await this.json(["plugin", "new", "link-count"]);
    const cloud = await this.otb([
      "init",
      "cloud",
      "--address",
      "203.0.113.7",
      "--json",
      "--state",
      `${this.folder}/peer`,
    ], {
      state: false,
    });
    const { peer } = await this.json(["init", "box", "--join", "-"], `${JSON.parse(cloud.out).joinCode}\n`);
    assert.deepEqual({ address: peer.address, port: peer.port }, { address: "203.0.113.7", port: 8443 });
  }

  [Symbol.dispose]() {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function copy(from: string, to: string): void {
  Deno.mkdirSync(to);
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copy(`${from}/${name}`, `${to}/${name}`);
    else if (/\.(ts|json|md)$/.test(name)) Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Every command line that leads to a verb. */
function paths(usage: Usage, before: string[] = []): string[][] {
  const own = usage.flatMap((term) => term.type === "command" ? [term.name] : []);
  const here = [...before, ...own];
  const branches = usage.flatMap((term): Usage[] => term.type === "exclusive" ? [...term.terms] : []);
  const below = branches.flatMap((branch) => paths(branch, here));
  return own.length > 0 ? [here, ...below] : below;
}

Deno.test("every verb has help with an example", async () => {
  // With those of the plugins of this tree.
  using place = new Place({ tree: ROOT });
  const all = everyVerb().flatMap(({ usage }) => paths(usage));
  for (
    const expected of [
      "init box",
      "link add",
      "config history",
      "service remove",
      "plugin new",
      "up",
      "peer box add",
    ]
  ) {
    assert.ok(all.some((path) => path.join(" ") === expected), `${expected} is not among ${all.join("; ")}`);
  }
  for (const path of all) {
    const { code, out, err } = await place.otb([...path, "--help"], { state: false });
    assert.equal(code, 0, err);
    assert.match(out, new RegExp(`^Usage: otb ${path.join(" ")}`, "m"));
    assert.match(out, new RegExp(`Example: (sudo )?otb ${path[0]}`), path.join(" "));
  }
});

Deno.test("completion names verbs, options and choices", async () => {
  using place = new Place();
  const script = await place.otb(["completion", "bash"], { state: false });
  assert.match(script.out, /_otb/);
  const words = await place.otb(["completion", "bash", "link", ""], { state: false });
  for (const verb of ["add", "list", "set", "remove"]) {
    assert.ok(words.out.split(/\s+/).includes(verb), words.out);
  }
});

Deno.test("a command line that makes no sense is answered in one line with exit status 2, and points to help", async () => {
  using place = new Place();
  const cases = [
    ["frob"],
    ["link"],
    ["link", "add"],
    ["link", "add", "a", "--interface", "x", "--tier", "master"],
    [
      "init",
      "cloud",
      "--address",
      "nowhere",
    ],
    ["init", "cloud", "--address", "203.0.113.7", "--port", "70000"],
    ["config", "set", "network"],
    ["status", "x"],
    ["peer", "box", "add"],
    ["--json", "plugin", "act"],
  ];
  for (const args of cases) {
    const { code, out, err } = await place.otb(args.filter((word) => word !== "--json"));
    assert.equal(code, 2, args.join(" "));
    assert.equal(out, "");
    const verb = args.filter((word) =>
      /^(link|add|init|cloud|config|set|status|peer|box|plugin|act)$/.test(word)
    );
    assert.match(err, /^otb: Cannot .+\n {2}next: otb .+\n$/, args.join(" "));
    assert.ok(err.endsWith(` ${[...verb, "--help"].join(" ")}\n`), `${args.join(" ")}: ${err}`);
    const error = await place.refusal(args);
    assert.deepEqual([error.exit, error.code], [2, "usage"], args.join(" "));
  }
});

Deno.test("without a state every verb that needs one says so", async () => {
  using place = new Place();
  for (
    const args of [["status"], ["config", "get"], ["link", "list"], ["logs"], ["plugin", "list"], [
      "init",
      "code",
    ]]
  ) {
    const { code, exit, next } = await place.refusal(args);
    assert.deepEqual([code, exit], ["not-initialised", 1], args.join(" "));
    assert.ok(next);
  }
});

Deno.test("a peer is set up once, and its code can be printed again", async () => {
  using place = new Place();
  const { joinCode } = await place.json(["init", "cloud", "--address", "203.0.113.7", "--port", "9000"]);
  assert.equal((await place.json(["init", "code"])).joinCode, joinCode);
  // One that was set up before there was a tunnel gets a key, and keeps it.
  await Deno.remove(`${place.state}/secrets/tunnel-key`);
  const renewed = (await place.json(["init", "code"])).joinCode;
  assert.notEqual(renewed, joinCode);
  assert.equal((await place.json(["init", "code"])).joinCode, renewed);
  assert.equal(
    (await place.refusal(["init", "cloud", "--address", "203.0.113.8"])).code,
    "already-initialised",
  );
  using other = new Place();
  const spoilt = await other.refusal(["init", "box", "--join", "-"], joinCode.slice(0, -3));
  assert.equal(spoilt.code, "join-code-incomplete");
  assert.ok(!spoilt.message.includes(joinCode.slice(8, -3)), "the secret is in the error");
  const former = await other.refusal(["init", "box", "--join", "-"], joinCode.replace("otb3", "otb1"));
  assert.equal(former.code, "join-code-outdated");
  assert.match(former.next!, /otb peer box add/);
  const { peer } = await other.json(["init", "box", "--join", "-"], renewed);
  assert.equal(atob(peer.tunnelKey).length, 32);
  assert.equal((await other.json(["config", "get", "network.peers"])).value[0].tunnelKey, peer.tunnelKey);
  const own = Deno.readTextFileSync(`${other.state}/secrets/tunnel-key`);
  assert.equal(atob(own).length, 32);
  assert.notEqual(own, Deno.readTextFileSync(`${place.state}/secrets/tunnel-key`));
});

Deno.test("a join code on the command line is refused by every verb that takes one; a file and standard input are read", async () => {
  using place = new Place();
  const { joinCode } = await place.json(["init", "cloud", "--address", "203.0.113.7"]);
  using other = new Place();
  const file = `${other.folder}/code`;
  // As a mail breaks it.
  Deno.writeTextFileSync(file, joinCode.replace(/.{60}/g, "$&\r\n  "));
  for (const verb of [["init", "box", "--join"], ["peer", "join"]]) {
    const refused = await other.refusal([...verb, joinCode]);
    assert.equal(refused.code, "code-on-command-line");
    assert.ok(!JSON.stringify(refused).includes(joinCode.slice(5, 20)));
    assert.ok(
      refused.next!.includes(` ${verb.join(" ")} -`) && refused.next!.includes("@FILE"),
      refused.next,
    );
    assert.equal((await other.refusal([...verb, "@/nowhere"])).code, "join-code-unreadable");
    await other.json([...verb, `@${file}`]);
  }
});

Deno.test("boxes are added, listed and revoked, after a question, and the former key's list says how to get rid of it", async () => {
  using place = new Place();
  await place.json(["init", "cloud", "--address", "203.0.113.7", "--box", "home"]);
  // As an earlier otb set it up.
  for (const name of ["boxes", "peer-key"]) await Deno.remove(`${place.state}/secrets/${name}`);
  Deno.writeTextFileSync(`${place.state}/secrets/psk`, btoa("k".repeat(32)), { mode: 0o600 });
  const { out } = await place.otb(["peer", "box", "list"]);
  for (const step of ["peer box add", "peer join -", "peer box revoke box"]) {
    assert.ok(out.includes(step), out);
  }
  const { joinCode } = await place.json(["peer", "box", "add", "cabin"]);
  assert.equal((await place.json(["peer", "box", "code", "cabin"])).joinCode, joinCode);
  const unsure = await place.refusal(["peer", "box", "revoke", "box"]);
  assert.equal(unsure.code, "confirmation-missing");
  // As it has to be typed for this state.
  assert.equal(unsure.next, `otb --state ${place.state} peer box revoke box --yes`);
  await place.json(["peer", "box", "revoke", "box", "--yes"]);
  const { boxes } = await place.json(["peer", "box", "list"]);
  assert.deepEqual(boxes.map(({ name, former }: { name: string; former: boolean }) => [name, former]), [[
    "cabin",
    false,
  ]]);
});

Deno.test("LAN and links are set, listed, changed and removed, and the history knows", async () => {
  using place = new Place();
  await place.box();
  await place.json(["lan", "set", "--interface", "eth0", "--address", "192.168.100.1/24"]);
  assert.deepEqual((await place.json(["lan", "show"])).lan, {
    interface: "eth0",
    address: "192.168.100.1/24",
  });
  const fibre = ["fibre", "--interface", "eth1", "--address", "192.168.11.2/24", "--gateway", "192.168.11.1"];
  await place.json(["link", "add", ...fibre, "--down-mbps", "100", "--up-mbps", "20"]);
  assert.equal((await place.refusal(["link", "add", ...fibre])).code, "link-exists");
  await place.json(["link", "set", "fibre", "--tier", "backup", "--unset", "down-mbps"]);
  assert.deepEqual((await place.json(["link", "list"])).links, [{
    name: "fibre",
    interface: "eth1",
    address: "192.168.11.2/24",
    gateway: "192.168.11.1",
    tier: "backup",
    upMbps: 20,
  }]);
  const { differences } = await place.json(["config", "diff"]);
  assert.deepEqual(differences.map(({ path }: { path: string }) => path), [
    "network.links.fibre.downMbps",
    "network.links.fibre.tier",
  ]);
  await place.json(["link", "remove", "fibre"]);
  const gone = await place.refusal(["link", "remove", "fibre"]);
  assert.equal(gone.code, "link-unknown");
  assert.equal(gone.message, 'Cannot find link "fibre" as there is no link yet: current value is "fibre"');
  const { revisions } = await place.json(["config", "history"]);
  assert.equal(revisions.length, 5);
  await place.json(["config", "revert", String(revisions[1].revision)]);
  assert.equal((await place.json(["link", "list"])).links.length, 1);
});

Deno.test("settings by path: read, changed, tried out, refused with every problem", async () => {
  using place = new Place();
  await place.box();
  assert.deepEqual(await place.json(["config", "get", "link-count.atLeast"]), {
    path: "link-count.atLeast",
    value: 1,
    default: true,
  });
  assert.equal((await place.otb(["config", "get", "link-count.atLeast"])).out, "1  # default\n");
  assert.match(
    (await place.otb(["config", "get", "link-count"])).out,
    /^link-count\.atLeast = 1 {2}# default$/m,
  );
  await place.json(["config", "set", "link-count.atLeast=2", "--dry-run"]);
  assert.equal((await place.json(["config", "get", "link-count.atLeast"])).value, 1);
  await place.json(["config", "set", "link-count.atLeast=2", "--comment", "two are needed"]);
  assert.equal((await place.json(["config", "get", "link-count.atLeast"])).value, 2);
  assert.equal((await place.otb(["config", "get", "link-count.atLeast"])).out, "2\n");
  assert.match(
    (await place.otb(["config", "get", "network.peers.0"])).out,
    /^network\.peers\.0\.port = 8443$/m,
  );
  assert.equal((await place.json(["config", "history"])).revisions[0].comment, "two are needed");
  const before = await place.json(["config", "get"]);
  for (
    const [code, assignment] of [
      ["setting-unknown", "link-count.atLeats=2"],
      ["setting-invalid", "link-count.atLeast=many"],
      ["plugin-unknown", "nosuch.x=1"],
      ["setting-unknown", "network.colour=blue"],
    ]
  ) assert.equal((await place.refusal(["config", "set", assignment!])).code, code, assignment);
  const both = await place.otb(["config", "set", "link-count.x=1", "link-count.y=2"]);
  assert.equal(both.err.split("\n").filter((line) => line.startsWith("otb: ")).length, 2, both.err);
  assert.deepEqual(await place.json(["config", "get"]), before);
  assert.ok((await place.json(["config", "schema", "link-count"])).properties.atLeast);
  assert.equal((await place.refusal(["config", "schema", "nosuch"])).code, "section-unknown");
  assert.equal((await place.refusal(["config", "get", "network.nosuch"])).code, "setting-unknown");
  assert.equal((await place.refusal(["config", "confirm"])).code, "nothing-pending");
});

Deno.test("a plugin made from the template is listed, tested, and not made twice", async () => {
  using place = new Place();
  const { directory, files, test: inTree } = await place.json(["plugin", "new", "link-count"]);
  assert.ok(files.includes("mod.ts"));
  for (const file of files) {
    assert.ok(!Deno.readTextFileSync(`${directory}/${file}`).includes("my-plugin"), file);
  }
  assert.equal((await place.refusal(["plugin", "new", "link-count"])).code, "directory-exists");
  assert.equal((await place.refusal(["plugin", "new", "Link Count"])).code, "name-invalid");
  const elsewhere = (await place.json(["plugin", "new", "other", "--directory", `${place.folder}/far`])).test;
  for (const test of [inTree, elsewhere]) {
    // As a person pastes it: no deno on PATH, nothing of the launcher's in the environment.
    const { success, stderr } = await new Deno.Command("env", {
      args: ["-i", "PATH=/usr/bin:/bin", `HOME=${place.folder}`, "sh", "-c", test],
    }).output();
    assert.ok(success, `${test}: ${new TextDecoder().decode(stderr)}`);
  }
});

Deno.test("what needs a running core says so", async () => {
  using place = new Place();
  await place.box();
  assert.equal((await place.refusal(["status"])).code, "core-not-running");
  assert.equal((await place.refusal(["status", "--watch"])).code, "core-not-running");
  assert.equal((await place.refusal(["logs", "--follow"])).code, "core-not-running");
  assert.deepEqual(await place.json(["logs"]), { lines: [] });
  assert.equal((await place.json(["plugin", "list"])).plugins[0].name, "link-count");
});

Deno.test("setup says what is missing, and its exit status whether anything is", async () => {
  using place = new Place();
  const open = async () => {
    const { code, out } = await place.otb(["setup", "--json"]);
    assert.equal(code, 1);
    return JSON.parse(out).steps.filter(({ done }: { done: boolean }) => !done).map((
      { id }: { id: string },
    ) => id);
  };
  assert.equal((await open())[0], "join");
  await place.box();
  await place.json(["lan", "set", "--interface", "eth0", "--address", "192.168.177.1/24"]);
  assert.deepEqual(await open(), ["running", "links", "peer", "devices"]);
});

Deno.test({
  name: "who is not root is told so by setup, and asked for nothing, at a terminal too",
  // Only root can become somebody else.
  ignore: Deno.uid() !== 0,
  async fn() {
    using place = new Place();
    await place.box();
    // The folder of all tests' folders is for who runs them, where there is one.
    const all = Deno.env.get("TMPDIR");
    if (all) Deno.chmodSync(all, 0o711);
    Deno.chmodSync(place.folder, 0o755);
    Deno.chmodSync(place.state, 0o700);
    const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    const words = [
      Deno.execPath(),
      "run",
      "-A",
      "--quiet",
      "--cached-only",
      `${place.tree}/core/cli/main.ts`,
      "setup",
    ];
    for (const state of [place.state, `${place.folder}/new`]) {
      const command = [...nobody, ...words, "--state", state];
      // A terminal of its own (script(1)), at which nobody types.
      const terminal = ["script", "--quiet", "--return", "--command", command.join(" "), "/dev/null"];
      const { code, stdout } = await new Deno.Command(terminal[0]!, {
        args: terminal.slice(1),
        stdin: "null",
        env: { NO_COLOR: "1", HOME: "/nonexistent", OTB_CALLED: "" },
      }).output();
      const said = new TextDecoder().decode(stdout);
      assert.equal(code, 1, said);
      assert.match(said, /Cannot do this as it must run as root: .*\r\n {2}next: sudo otb --state \S+ setup/);
      assert.doesNotMatch(said, /Join code/);
    }
  },
});

Deno.test("a new plugin's verbs are in help and completion at once, without a core and without its code; its edits change settings", async () => {
  using place = new Place();
  await place.box();
  const stateless = (...args: string[]) => place.otb(args, { state: false });
  assert.match((await stateless("--help")).out, /^ {2}link-count +How many links are up\.$/m);
  const { out } = await stateless("link-count", "expect", "--help");
  assert.match(out, /^Usage: otb link-count expect \[--yes\/-y\][^]*COUNT$/m);
  assert.match(out, /^Example: sudo otb link-count expect 2$/m);
  const completed = await stateless("completion", "bash", "link-count", "");
  for (const word of ["count", "expect"]) assert.ok(completed.out.split(/\s+/).includes(word), completed.out);

  const { differences, done } = await place.json(["link-count", "expect", "2"]);
  assert.deepEqual([differences, done], [[{ path: "plugins.link-count.atLeast", after: 2 }], undefined]);
  assert.equal((await place.json(["config", "get", "link-count.atLeast"])).value, 2);
  assert.match(
    (await place.otb(["link-count", "expect", "3"])).out,
    /fewer than 3 links are up; it takes effect/,
  );
  assert.deepEqual((await place.refusal(["link-count", "expect", "9"])).exit, 2);
  assert.equal((await place.refusal(["link-count", "count"])).code, "core-not-running");

  // Whatever its code is, root's command line runs none of it.
  Deno.writeTextFileSync(`${place.tree}/plugins/link-count/mod.ts`, `Deno.exit(33);`);
  assert.equal((await stateless("--help")).code, 0);
  assert.equal((await place.refusal(["link-count", "count"])).code, "core-not-running");
  assert.equal((await place.refusal(["link-count", "expect", "1"])).code, "plugin-uninspectable");
  Deno.writeTextFileSync(`${place.tree}/plugins/link-count/declared.json`, `{"actions": {"x": "y"}}`);
  assert.doesNotMatch((await stateless("--help")).out, /link-count/);
});
