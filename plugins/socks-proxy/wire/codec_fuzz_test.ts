import assert from "node:assert/strict";
import fc from "fast-check";
import { ADDRESS_BYTES, openNative, SALT_BYTES, TAG_BYTES } from "../../../core/native/ffi.ts";
import { fuzz, swift } from "../../../tests/fuzz/property.ts";
import { be16, type Bytes, cuts, hostile, mutated, pieces } from "../../../tests/fuzz/inputs.ts";
import { readTarget, targetLength, writeRecord } from "./address.ts";
import { openRequestBody, openRequestHead, REQUEST_HEAD } from "./sip022.ts";
import { LINK_LOGIN, type Login, type Stage, step } from "../box/socks5.ts";
import { Targets } from "../peer/targets.ts";

const native = openNative();
const byte = fc.nat(255);
const text = (value: string) => [...new TextEncoder().encode(value)];

const address = fc.oneof(
  fc.array(byte, { minLength: 4, maxLength: 4 }).map((bytes) => [1, ...bytes]),
  fc.array(byte, { minLength: 16, maxLength: 16 }).map((bytes) => [4, ...bytes]),
  fc.oneof(fc.domain(), fc.constantFrom("127.0.0.1", "localhost", "0x7f.1", "a".repeat(255), "x..y", "-"))
    .map((name) => [3, name.length, ...text(name)]),
);
const targets = fc.tuple(address, fc.nat(65_535)).map(([bytes, port]) =>
  new Uint8Array([...bytes, ...be16(port)])
);

fuzz(
  "an address is as long as it says, within its bytes, and comes back the same",
  hostile(targets, 600),
  (bytes) => {
    const length = targetLength(bytes, 0, bytes.length);
    assert.ok(length <= bytes.length);
    const read = readTarget(bytes, 0, bytes.length);
    if (length < 0) return assert.equal(read, undefined);
    assert.equal(read!.length, length);
    const { target } = read!;
    if (!target) return;
    if (target.named) return assert.match(target.host, /^[A-Za-z0-9._-]{1,255}$/);
    assert.equal(target.record.length, ADDRESS_BYTES);
    const out = new Uint8Array(32);
    assert.equal(writeRecord(target.record, out, 0), length);
    assert.deepEqual(out.slice(0, length), bytes.slice(0, length));
    // Whatever it is, it is judged.
    assert.equal(typeof new Targets([]).allows(target.record), "boolean");
  },
);

const dialogue = fc.tuple(
  fc.array(byte, { maxLength: 5 }),
  fc.string({ maxLength: 20 }),
  fc.string({ maxLength: 20 }),
  targets,
  fc.boolean(),
).map(([methods, user, password, target, logsIn]) => {
  const [name, word] = [text(user), text(password)];
  const login = logsIn ? [1, name.length, ...name, word.length, ...word] : [];
  return new Uint8Array([5, methods.length + 1, ...methods, logsIn ? 2 : 0, ...login, 5, 1, 0, ...target]);
});
const logins = fc.constantFrom<Login | typeof LINK_LOGIN | undefined>(undefined, LINK_LOGIN, {
  username: "me",
  password: "x",
});

/** The dialogue as the listener holds it, over the pieces in turn: every step that was taken. */
function converse(login: Login | typeof LINK_LOGIN | undefined, parts: Bytes[]): unknown[] {
  const said: unknown[] = [];
  let stage: Stage = "greeting", kept = new Uint8Array(0) as Bytes;
  for (const part of parts) {
    let bytes = new Uint8Array([...kept, ...part]) as Bytes;
    for (;;) {
      const next = step(stage, bytes, login);
      if (next.kind === "more") break;
      if (next.kind === "refuse") return [...said, next];
      assert.ok(next.used > 0 && next.used <= bytes.length);
      bytes = bytes.slice(next.used);
      if (next.kind === "connect") return [...said, { kind: next.kind, target: next.target.slice() }];
      said.push({ reply: next.reply, link: next.link });
      stage = next.stage;
    }
    kept = bytes;
  }
  return said;
}

fuzz(
  "SOCKS5 says the same however its bytes are cut",
  fc.tuple(logins, hostile(dialogue, 1_200), cuts),
  ([login, bytes, sizes]) => {
    const whole = swift(() => converse(login, [bytes]));
    assert.deepEqual(converse(login, pieces(bytes, sizes)), whole);
  },
);

const KEY = new Uint8Array(32).fill(7), NOW = 1_700_000_000;
const plain = new Uint8Array(65_536);

/** A request that is sealed rightly, whatever it says. */
function sealed(head: Bytes, body: Bytes): Bytes {
  const salt = new Uint8Array(SALT_BYTES).fill(9);
  const sealer = native.aead("2022-blake3-aes-256-gcm", KEY, salt);
  const out = new Uint8Array(REQUEST_HEAD + body.length + TAG_BYTES);
  out.set(salt);
  // A fixed header of another length has no place in the format.
  const fixed = new Uint8Array(11);
  fixed.set(head.subarray(0, 11));
  const at = SALT_BYTES + sealer.sealOne(fixed, 0, fixed.length, out, SALT_BYTES);
  sealer.sealOne(body, 0, body.length, out, at);
  sealer.free();
  return out;
}

const bodies = fc.tuple(targets, fc.nat(950), fc.array(byte, { maxLength: 40 })).map((
  [target, padding, payload],
) => new Uint8Array([...target, ...be16(padding), ...new Uint8Array(padding), ...payload]));
const heads = fc.tuple(fc.integer({ min: NOW - 40, max: NOW + 40 }), fc.option(fc.nat(65_535))).map(
  ([seconds, length]) => {
    const head = new Uint8Array(11);
    new DataView(head.buffer).setBigUint64(1, BigInt(seconds));
    new DataView(head.buffer).setUint16(9, length ?? 0);
    return { head, honest: length === null };
  },
);

fuzz(
  "a request of who has the key and lies is refused by a reason, or has a target within what was opened",
  fc.tuple(heads, mutated(bodies, 1_400), mutated(fc.constant(new Uint8Array(0)), 11)),
  ([{ head, honest }, body, noise]) => {
    if (honest) head.set(be16(body.length), 9);
    noise.forEach((value, index) => head[index]! ^= value);
    const input = sealed(head, body);
    const opener = native.aead("2022-blake3-aes-256-gcm", KEY, input.subarray(0, SALT_BYTES));
    try {
      const length = openRequestHead(opener, input, SALT_BYTES, NOW, plain);
      if (typeof length === "string") return assert.ok(["type", "time"].includes(length));
      // The rest is waited for until it is there.
      if (REQUEST_HEAD + length + TAG_BYTES > input.length) return;
      const opened = openRequestBody(opener, input, REQUEST_HEAD, length, plain);
      if (typeof opened === "string") {
        return assert.equal(opened, length === body.length ? "malformed" : "forged");
      }
      assert.ok(opened.payloadOffset <= length && opened.payloadOffset > 4);
    } finally {
      opener.free();
    }
  },
);
