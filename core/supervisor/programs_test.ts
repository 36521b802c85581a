// Programs of plugins: real ones, which outlive the plugin, and never run twice.
import { strict as assert } from "node:assert";
import type { Manifest } from "./manifest.ts";
import { endPrograms } from "./programs.ts";
import { type RecordingCore, withCore, writePlugin } from "./testing/plugins.ts";

/** A plugin with a program that runs for the seconds that its settings name; 0: none. */
function writeRunner(folder: string, name = "runner"): Manifest {
  return writePlugin(
    folder,
    name,
    `const told = { ready: 0, ended: [], lines: [] };
     globalThis.program = ctx.program("p", {
       onReady: () => { told.ready++; ctx.publishStatus(told); },
       onLine: (line) => { told.lines.push(line); ctx.publishStatus(told); },
       onEnd: (reason) => { told.ended.push(reason); ctx.publishStatus(told); },
     });
     ctx.defer(() => globalThis.program.apply(undefined));
     globalThis.spec = (words) => words === "hello" ? undefined : { command: words.split(" "), capabilities: [], input: "" };
     await globalThis.program.apply(globalThis.spec(ctx.config.greeting));`,
    {
      members: `async reload(_, next) { await globalThis.program.apply(globalThis.spec(next.greeting)); },`,
      otb: { tier: "trusted", programs: ["sleep", "ls"].map((name) => ({ name, debian: "coreutils" })) },
    },
  );
}

/** All processes with exactly that command line. */
function running(command: string): number[] {
  return [...Deno.readDirSync("/proc")].flatMap(({ name }) => {
    try {
      const words = Deno.readTextFileSync(`/proc/${name}/cmdline`).split("\0").slice(0, -1).join(" ");
      return /^\d+$/.test(name) && words === command ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

/** Waits until there is exactly one other than the former; who has its record may still be about to become it (exec). */
async function other(core: RecordingCore, command: string, former?: number): Promise<number> {
  let pids: number[] = [];
  // One look for the whole question: between two of them a killed one may go.
  await core.until(() => (pids = running(command)).length === 1 && pids[0] !== former);
  return pids[0]!;
}

/** A command line that nobody else has. */
let count = 0;
const unique = () => `sleep ${600 + Deno.pid / 1e7 + count++}`;

Deno.test("a program outlives its killed plugin, and the next run goes on with it", async () => {
  await withCore(async (core, folder, lead) => {
    const command = unique();
    core.settings = { greeting: command };
    const plugin = lead(writeRunner(folder));
    await plugin.start();
    const pid = await other(core, command);
    const first = plugin.report().pid!;
    Deno.kill(first, "SIGKILL");
    await core.until(() => plugin.report().state === "ready" && (plugin.report().pid ?? first) !== first);
    assert.deepEqual(running(command), [pid]);
    assert.deepEqual(plugin.report().status, { ready: 1, ended: [], lines: [] });
    // What ends now is told to the new run, which has it started again.
    Deno.kill(pid, "SIGKILL");
    await core.until(() => (plugin.report().status as { ready: number }).ready === 2);
    await other(core, command, pid);
    await plugin.stop();
    assert.deepEqual(running(command), []);
  });
});

Deno.test("a program with other arguments takes the place of the former; of neither are there two", async () => {
  await withCore(async (core, folder, lead) => {
    const [one, two] = [unique(), unique()];
    core.settings = { greeting: one };
    const plugin = lead(writeRunner(folder));
    await plugin.start();
    for (const [command, former] of [[two, one], [one, two], [two, one]] as const) {
      core.settings = { greeting: command };
      await plugin.reload();
      assert.deepEqual(running(former), []);
      await other(core, command);
    }
    core.settings = { greeting: "hello" };
    await plugin.reload();
    assert.deepEqual([running(one), running(two)], [[], []]);
  });
});

Deno.test("a program of a plugin that does not come back, or no longer wants it, ends with the grace", async () => {
  await withCore(async (core, folder, lead) => {
    const command = unique();
    core.settings = { greeting: command };
    const manifest = writeRunner(folder);
    const plugin = lead(manifest, 700);
    await plugin.start();
    await other(core, command);
    const pid = plugin.report().pid!;
    core.settings = { greeting: "hello" };
    Deno.kill(pid, "SIGKILL");
    await core.until(() => plugin.report().state === "ready" && (plugin.report().pid ?? pid) !== pid);
    await core.until(() => running(command).length === 0);
    core.settings = { greeting: command };
    await plugin.reload();
    await other(core, command);
    // From now on it can't start.
    Deno.writeTextFileSync(`${manifest.directory}/mod.ts`, "throw new Error('broken');");
    Deno.kill(plugin.report().pid!, "SIGKILL");
    await core.until(() => plugin.report().state !== "ready");
    await core.until(() => running(command).length === 0);
  });
});

Deno.test("a program outlives a killed core, and the next one takes it over; without one it is cleaned up", async () => {
  await withCore(async (core, folder, lead) => {
    const command = unique();
    core.settings = { greeting: command };
    const manifest = writeRunner(folder);
    const first = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "-"],
      cwd: core.places.root,
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = first.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`
      import { RecordingCore } from "${new URL("./testing/plugins.ts", import.meta.url).href}";
      import { Supervised } from "${new URL("./supervised.ts", import.meta.url).href}";
      const core = new RecordingCore(${JSON.stringify(folder)});
      core.settings = ${JSON.stringify(core.settings)};
      const plugin = new Supervised(${JSON.stringify(manifest)}, core);
      await plugin.start();
      console.log(plugin.report().pid);
    `));
    await writer.close();
    const reader = first.stdout.getReader();
    await reader.read();
    first.kill("SIGKILL");
    await first.status;
    await reader.cancel();
    const before = await other(core, command);
    const plugin = lead(manifest);
    await plugin.start();
    assert.deepEqual(running(command), [before]);
    // The new core watches it as its own.
    Deno.kill(before, "SIGKILL");
    const next = await other(core, command, before);
    await endPrograms(core.places.run, ["runner"]);
    assert.deepEqual(running(command), [next]);
    await endPrograms(core.places.run);
    assert.deepEqual(running(command), []);
  });
});

Deno.test("what a program says reaches its plugin; one that is not declared is refused", async () => {
  await withCore(async (core, folder, lead) => {
    core.settings = { greeting: "ls /proc/no-such-file" };
    const plugin = lead(writeRunner(folder));
    await plugin.start();
    type Told = { lines: string[]; ended: string[] };
    const told = () => plugin.report().status as unknown as Told;
    await core.until(() => (told().ended?.length ?? 0) > 1);
    assert.match(told().lines[0]!, /no-such-file/);
    assert.match(told().ended[0]!, /no-such-file/);
    core.settings = { greeting: "id" };
    await plugin.reload();
    await core.until(() =>
      told().ended.some((reason) => /must declare it: current value is "id"/.test(reason))
    );
  });
});

Deno.test("a plugin goes on after what nobody caught, and is begun anew when that happens again and again", async () => {
  await withCore(async (core, folder, lead) => {
    const plugin = lead(writePlugin(
      folder,
      "careless",
      `setTimeout(() => { throw new Error("from a timer"); }, 1);
       void Promise.reject(new Error("a promise"));`,
      {
        members:
          `actions: { spoil: { summary: "Fails in vain", run: () => { for (let n = 0; n < 12; n++) void Promise.reject(new Error("again")); return null; } } },`,
      },
    ));
    await plugin.start();
    const { pid } = plugin.report();
    await core.until(() => plugin.health.has("plugin-uncaught") && core.logs.length > 1);
    assert.match(core.logs.join("\n"), /a promise[^]*from a timer/);
    assert.deepEqual([plugin.report().pid, plugin.report().restarts], [pid, 0]);
    await plugin.act("spoil", undefined).catch(() => {});
    await core.until(() => plugin.report().restarts === 1 && plugin.report().state === "ready");
    assert.notEqual(plugin.report().pid, pid);
    assert.match(core.logs.join("\n"), /ended: Error: failed again and again: again/);
  });
});
