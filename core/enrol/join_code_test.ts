import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { OtbError } from "../contract/mod.ts";
import { decodeJoinCode, encodeJoinCode } from "./join_code.ts";

const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) =>
  btoa(String.fromCharCode(...bytes))
);
const codes = fc.record({
  address: fc.oneof(fc.ipV4(), fc.constantFrom("2001:db8::1", "fd00::5:1")),
  port: fc.integer({ min: 1, max: 65535 }),
  psk: key,
  peerKey: key,
  tunnelKey: key,
}, { noNullPrototype: true, requiredKeys: ["address", "port", "psk", "tunnelKey"] });

Deno.test("join code comes back whole", () => {
  fc.assert(
    fc.property(codes, (code) => assert.deepEqual(decodeJoinCode(` ${encodeJoinCode(code)}\n`), code)),
  );
});

Deno.test("white space of any kind inside a code is nothing, wherever it was broken", () => {
  const space = fc.constantFrom(" ", "\n", "\r\n", "\t", "\u00a0", "\u2003", "\u200b", "\ufeff");
  fc.assert(fc.property(codes, fc.array(fc.tuple(fc.nat(), space), { maxLength: 8 }), (code, breaks) => {
    let text = encodeJoinCode(code);
    for (const [at, blank] of breaks) {
      const index = at % (text.length + 1);
      text = text.slice(0, index) + blank + text.slice(index);
    }
    assert.deepEqual(decodeJoinCode(text), code);
  }));
});

Deno.test("a code that is cut is told apart from a wrong one, so that the rest can be asked for", () => {
  fc.assert(fc.property(codes, fc.integer({ min: 1, max: 40 }), (code, missing) => {
    const text = encodeJoinCode(code).slice(0, -missing);
    assert.throws(() => decodeJoinCode(text), (error: OtbError) => error.code.startsWith("join-code-in"));
  }));
  const whole = encodeJoinCode({
    address: "192.0.2.1",
    port: 1,
    psk: btoa("k".repeat(32)),
    peerKey: btoa("p".repeat(32)),
    tunnelKey: btoa("t".repeat(32)),
  });
  assert.throws(() => decodeJoinCode(`${whole}AAAAAAAAAAAAAAAAAAAAAAAA`), { code: "join-code-invalid" });
  for (let length = 1; length < whole.length; length++) {
    assert.throws(() => decodeJoinCode(whole.slice(0, length)), { code: "join-code-incomplete" });
  }
});

Deno.test("a code of before each box had a key is taken, without a key of the peer", () => {
  // Address 192.0.2.1, port 8443, as otb 2 made it.
  const former =
    "otb2-IPsAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH__-_fz7-vn49_b19PPy8fDv7u3s6-rp6Ofm5eTj4uHgwAACAdAbLdw";
  const { peerKey, ...code } = decodeJoinCode(former);
  assert.equal(peerKey, undefined);
  assert.deepEqual(code, {
    address: "192.0.2.1",
    port: 8443,
    psk: btoa(String.fromCharCode(...Array(32).keys())),
    tunnelKey: btoa(String.fromCharCode(...Array.from({ length: 32 }, (_, index) => 255 - index))),
  });
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
      assert.match((error as OtbError).code, /^join-code-(invalid|incomplete)$/);
      return;
    }
    // The last character has bits that carry nothing.
    assert.deepEqual(accepted, code);
  }));
});

Deno.test("join code is not repeated in the error", () => {
  for (const version of [1, 2, 3, 4]) {
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
    assert.match(error.next!, /on the peer: sudo otb peer box add/);
    return true;
  });
});
