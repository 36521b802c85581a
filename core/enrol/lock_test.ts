import { strict as assert } from "node:assert";
import { lockHolder, takeLock } from "./lock.ts";

Deno.test("a lock has one holder, who is named, and is free when he is gone", async () => {
  const path = await Deno.makeTempFile({ prefix: "otb" });
  try {
    assert.equal(await lockHolder(path), undefined);
    assert.equal(await lockHolder(`${path}.nothing`), undefined);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "-"],
      cwd: new URL("../..", import.meta.url).pathname,
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`
      import { takeLock } from "${new URL("./lock.ts", import.meta.url).href}";
      await takeLock(${JSON.stringify(path)});
      console.log("taken");
      setTimeout(() => {}, 60_000);
    `));
    await writer.close();
    const reader = child.stdout.getReader();
    await reader.read();
    assert.equal(await lockHolder(path), String(child.pid));
    await assert.rejects(takeLock(path), { code: "already-running" });
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    (await takeLock(path)).close();
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("those who ask whether it runs do not keep it from starting", async () => {
  const path = await Deno.makeTempFile({ prefix: "otb" });
  try {
    let asking = true;
    const asked = Promise.all(Array.from({ length: 4 }, async () => {
      while (asking) {
        await lockHolder(path);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }));
    for (let start = 0; start < 20; start++) (await takeLock(path)).close();
    asking = false;
    await asked;
  } finally {
    await Deno.remove(path);
  }
});
