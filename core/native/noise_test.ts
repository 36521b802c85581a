import assert from "node:assert/strict";
import fc from "fast-check";
import { Errno, NOISE_OVERHEAD, type NoiseHandshake, type NoiseOptions, openNative } from "./ffi.ts";
import { independentInitiator, join, x25519 } from "./testing/noise.ts";

type Bytes = Uint8Array<ArrayBuffer>;
const native = openNative();
const bytes = (text: string): Bytes => new TextEncoder().encode(text);
const random = (length: number) => native.random(new Uint8Array(length));

/** Two ends that agree, unless told otherwise. */
function ends(near: Partial<NoiseOptions> = {}, far: Partial<NoiseOptions> = {}) {
  const own = native.noiseKeyPair(), other = native.noiseKeyPair(), psk = random(32);
  const common = { psk, prologue: bytes("otb 1") };
  const one = {
    initiator: true,
    privateKey: own.privateKey,
    remotePublicKey: other.publicKey,
    ...common,
    ...near,
  };
  const two = { initiator: false, privateKey: other.privateKey, ...common, ...far };
  return { own, other, near: native.noise(one), far: native.noise(two) };
}

function write(handshake: NoiseHandshake, payload: Bytes): Bytes {
  const out = new Uint8Array(payload.length + 96);
  const length = handshake.write(payload, out);
  assert.ok(length > 0, `wrote ${length}`);
  return out.slice(0, length);
}

/** The payload of a message, or the errno. */
function read(handshake: NoiseHandshake, message: Bytes): Bytes | number {
  const out = new Uint8Array(message.length);
  const length = handshake.read(message, out);
  return length < 0 ? length : out.slice(0, length);
}

Deno.test("key pairs are those of X25519", () => {
  // RFC 7748, section 6.1: the base point is 9.
  const privateKey = random(32);
  assert.deepEqual(native.noisePublicKey(privateKey), x25519(privateKey, new Uint8Array(32).fill(9, 0, 1)));
  assert.throws(() => native.noisePublicKey(new Uint8Array(31)), /current length is "31"/);
  const one = native.noiseKeyPair(), other = native.noiseKeyPair();
  assert.deepEqual(native.noisePublicKey(one.privateKey), one.publicKey);
  assert.deepEqual(x25519(one.privateKey, other.publicKey), x25519(other.privateKey, one.publicKey));
});

Deno.test("two ends shake hands, know each other, and split once", () => {
  const { own, other, near, far } = ends();
  assert.deepEqual(near.remoteKey(), other.publicKey);
  assert.equal(far.remoteKey(), undefined);
  const first = write(near, bytes("hello"));
  assert.equal(first.length, 5 + NOISE_OVERHEAD.first);
  assert.throws(() => near.split(1, 2), { code: "noise-unfinished" });
  assert.deepEqual(read(far, first), bytes("hello"));
  assert.deepEqual(far.remoteKey(), own.publicKey);
  const second = write(far, bytes("welcome"));
  assert.equal(second.length, 7 + NOISE_OVERHEAD.second);
  assert.deepEqual(read(near, second), bytes("welcome"));
  using one = near.split(1, 2), two = far.split(2, 1);
  assert.deepEqual([one.localIndex, one.remoteIndex, two.localIndex], [1, 2, 2]);
  assert.throws(() => near.split(1, 2), { code: "noise-unfinished" });
  assert.equal(near.write(bytes("again"), new Uint8Array(200)), -Errno.EINVAL);
});

Deno.test("an initiator made without the library is understood, and understands", () => {
  const own = random(32), other = native.noiseKeyPair(), psk = random(32), prologue = bytes("otb 1");
  const near = independentInitiator(own, other.publicKey, psk, prologue);
  using far = native.noise({ initiator: false, privateKey: other.privateKey, psk, prologue });
  assert.deepEqual(read(far, near.first(bytes("hello"))), bytes("hello"));
  assert.deepEqual(far.remoteKey(), native.noisePublicKey(own));
  assert.deepEqual(near.second(write(far, bytes("welcome"))), bytes("welcome"));
});

Deno.test("another prologue, or another responder's key, is refused by the responder", () => {
  for (const change of [{ prologue: bytes("otb 2") }, { remotePublicKey: native.noiseKeyPair().publicKey }]) {
    const { near, far } = ends(change);
    using _near = near, _far = far;
    assert.equal(read(far, write(near, bytes("hello"))), -Errno.EBADMSG);
    assert.equal(far.remoteKey(), undefined);
    assert.equal(far.write(bytes("welcome"), new Uint8Array(200)), -Errno.EINVAL);
  }
});

Deno.test("another pre-shared key is refused by the initiator", () => {
  const { near, far } = ends({ psk: random(32) });
  using _near = near, _far = far;
  assert.deepEqual(read(far, write(near, bytes("hello"))), bytes("hello"));
  assert.equal(read(near, write(far, bytes("welcome"))), -Errno.EBADMSG);
  assert.throws(() => near.split(1, 2), { code: "noise-unfinished" });
});

Deno.test("no flipped byte of either message is accepted, and the right one still is", () => {
  const { near, far } = ends();
  using _near = near, _far = far;
  const refused = (reader: NoiseHandshake, message: Bytes) => {
    for (let index = 0; index < message.length; index++) {
      const forged = message.slice();
      forged[index]! ^= 1 << index % 8;
      assert.equal(read(reader, forged), -Errno.EBADMSG, `byte ${index}`);
    }
    assert.equal(read(reader, message.slice(0, -1)), -Errno.EBADMSG);
    assert.equal(read(reader, join(message, Uint8Array.of(0))), -Errno.EBADMSG);
  };
  const first = write(near, bytes("hello"));
  refused(far, first);
  assert.deepEqual(read(far, first), bytes("hello"));
  const second = write(far, bytes("welcome"));
  refused(near, second);
  assert.deepEqual(read(near, second), bytes("welcome"));
});

Deno.test("a key of small order is refused", () => {
  const { far } = ends();
  using _far = far;
  assert.equal(read(far, new Uint8Array(200)), -Errno.EBADMSG);
});

Deno.test("random messages are refused and never crash", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), fc.nat(500), (message, answer, room) => {
      const { near, far } = ends();
      using _near = near, _far = far;
      if (answer) write(near, bytes("hello"));
      const result = (answer ? near : far).read(new Uint8Array(message), new Uint8Array(room));
      assert.ok([-Errno.EBADMSG, -Errno.ENOBUFS].includes(result), `${result}`);
    }),
  );
});

Deno.test("any room is refused that is too small, without a step being lost", () => {
  const { near, far } = ends();
  using _near = near, _far = far;
  const payload = random(20);
  for (let room = 0; room < 20 + NOISE_OVERHEAD.first; room++) {
    assert.equal(near.write(payload, new Uint8Array(room)), -Errno.ENOBUFS, `room ${room}`);
  }
  const first = write(near, payload);
  for (let room = 0; room < 20; room++) {
    assert.equal(far.read(first, new Uint8Array(room)), -Errno.ENOBUFS, `room ${room}`);
  }
  assert.deepEqual(read(far, first), payload);
  assert.equal(far.write(random(65_500), new Uint8Array(70_000)), -Errno.EINVAL);
  assert.equal(write(far, random(65_535 - 48)).length, 65_535);
});

Deno.test("keys of another length, and a missing one, are refused by name", () => {
  const privateKey = random(32), psk = random(32), prologue = new Uint8Array(0);
  const options = { initiator: true, privateKey, psk, prologue };
  assert.throws(() => native.noise(options), { code: "noise-key-length", message: /remote public key/ });
  assert.throws(() => native.noise({ ...options, psk: random(33) }), { message: /pre-shared key.*"33"/ });
});

Deno.test("a freed handshake answers nothing", () => {
  const { near, far } = ends();
  near.free();
  far.free();
  far.free();
  assert.equal(near.write(bytes("hello"), new Uint8Array(200)), -Errno.EINVAL);
  assert.equal(far.read(new Uint8Array(200), new Uint8Array(200)), -Errno.EINVAL);
  assert.equal(near.remoteKey(), undefined);
});

Deno.test("a MAC is the keyed BLAKE3 of the data", () => {
  // From test_vectors.json of the BLAKE3 reference: lengths 0 and 1.
  const key = bytes("whats the Elvish word for friend");
  const hex = (data: Bytes) => Buffer.from(native.mac(key, data)).toString("hex");
  assert.equal(hex(new Uint8Array(0)), "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26");
  assert.equal(hex(new Uint8Array(1)), "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b");
  assert.throws(() => native.mac(new Uint8Array(16), key), { code: "mac-key-length" });
});

Deno.test("equal tells the same bytes from others", () => {
  fc.assert(fc.property(fc.uint8Array(), fc.uint8Array(), (one, other) => {
    const [a, b] = [new Uint8Array(one), new Uint8Array(other)];
    assert.equal(native.equal(a, b), Buffer.compare(a, b) === 0);
    assert.ok(native.equal(a, a.slice()));
  }));
});

Deno.test("a responder gives the pre-shared key once it has read who asks, and cannot answer without", () => {
  const own = native.noiseKeyPair(), other = native.noiseKeyPair(), psk = native.random(new Uint8Array(32));
  const prologue = new Uint8Array(0), message = new Uint8Array(200), empty = new Uint8Array(0);
  const { publicKey: remotePublicKey, privateKey } = other;
  using one = native.noise({ initiator: true, privateKey: own.privateKey, remotePublicKey, psk, prologue });
  using two = native.noise({ initiator: false, privateKey, prologue });
  const first = message.slice(0, one.write(empty, message));
  assert.deepEqual(one.ephemeralKey(), first.slice(0, 32), "an initiator's payload may refer to its own key");
  assert.equal(two.ephemeralKey(), undefined);
  two.read(first, new Uint8Array(200));
  assert.deepEqual(two.remoteKey(), own.publicKey);
  using without = native.noise({ initiator: false, privateKey, prologue });
  without.read(first, new Uint8Array(200));
  assert.equal(without.write(empty, message), -Errno.EIO);
  two.setPsk(psk);
  const second = message.slice(0, two.write(empty, message));
  assert.equal(one.read(second, new Uint8Array(200)), 0);
  assert.throws(() => two.setPsk(psk), { code: "native-einval" });
  using wrong = native.noise({ initiator: true, privateKey: own.privateKey, remotePublicKey, psk, prologue });
  assert.notDeepEqual(wrong.ephemeralKey(), one.ephemeralKey());
});

Deno.test("golden: BLAKE3 of nothing", () => {
  const hash = Array.from(native.hash(new Uint8Array(0)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
  assert.equal(hash, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
});
