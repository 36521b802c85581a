import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeHello,
  decodeWelcome,
  encodeFormerHello,
  encodeHello,
  encodeWelcome,
  FORMER_VERSION,
  HELLO_BYTES,
  isFormerHello,
  PROOF_AT,
  PROOF_BYTES,
  WELCOME_BYTES,
} from "./handshake/greeting.ts";
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

const hello = fc.record({
  sessionId: bytes(8),
  counter: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  boxId: bytes(16),
}, { noNullPrototype: true });

Deno.test("a greeting and a welcome come back whole", () => {
  fc.assert(fc.property(hello, (said) => {
    const encoded = encodeHello(said);
    assert.equal(encoded.length, HELLO_BYTES);
    assert.deepEqual(decodeHello(encoded), { ...said, proof: new Uint8Array(PROOF_BYTES) });
  }));
  fc.assert(
    fc.property(
      bytes(8),
      bytes(4),
      bytes(4),
      fc.option(bytes(8), { nil: undefined }),
      (peerId, address, gateway, prefix) => {
        const welcome = { peerId, address, gateway, prefix };
        assert.equal(encodeWelcome(welcome).length, WELCOME_BYTES);
        assert.deepEqual(decodeWelcome(encodeWelcome(welcome)), welcome);
        assert.equal(decodeWelcome(encodeWelcome(welcome, FORMER_VERSION)), undefined);
      },
    ),
  );
});

Deno.test("property: whatever bytes come as a greeting or a welcome, they are read as what they say or refused", () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.tuple(fc.nat(4), fc.uint8Array({ minLength: HELLO_BYTES - 1, maxLength: HELLO_BYTES - 1 }))
      .map(([version, rest]) => new Uint8Array([version, ...rest])),
    fc.tuple(fc.nat(4), fc.uint8Array({ minLength: WELCOME_BYTES - 1, maxLength: WELCOME_BYTES - 1 }))
      .map(([version, rest]) => new Uint8Array([version, ...rest])),
  ) as fc.Arbitrary<Bytes>;
  fc.assert(
    fc.property(noise, (all) => {
      const read = decodeHello(all);
      assert.equal(read !== undefined, all.length === HELLO_BYTES && all[0] === 2);
      // Flags and zeros apart, what was read is what was there.
      if (read) {
        const again = encodeHello(read);
        again.set(read.proof, PROOF_AT);
        assert.deepEqual(again.slice(4, PROOF_AT + PROOF_BYTES), all.slice(4, PROOF_AT + PROOF_BYTES));
      }
      assert.equal(decodeWelcome(all) !== undefined, all.length === WELCOME_BYTES && all[0] === 2);
      isFormerHello(all);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("a former greeting is told from one that only asks who is there", () => {
  const asking = encodeFormerHello(new Uint8Array(8).fill(7));
  assert.equal(decodeHello(asking), undefined);
  assert.equal(isFormerHello(asking), false);
  asking[1] = 0;
  assert.equal(isFormerHello(asking), true);
});

Deno.test("an answer is never longer than its question, so that nobody is flooded through the peer", () => {
  // Noise adds 32 + 48 + 16 to the first message, and 32 + 16 to the second.
  assert.ok(12 + WELCOME_BYTES + 48 <= 8 + HELLO_BYTES + 96 + 32);
});
