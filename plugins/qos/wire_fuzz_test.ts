import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz, swift } from "../../tests/fuzz/property.ts";
import { type Bytes, cuts, hostile, hostileText, pieces } from "../../tests/fuzz/inputs.ts";
import { unmappedAddress } from "@otb/plugin";
import { lines, MOST_LINE_BYTES, parseAnswer, parseRequest, type Request } from "./wire.ts";

const wish = {
  address: "203.0.113.7",
  port: 40_000,
  bitsPerSecond: 5_000_000,
  layer: "ethernet",
};
const requests = fc.constantFrom(
  {
    kind: "shape",
    session: "00112233445566778899aabbccddeeff",
    wishes: [wish, { ...wish, address: "2001:db8::1" }],
  },
  { kind: "shape", session: "00112233445566778899aabbccddeeff", wishes: [] },
  { kind: "test", direction: "down" },
  { kind: "shaped", refused: ["203.0.113.7"] },
).map((message) => JSON.stringify(message));

fuzz(
  "a line is a request within its bounds, or none",
  hostileText(fc.oneof(requests, fc.json()), MOST_LINE_BYTES),
  (line) => {
    const request: Request | undefined = swift(() => parseRequest(line));
    const answer = swift(() => parseAnswer(line));
    assert.ok(!answer || answer.refused.length <= 16);
    if (request?.kind !== "shape") return;
    assert.ok(request.wishes.length <= 16);
    for (const { bitsPerSecond, port, address } of request.wishes) {
      assert.ok(bitsPerSecond >= 200_000 && port > 0 && port < 65_536);
      // What is no address is refused further on, in no time.
      const known = swift(() => unmappedAddress(address));
      assert.ok(known === undefined || typeof known === "string");
    }
    assert.deepEqual(parseRequest(JSON.stringify(request)), request);
  },
);

const streams = hostile(
  fc.array(fc.oneof(requests, fc.constantFrom("", "x".repeat(9_000))), { maxLength: 4 })
    .map((all) => new TextEncoder().encode(all.map((line) => `${line}\n`).join("")) as Bytes),
  20_000,
);

fuzz(
  "the lines of a stream are the same however it is cut; one that is too long ends it",
  fc.tuple(streams, cuts),
  async ([bytes, sizes]) => {
    const read = async (parts: Bytes[]) => {
      const said: string[] = [];
      const rest = [...parts];
      const connection = {
        read(into: Uint8Array) {
          const part = rest.shift();
          if (!part) return Promise.resolve(null);
          const now = part.subarray(0, into.length);
          if (now.length < part.length) rest.unshift(part.slice(now.length));
          into.set(now);
          return Promise.resolve(now.length);
        },
      } as unknown as Deno.Conn;
      try {
        for await (const line of lines(connection)) said.push(line);
      } catch {
        return { said, long: true };
      }
      return { said, long: false };
    };
    const [whole, cut] = [await read([bytes]), await read(pieces(bytes, sizes))];
    assert.equal(cut.long, whole.long);
    assert.ok([...whole.said, ...cut.said].every(({ length }) => length <= MOST_LINE_BYTES));
    // What came before the line that was too long may be told or not, by where it was cut.
    const [short, long] = cut.said.length < whole.said.length
      ? [cut.said, whole.said]
      : [whole.said, cut.said];
    assert.deepEqual(long.slice(0, short.length), short);
    if (!whole.long) assert.equal(short.length, long.length);
  },
  { cost: 2 },
);

Deno.test("the generator reaches what it is for: requests of each kind are read", () => {
  const kinds = new Set(
    fc.sample(requests, 100).map((line) => parseRequest(line)?.kind ?? parseAnswer(line)?.kind),
  );
  assert.deepEqual([...kinds].sort(), ["shape", "shaped", "test"]);
});
