import { strict as assert } from "node:assert";
import fc from "fast-check";
import { OtbError } from "../contract/mod.ts";
import { type Handler, listenUnix, Rpc } from "./rpc.ts";

async function pair(left: Record<string, Handler>, right: Record<string, Handler>): Promise<[Rpc, Rpc]> {
  const path = await Deno.makeTempFile({ prefix: "otb" });
  const listener = listenUnix(path);
  const [near, far] = await Promise.all([Deno.connect({ transport: "unix", path }), listener.accept()]);
  listener.close();
  return [new Rpc(near, left), new Rpc(far, right)];
}

Deno.test("both ends call each other, and errors keep code and next step", async () => {
  const [near, far] = await pair(
    { double: (n: number) => n * 2 },
    {
      fail: () => {
        throw new OtbError("too-full", "Cannot pour", "Drink.");
      },
    },
  );
  assert.equal(await far.call("double", 21), 42);
  await assert.rejects(() => near.call("fail"), { code: "too-full", message: "Cannot pour", next: "Drink." });
  await assert.rejects(() => near.call("nothing"), { code: "method-unknown" });
  near.close();
  await far.closed;
  await assert.rejects(() => far.call("double", 1), { code: "connection-lost" });
});

Deno.test("calls under way are refused when the other side goes, and an answer in time is not needed", async () => {
  const [near, far] = await pair({}, { wait: () => new Promise(() => {}) });
  const lost = assert.rejects(near.call("wait"), { code: "connection-lost" });
  await assert.rejects(near.call("wait", undefined, 10), { code: "timeout" });
  far.close();
  await lost;
  near.close();
});

Deno.test("a large message arrives whole and in order", async () => {
  const [near, far] = await pair({}, { echo: (text: string) => text });
  const texts = Array.from({ length: 20 }, (_, index) => "é".repeat(index * 10_000));
  assert.deepEqual(await Promise.all(texts.map((text) => near.call("echo", text))), texts);
  near.close();
  await far.closed;
});

Deno.test("garbage ends the connection and nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (bytes) => {
      const path = await Deno.makeTempFile({ prefix: "otb" });
      const listener = listenUnix(path);
      const [near, far] = await Promise.all([Deno.connect({ transport: "unix", path }), listener.accept()]);
      listener.close();
      const rpc = new Rpc(far, {});
      await near.write(bytes);
      await near.write(new TextEncoder().encode('\n{"half":'));
      near.close();
      await rpc.closed;
    }),
    { numRuns: 50 },
  );
});
