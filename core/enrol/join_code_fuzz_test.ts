import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz, swift } from "../../tests/fuzz/property.ts";
import { hostileText } from "../../tests/fuzz/inputs.ts";
import { OtbError } from "../contract/mod.ts";
import { decodeJoinCode, encodeJoinCode } from "./join_code.ts";

const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) =>
  btoa(String.fromCharCode(...bytes))
);
const codes = fc.tuple(
  fc.oneof(fc.ipV4(), fc.ipV6()),
  fc.integer({ min: 1, max: 65_535 }),
  key,
  key,
  fc.option(key, { nil: undefined }),
)
  .map(([address, port, psk, tunnelKey, peerKey]) =>
    encodeJoinCode({ address, port, psk, tunnelKey, peerKey })
  );

fuzz(
  "a join code is taken whole or refused by code, and never told again",
  hostileText(codes, 1_024),
  (text) => {
    try {
      const code = swift(() => decodeJoinCode(text));
      assert.deepEqual(decodeJoinCode(encodeJoinCode(code)), code);
      for (const secret of [code.psk, code.tunnelKey]) assert.equal(atob(secret).length, 32);
    } catch (error) {
      assert.ok(error instanceof OtbError, String(error));
      assert.match(error.code, /^join-code-/);
      const told = `${error.message} ${error.next}`;
      for (let at = 8; at + 12 < text.length; at += 6) assert.ok(!told.includes(text.slice(at, at + 12)));
    }
  },
);
