import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeHello,
  decodeWelcome,
  encodeHello,
  encodeWelcome,
  HELLO_BYTES,
  WELCOME_BYTES,
} from "./greeting.ts";
import { SEALED_BYTES, SealedHeader } from "./wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;
const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }) as fc.Arbitrary<Bytes>;

Deno.test("a sealed header is read as it was written, every field at its limits", () => {
  const field = (bits: number) =>
    fc.oneof(fc.constant(0), fc.constant(2 ** bits - 1), fc.integer({ min: 0, max: 2 ** bits - 1 }));
  const fields = fc.record({
    global: field(32),
    sentUs: field(32),
    stream: field(12),
    age: field(4),
    order: field(16),
    paths: field(8),
    queued: field(8),
    content: field(8),
  }, { noNullPrototype: true });
  fc.assert(fc.property(fields, fc.integer({ min: 0, max: 4 }), (values, slot) => {
    const words = new Uint32Array(64);
    const written = Object.assign(new SealedHeader(), values);
    written.write(words, slot * SEALED_BYTES);
    const read = new SealedHeader();
    read.read(words, slot * SEALED_BYTES);
    assert.deepEqual({ ...read }, values);
  }));
});

Deno.test("a greeting and a welcome come back whole", () => {
  fc.assert(
    fc.property(
      bytes(8),
      bytes(8),
      bytes(4),
      bytes(4),
      fc.option(bytes(8), { nil: undefined }),
      (id, peerId, address, gateway, prefix) => {
        assert.equal(encodeHello(id).length, HELLO_BYTES);
        assert.deepEqual(decodeHello(encodeHello(id)), id);
        const welcome = { peerId, address, gateway, prefix };
        assert.equal(encodeWelcome(welcome).length, WELCOME_BYTES);
        assert.deepEqual(decodeWelcome(encodeWelcome(welcome)), welcome);
      },
    ),
  );
});

Deno.test("another version, or too little, is no greeting", () => {
  const id = new Uint8Array(8).fill(7);
  const other = encodeHello(id);
  other[0] = 2;
  assert.equal(decodeHello(other), undefined);
  assert.equal(decodeHello(encodeHello(id).slice(0, 11)), undefined);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
    decodeHello(noise as Bytes);
    decodeWelcome(noise as Bytes);
  }));
});

Deno.test("an answer is never longer than its question, so that nobody is flooded through the peer", () => {
  // Noise adds 32 + 48 + 16 to the first message, and 32 + 16 to the second.
  assert.ok(12 + WELCOME_BYTES + 48 <= 8 + HELLO_BYTES + 96 + 32);
});
