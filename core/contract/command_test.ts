import { strict as assert } from "node:assert";
import { runCommand } from "./command.ts";

Deno.test("a command tells what it printed, whole, on either pipe, and how it ended", async () => {
  // More than a buffer, and a character that stands across its end.
  const long = "é".repeat(30_001) + "x";
  const script = 'cat; printf "no such modem" >&2; exit 3';
  assert.deepEqual(await runCommand("sh", { args: ["-c", script], input: `x${long}` }), {
    success: false,
    code: 3,
    stdout: `x${long}`,
    stderr: "no such modem",
  });
  const dropped = await runCommand("sh", { args: ["-c", script], stderr: "null" });
  assert.deepEqual([dropped.stdout, dropped.stderr], ["", ""]);
  assert.deepEqual(await runCommand("true", { input: long.repeat(10) }), {
    success: true,
    code: 0,
    stdout: "",
    stderr: "",
  });
  await assert.rejects(runCommand("otb-no-such-program"), Deno.errors.NotFound);
});

Deno.test("a command that hangs is ended, whatever it thinks of it", async () => {
  const { success } = await runCommand("sh", {
    args: ["-c", "trap '' TERM; echo begun; exec sleep 1000"],
    withinMs: 200,
  });
  assert.equal(success, false);
});

Deno.test("what commands print is not kept: each leaves less than one of the two buffers that Deno would read its pipes into", async () => {
  // In a process of its own, as a core is: here the tests before and the tests' own watch take memory, too.
  const child = `
    import { runCommand } from "${new URL("./command.ts", import.meta.url).href}";
    const run = async (times) => {
      for (let count = 0; count < times; count++) await runCommand("echo", { args: ["a line"] });
      return Deno.memoryUsage().rss;
    };
    const before = await run(200);
    console.log((await run(200) - before) / 200);`;
  const { stdout } = await runCommand(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-lock", "--v8-flags=--max-semi-space-size=2", "-"],
    input: child,
    withinMs: 120_000,
  });
  assert.ok(stdout !== "" && Number(stdout) < 65_536, `${stdout.trim()} bytes of each`);
});
