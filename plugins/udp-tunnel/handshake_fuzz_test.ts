import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeAddress, openNative } from "../../core/native/ffi.ts";
import { fuzz } from "../../tests/fuzz/property.ts";
import { type Bytes, changedBy, changes, hostile } from "../../tests/fuzz/inputs.ts";
import { Answerer } from "./answerer.ts";
import { Asker } from "./asker.ts";
import { Boxes } from "./boxes.ts";
import { decodeHello, decodeWelcome, encodeHello, encodeWelcome, isFormerHello } from "./greeting.ts";

const native = openNative();
const exactly = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Uint8Array.from(bytes) as Bytes);

const hellos = fc.tuple(exactly(8), exactly(16), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })).map(
  ([sessionId, boxId, counter]) => encodeHello({ sessionId, boxId, counter }),
);
const welcomes = fc.tuple(exactly(8), exactly(4), exactly(4), fc.option(exactly(8), { nil: undefined })).map(
  ([peerId, address, gateway, prefix]) => encodeWelcome({ peerId, address, gateway, prefix }),
);

fuzz(
  "a greeting or welcome that is taken has every part at its length",
  hostile(fc.oneof(hellos, welcomes), 200),
  (bytes) => {
    const hello = decodeHello(bytes);
    assert.deepEqual(
      hello && [hello.sessionId, hello.boxId, hello.proof].map(({ length }) => length),
      hello && [8, 16, 16],
    );
    isFormerHello(bytes);
    const welcome = decodeWelcome(bytes);
    if (!welcome) return;
    assert.deepEqual(
      [welcome.peerId, welcome.address, welcome.gateway].map(({ length }) => length),
      [8, 4, 4],
    );
    assert.deepEqual(decodeWelcome(encodeWelcome(welcome)), welcome);
  },
);

const peer = native.noiseKeyPair(), box = native.noiseKeyPair(), psk = native.random(new Uint8Array(32));
const sessionId = new Uint8Array(8).fill(3);
const here = encodeAddress({ host: "192.0.2.1", port: 1000 });

/** A box that has shown where it is. */
function ends() {
  const boxes = new Boxes(native);
  boxes.update([{ name: "home", key: btoa(String.fromCharCode(...psk)) }], (_name, error) => {
    throw error;
  });
  const asker = new Asker(native, { privateKey: box.privateKey, peerKey: peer.publicKey, psk });
  const answerer = new Answerer(native, peer.privateKey, boxes, () => ({
    peerId: new Uint8Array(8),
    address: new Uint8Array(4),
    gateway: new Uint8Array(4),
  }));
  asker.cookie(answerer.take(asker.ask(sessionId, 1n, 0), here, 0)!.message, 0);
  return { asker, answerer };
}

const differs = (one: Bytes, other: Bytes) =>
  one.length !== other.length || one.some((byte, at) => byte !== other[at]);

fuzz(
  "a question or an answer that was changed on its way leads to no session, and the right one still does",
  fc.tuple(changes, fc.nat(3)),
  ([all, target]) => {
    const { asker, answerer } = ends();
    const question = asker.ask(sessionId, 2n, 0);
    const change = (message: Bytes) => changedBy(message, all, 700);
    const forged = change(question);
    if (target === 0 && differs(forged, question)) {
      assert.equal(answerer.take(forged, here, 0)?.asked, undefined);
    }
    const reply = answerer.take(question, here, 1_000_000)!;
    const other = change(reply.message);
    // The peer's index stands outside of what is proven; a wrong one makes keys that open nothing.
    if (target === 1 && (differs(other.slice(8), reply.message.slice(8)) || other[0] !== reply.message[0])) {
      assert.equal(asker.answer(other), undefined);
    }
    if (target === 2) assert.equal(asker.cookie(other, 0), false);
    const answer = asker.answer(reply.message)!;
    assert.ok(answer);
    answer.keys.free();
    reply.asked!.keys.free();
    asker.close();
  },
  { cost: 10 },
);
