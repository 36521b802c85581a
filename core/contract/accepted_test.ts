import { strict as assert } from "node:assert";
import { accepted } from "./accepted.ts";
import { openNative } from "../native/ffi.ts";

Deno.test("callers that are gone before they are taken are not the last", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const native = openNative();
  const { port } = listener.addr;
  for (let gone = 0; gone < 50; gone++) {
    native.abort(native.connect({ host: "127.0.0.1", port }, { resetOnClose: true }).fd);
  }
  const last = await Deno.connect({ hostname: "127.0.0.1", port });
  await last.write(new Uint8Array([7]));
  const said = new Uint8Array(1);
  for await (const connection of accepted(listener)) {
    await connection.read(said).catch(() => {});
    connection.close();
    if (said[0] === 7) break;
  }
  assert.equal(said[0], 7);
  last.close();
  listener.close();
});

Deno.test("it ends with its listener", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const ended = (async () => {
    for await (const connection of accepted(listener)) connection.close();
  })();
  listener.close();
  await ended;
});
