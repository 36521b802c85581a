import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz, swift } from "../../tests/fuzz/property.ts";
import { type Bytes, cuts, hostile, hostileText, pieces } from "../../tests/fuzz/inputs.ts";
import { OtbError } from "../contract/mod.ts";
import { parseManifest } from "./manifest.ts";
import { Rpc, type Stream } from "./rpc.ts";

/** A hostile other side: what it says, in pieces, and whether it takes what is said to it. */
function other(parts: Bytes[], takes = true): Stream & { taken: number } {
  const rest = [...parts];
  return {
    taken: 0,
    read(into: Uint8Array) {
      const part = rest.shift();
      if (part === undefined) return Promise.resolve(null);
      into.set(part.subarray(0, into.length));
      if (part.length > into.length) rest.unshift(part.slice(into.length));
      return Promise.resolve(Math.min(part.length, into.length));
    },
    write(bytes: Uint8Array) {
      this.taken += bytes.length;
      return takes ? Promise.resolve(bytes.length) : new Promise<number>(() => {});
    },
    close() {},
  };
}

const anything = fc.jsonValue();
const messages = fc.oneof(
  fc.record({ id: fc.oneof(fc.constantFrom(1, 2), anything), result: anything }, { requiredKeys: [] }),
  fc.record({
    id: fc.constantFrom(1, 2),
    error: fc.oneof(anything, fc.record({ code: anything, message: anything })),
  }),
  fc.record({
    id: anything,
    method: fc.oneof(fc.constantFrom("echo", "fail", "toString", "__proto__"), anything),
    params: anything,
  }),
  anything,
);
const streams = hostile(
  fc.array(messages, { maxLength: 6 }).map((all) =>
    new TextEncoder().encode(all.map((message) => `${JSON.stringify(message)}\n`).join("")) as Bytes
  ),
  4_000,
);

fuzz(
  "whatever a plugin says, calls end with an answer or a refusal once it is gone",
  fc.tuple(streams, cuts),
  async ([bytes, sizes]) => {
    const rpc = new Rpc(other(pieces(bytes, sizes)), {
      echo: (value: unknown) => value,
      fail: () => {
        throw new OtbError("no", "Cannot");
      },
    });
    const calls = [rpc.call("one"), rpc.call("two")].map((call) =>
      call.then(() => "answered", (error) => {
        assert.ok(
          error instanceof OtbError && typeof error.code === "string" && typeof error.message === "string",
        );
        return "refused";
      })
    );
    await rpc.closed;
    // Nothing is left that only time would end.
    const soon = new Promise<string>((resolve) => setTimeout(() => resolve("waits"), 1_000));
    for (const call of calls) assert.notEqual(await Promise.race([call, soon]), "waits");
  },
  { cost: 2 },
);

Deno.test("an answer that is none ends the call with the connection, not with the call's time", async () => {
  const rpc = new Rpc(other([new TextEncoder().encode('{"id":1,"error":null}\n') as Bytes]), {});
  await assert.rejects(rpc.call("one", undefined, 2 ** 30), { code: "connection-lost" });
});

Deno.test("who asks without end and takes no answers is not read on: what is kept for it is bounded", async () => {
  const request = new TextEncoder().encode(`{"id":7,"method":"big"}\n`.repeat(2_000)) as Bytes;
  let answered = 0;
  const stream = other(Array.from({ length: 50 }, () => request), false);
  const rpc = new Rpc(stream, { big: () => (answered++, "x".repeat(20_000)) });
  // Long after everything was there to be read.
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(answered > 0 && answered <= 2_000, `${answered} answers of 20 kB are kept`);
  rpc.close();
});

const manifest = JSON.stringify({
  name: "@otb/x",
  version: "1.0.0",
  exports: "./mod.ts",
  otb: { contract: "^2", summary: "s", roles: ["box"], permissions: { net: ["a"] }, claims: ["route"] },
});

fuzz(
  "a manifest is taken as its schema has it or refused by code",
  hostileText(fc.oneof(fc.constant(manifest), fc.json())),
  (text) => {
    try {
      const { name, tier, native, permissions } = swift(() => parseManifest(text, "/x"));
      assert.match(name, /^[a-z][a-z0-9-]{0,31}$/);
      assert.ok(tier === "trusted" || !native && permissions.run.length === 0);
    } catch (error) {
      assert.ok(error instanceof OtbError, String(error));
    }
  },
);
