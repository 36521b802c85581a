import assert from "node:assert/strict";
import { createCipheriv, hkdfSync } from "node:crypto";
import fc from "fast-check";
import { type AeadMethod, Errno, openCapacity, openNative, sealedLength } from "./ffi.ts";

type Bytes = Uint8Array<ArrayBuffer>;
const native = openNative();
const methods: AeadMethod[] = ["2022-blake3-aes-256-gcm", "aes-256-gcm"];
const key = Uint8Array.from({ length: 32 }, (_, index) => index);
const salt = Uint8Array.from({ length: 32 }, (_, index) => 0xff - index);

/** BLAKE3 derive_key of at most 64 bytes under a context of at most 64, after section 2 of the BLAKE3 paper. */
function blake3DeriveKey(context: string, material: Bytes): Bytes {
  const iv = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
  const permutation = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
  const compress = (chain: ArrayLike<number>, input: Bytes, flags: number): Uint32Array<ArrayBuffer> => {
    const block = new Uint8Array(64);
    block.set(input);
    let words = new Uint32Array(block.buffer);
    const s = Uint32Array.from([...Array.from(chain), ...iv.slice(0, 4), 0, 0, input.length, flags]);
    const rotate = (value: number, bits: number) => (value >>> bits) | (value << (32 - bits));
    const mix = (a: number, b: number, c: number, d: number, x: number, y: number) => {
      for (const [word, first, second] of [[x, 16, 12], [y, 8, 7]] as const) {
        s[a] = s[a]! + s[b]! + word;
        s[d] = rotate(s[d]! ^ s[a]!, first);
        s[c] = s[c]! + s[d]!;
        s[b] = rotate(s[b]! ^ s[c]!, second);
      }
    };
    for (let round = 0; round < 7; round++) {
      for (let i = 0; i < 4; i++) mix(i, i + 4, i + 8, i + 12, words[2 * i]!, words[2 * i + 1]!);
      for (let i = 0; i < 4; i++) {
        mix(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, words[8 + 2 * i]!, words[9 + 2 * i]!);
      }
      words = Uint32Array.from(permutation, (from) => words[from]!);
    }
    return s.slice(0, 8).map((word, index) => word ^ s[index + 8]!);
  };
  const whole = 1 | 2 | 8; // CHUNK_START | CHUNK_END | ROOT
  const contextKey = compress(iv, new TextEncoder().encode(context), whole | 32);
  return new Uint8Array(compress(contextKey, material, whole | 64).buffer);
}

/** The frames as the specifications describe them, made without the library. */
function expectedFrames(subkey: Bytes, payloads: Bytes[]): Bytes {
  let counter = 0;
  const seal = (plain: Uint8Array) => {
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setUint32(0, counter++, true);
    const cipher = createCipheriv("aes-256-gcm", subkey, nonce);
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  };
  return new Uint8Array(Buffer.concat(payloads.flatMap((payload) => [
    seal(Uint8Array.of(payload.length >> 8, payload.length & 255)),
    seal(payload),
  ])));
}

function sealed(method: AeadMethod, plain: Bytes): Bytes {
  using session = native.aead(method, key, salt);
  const out = new Uint8Array(sealedLength(method, plain.length));
  assert.equal(session.sealFrames(plain, 0, plain.length, out, 0), out.length);
  return out;
}

Deno.test("the BLAKE3 of this test agrees with the published vectors", () => {
  const context = "BLAKE3 2019-12-27 16:29:52 test vectors context";
  const hex = (input: Bytes) => Buffer.from(blake3DeriveKey(context, input)).toString("hex");
  assert.equal(hex(new Uint8Array(0)), "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d");
  assert.equal(hex(new Uint8Array(1)), "b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c");
});

Deno.test("SIP022 frames are those of an independent implementation", () => {
  const material = new Uint8Array([...key, ...salt]);
  const subkey = blake3DeriveKey("shadowsocks 2022 session subkey", material);
  const plain = native.random(new Uint8Array(70_000));
  const frames = expectedFrames(subkey, [plain.slice(0, 65_535), plain.slice(65_535)]);
  assert.deepEqual(sealed("2022-blake3-aes-256-gcm", plain), frames);
});

Deno.test("SIP004 frames are those of an independent implementation", () => {
  const subkey = new Uint8Array(hkdfSync("sha1", key, salt, "ss-subkey", 32));
  const plain = native.random(new Uint8Array(20_000));
  const frames = expectedFrames(subkey, [plain.slice(0, 0x3fff), plain.slice(0x3fff)]);
  assert.deepEqual(sealed("aes-256-gcm", plain), frames);
});

Deno.test("single operations share the counter with frames", () => {
  using sealer = native.aead("2022-blake3-aes-256-gcm", key, salt);
  using opener = native.aead("2022-blake3-aes-256-gcm", key, salt);
  const wire = new Uint8Array(500), plain = new Uint8Array(openCapacity(500));
  const head = sealer.sealOne(key, 0, 11, wire, 0);
  assert.equal(head, 27);
  const frames = sealer.sealFrames(key, 5, 20, wire, head);
  assert.equal(opener.openOne(wire, 0, head, plain, 0), 11);
  assert.equal(opener.openFrames(wire, head, frames, plain, 11), 20);
  assert.deepEqual(plain.slice(0, 31), new Uint8Array([...key.slice(0, 11), ...key.slice(5, 25)]));
});

Deno.test("frames open the same however the stream is cut", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...methods),
      fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 40 }),
      (method, writes, cuts) => {
        using sealer = native.aead(method, key, salt);
        using opener = native.aead(method, key, salt);
        const plain = native.random(new Uint8Array(writes.reduce((sum, length) => sum + length)));
        const wire = new Uint8Array(writes.reduce((sum, length) => sum + sealedLength(method, length), 0));
        let read = 0, written = 0;
        for (const length of writes) {
          written += sealer.sealFrames(plain, read, length, wire, written);
          read += length;
        }
        assert.equal(written, wire.length);
        const opened = new Uint8Array(openCapacity(plain.length + wire.length));
        let at = 0, got = 0;
        for (let turn = 0; at < wire.length; turn++) {
          const length = Math.min(cuts[turn % cuts.length]!, wire.length - at);
          const count = opener.openFrames(wire, at, length, opened, got);
          assert.ok(count >= 0);
          got += count;
          at += length;
        }
        assert.deepEqual(opened.slice(0, got), plain);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("one changed bit anywhere is refused, then and later", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...methods),
      fc.nat(),
      fc.nat(7),
      fc.integer({ min: 1, max: 90 }),
      (method, where, bit, cut) => {
        using opener = native.aead(method, key, salt);
        const wire = sealed(method, new Uint8Array(300));
        wire[where % wire.length]! ^= 1 << bit;
        const out = new Uint8Array(openCapacity(wire.length));
        let worst = 0;
        for (let at = 0; at < wire.length; at += cut) {
          worst = Math.min(worst, opener.openFrames(wire, at, Math.min(cut, wire.length - at), out, 0));
        }
        assert.equal(worst, -Errno.EBADMSG);
        assert.equal(opener.openFrames(wire, 0, 0, out, 0), -Errno.EBADMSG);
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("frames in another order are refused", () => {
  using sealer = native.aead("2022-blake3-aes-256-gcm", key, salt);
  using opener = native.aead("2022-blake3-aes-256-gcm", key, salt);
  const first = new Uint8Array(44), second = new Uint8Array(44), out = new Uint8Array(openCapacity(44));
  sealer.sealFrames(key, 0, 10, first, 0);
  sealer.sealFrames(key, 0, 10, second, 0);
  assert.equal(opener.openFrames(second, 0, 44, out, 0), -Errno.EBADMSG);
});

Deno.test("too small an output consumes nothing", () => {
  using opener = native.aead("aes-256-gcm", key, salt);
  const wire = sealed("aes-256-gcm", new Uint8Array(100).fill(3)),
    out = new Uint8Array(openCapacity(wire.length));
  assert.equal(opener.openFrames(wire, 0, wire.length, out, out.length - 20), -Errno.ENOBUFS);
  assert.equal(opener.openFrames(wire, 0, wire.length, out, 0), 100);
});

Deno.test("bounds outside a buffer and freed sessions are refused", () => {
  const session = native.aead("aes-256-gcm", key, salt);
  const four = new Uint8Array(4);
  assert.equal(session.sealOne(four, 0, 4, four, 0), -Errno.EINVAL);
  assert.equal(session.sealFrames(four, 2, 4, new Uint8Array(99), 0), -Errno.EINVAL);
  session.free();
  session.free();
  assert.equal(session.sealOne(four, 0, 4, new Uint8Array(20), 0), -Errno.EINVAL);
  assert.throws(() => native.aead("aes-256-gcm", four, salt), { code: "aead-key-length" });
});

Deno.test("an identity header is one AES block under a key of identity key and salt (SIP023)", () => {
  const identityKey = key.map((byte) => byte ^ 0x5a), user = native.hash(salt).slice(0, 16);
  const material = new Uint8Array([...identityKey, ...salt]);
  const subkey = blake3DeriveKey("shadowsocks 2022 identity subkey", material);
  const cipher = createCipheriv("aes-256-ecb", subkey, null).setAutoPadding(false);
  const block = user.slice();
  native.identity(identityKey, new Uint8Array([...salt, 1, 2, 3]), block, "seal");
  assert.deepEqual(block, new Uint8Array(cipher.update(user)));
  native.identity(identityKey, salt, block, "open");
  assert.deepEqual(block, user);
  for (const [short, from, of] of [[31, 32, 16], [32, 31, 16], [32, 32, 15]] as const) {
    assert.throws(
      () => native.identity(key.slice(0, short), salt.slice(0, from), new Uint8Array(of), "seal"),
      { code: "native-einval" },
    );
  }
});

Deno.test("the plain hash is BLAKE3", () => {
  // The first of the official test vectors: no input.
  assert.equal(
    native.hash(new Uint8Array(0)).toHex(),
    "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
  );
});
