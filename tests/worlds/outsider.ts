// A plugin in a folder outside of this tree, as somebody else makes one: by `otb plugin new`, with the packed contract installed.
import { strict as assert } from "node:assert";
import { fileURLToPath } from "node:url";
import { pack } from "../gate/pack.ts";
import { main } from "../../core/cli/main.ts";
import type { StatusReport } from "../../core/client/mod.ts";
import type { End } from "./world.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** One plugin; its folder is gone at the end. */
export class Outsider {
  private constructor(private readonly parent: string, readonly folder: string) {}

  static async make(name: string): Promise<Outsider> {
    const parent = await Deno.makeTempDir({ prefix: "otb-outsider-" });
    const outsider = new Outsider(parent, `${parent}/${name}`);
    try {
      const silent = { tty: false, interactive: false, colours: false, width: 100, height: 40 };
      const drop = () => {};
      const terminal = { ...silent, out: drop, err: drop, control: drop };
      const exit = await main(["plugin", "new", name, "--directory", outsider.folder, "--json"], terminal);
      if (exit !== 0) throw new Error(`otb plugin new ended with ${exit}`);
      await outsider.#install(await pack(parent));
    } catch (error) {
      await outsider[Symbol.asyncDispose]();
      throw error;
    }
    return outsider;
  }

  /** What `npm install otb-plugin-….tgz zod` makes, without the network: the package, and what it depends on. */
  async #install(archive: string): Promise<void> {
    const modules = `${this.folder}/node_modules`;
    await Deno.mkdir(`${modules}/@otb/plugin`, { recursive: true });
    await ran(ROOT, "tar", "-xzf", archive, "-C", `${modules}/@otb/plugin`, "--strip-components=1");
    const { npmCache } = JSON.parse(await ran(ROOT, Deno.execPath(), "info", "--json"));
    const { imports } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
    const { dependencies } = JSON.parse(await Deno.readTextFile(`${modules}/@otb/plugin/package.json`));
    for (const name of Object.keys(dependencies)) {
      const version = /@([^@]+)$/.exec(imports[name])![1]!;
      await ran(ROOT, "cp", "-r", `${npmCache}/registry.npmjs.org/${name}/${version}`, `${modules}/${name}`);
    }
  }

  /** Runs Deno in the folder, which knows nothing of this tree. */
  async deno(...words: string[]): Promise<{ success: boolean; said: string }> {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...words.slice(0, 1), "--no-lock", "--cached-only", ...words.slice(1)],
      cwd: this.folder,
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return { success, said: decoder.decode(stdout) + decoder.decode(stderr) };
  }

  /** Every module that its tests load. */
  graph(): Promise<string> {
    return ran(this.folder, Deno.execPath(), "info", "--no-lock", "--json", "mod_test.ts");
  }

  /** What the added plugin does in a box that runs and has no link yet; it is removed at the end. */
  async runs(box: End): Promise<void> {
    const own = ({ plugins }: StatusReport) => plugins.find(({ name }) => name === "uptime-watch")!;
    assert.deepEqual(own(await box.status()).status, { up: 0, atLeast: 1 });
    await box.until(({ health }) => health.some(({ code }) => code === "too-few-links"));
    assert.deepEqual(await box.otb(["plugin", "act", "uptime-watch", "count"]), {
      plugin: "uptime-watch",
      action: "count",
      result: 0,
    });
    // Its words, in the language of who asks.
    assert.match(await box.read(["status", "--language", "fr"]), /Seulement 0 liens? march.* sur 0/);
    // Its own verbs, which nobody told otb of: an action, and an edit of its settings.
    assert.equal(await box.otb(["uptime-watch", "count"]), 0);
    await box.otb(["uptime-watch", "expect", "2", "--yes"]);
    await box.until(({ plugins }) =>
      plugins.some(({ name, status }) => name === "uptime-watch" && status.atLeast === 2)
    );
    // A setting, taken without a restart.
    const { pid } = own(await box.status());
    await box.otb(["config", "set", "uptime-watch.atLeast=0", "--yes"]);
    await box.until(({ health }) => health.every(({ code }) => code !== "too-few-links"));
    assert.equal(own(await box.status()).pid, pid);
    const refused = await box.tryOtb(["config", "set", "uptime-watch.atLeast=9", "--yes"]);
    assert.match(refused.stdout, /uptime-watch\.atLeast/);
    await box.otb(["plugin", "remove", "uptime-watch"]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.parent, { recursive: true });
  }
}

/** Runs a program to its end. @returns what it printed */
async function ran(cwd: string, program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, cwd, stdin: "null" }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
