import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { OtbError } from "../plugin.ts";
import { decodeJoinCode, encodeJoinCode } from "./join_code.ts";

const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) =>
  btoa(String.fromCharCode(...bytes))
);
const codes = fc.record({
  address: fc.oneof(fc.ipV4(), fc.constantFrom("2001:db8::1", "fd00::5:1")),
  port: fc.integer({ min: 1, max: 65535 }),
  psk: key,
  tunnelKey: key,
}, { noNullPrototype: true });

Deno.test("join code comes back whole", () => {
  fc.assert(
    fc.property(codes, (code) => assert.deepEqual(decodeJoinCode(` ${encodeJoinCode(code)}\n`), code)),
  );
});

Deno.test("join code with one changed character is refused", () => {
  fc.assert(fc.property(codes, fc.nat(), fc.constantFrom(..."AZaz09-_ é"), (code, at, character) => {
    const text = encodeJoinCode(code);
    const index = 5 + at % (text.length - 5);
    const changed = text.slice(0, index) + character + text.slice(index + 1);
    if (changed === text) return;
    let accepted;
    try {
      accepted = decodeJoinCode(changed);
    } catch (error) {
      assert.equal((error as OtbError).code, "join-code-invalid");
      return;
    }
    // The last character has bits that carry nothing.
    assert.deepEqual(accepted, code);
  }));
});

Deno.test("join code is not repeated in the error", () => {
  for (const version of [1, 2, 3]) {
    assert.throws(
      () => decodeJoinCode(`otb${version}-c2VjcmV0`),
      (error: Error) => !error.message.includes("c2VjcmV0"),
    );
  }
});

Deno.test("a code of before there was a tunnel is refused with the way to a new one", () => {
  // Address 192.0.2.1, port 8443, as otb 1 made it.
  const former = "otb1-IPsAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH8AAAgGxjBJC";
  assert.throws(() => decodeJoinCode(former), (error: OtbError) => {
    assert.equal(error.code, "join-code-outdated");
    assert.match(error.next!, /on the peer: sudo otb init code/);
    return true;
  });
});
