import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeAddress, openNative } from "../../../core/native/ffi.ts";
import { fuzz, swift } from "../../../tests/fuzz/property.ts";
import { type Bytes, changedBy, changes, hostile } from "../../../tests/fuzz/inputs.ts";
import { Responder } from "./responder.ts";
import { Initiator } from "./initiator.ts";
import { Boxes } from "./boxes.ts";
import { decodeHello, decodeWelcome, encodeHello, encodeWelcome, isFormerHello } from "./greeting.ts";
import { COOKIE, RESPONSE } from "../wire.ts";

const native = openNative();
const exactly = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Uint8Array.from(bytes) as Bytes);

const hellos = fc.tuple(exactly(8), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), exactly(16)).map(
  ([sessionId, counter, boxId]) => encodeHello({ sessionId, counter, boxId }),
);
const welcomes = fc.tuple(exactly(8), exactly(4), exactly(4), fc.option(exactly(8), { nil: undefined })).map(
  ([peerId, address, gateway, prefix]) => encodeWelcome({ peerId, address, gateway, prefix }),
);

fuzz(
  "a greeting or welcome that is taken has every part at its length",
  hostile(fc.oneof(hellos, welcomes), 200),
  (bytes) => {
    const hello = swift(() => decodeHello(bytes));
    if (hello) {
      assert.deepEqual([hello.sessionId, hello.boxId, hello.proof].map(({ length }) => length), [8, 16, 16]);
      assert.ok(!isFormerHello(bytes));
      assert.deepEqual(decodeHello(encodeHello(hello))!.counter, hello.counter);
    }
    const welcome = swift(() => decodeWelcome(bytes));
    if (!welcome) return;
    assert.deepEqual([welcome.peerId, welcome.address, welcome.gateway].map(({ length }) => length), [
      8,
      4,
      4,
    ]);
    assert.deepEqual(decodeWelcome(encodeWelcome(welcome)), welcome);
  },
);

const peer = native.noiseKeyPair(), box = native.noiseKeyPair();
const psk = Uint8Array.from({ length: 32 }, (_, at) => at * 37 & 255);
const here = encodeAddress({ host: "192.0.2.1", port: 1000 });
const differs = (one: Bytes, other: Bytes) =>
  one.length !== other.length || one.some((byte, at) => byte !== other[at]);

fuzz(
  "a question or an answer that was changed on its way leads to no session, and the right one still does",
  fc.tuple(changes, fc.nat(3)),
  ([all, target]) => {
    const boxes = new Boxes(native);
    boxes.update([{ name: "home", key: btoa(String.fromCharCode(...psk)) }], (_, error) => {
      throw error;
    });
    const initiator = new Initiator(native, { privateKey: box.privateKey, peerKey: peer.publicKey, psk });
    const responder = new Responder(native, peer.privateKey, boxes, () => ({
      peerId: new Uint8Array(8),
      address: new Uint8Array(4),
      gateway: new Uint8Array(4),
    }));
    const id = new Uint8Array(8).fill(3);
    const change = (message: Bytes) => changedBy(message, all, 700);
    // A peer that has just begun wants to see where the box is.
    const cookie = responder.take(initiator.ask(id, 1n, 0), here, 0)!.message;
    assert.equal(cookie[0], COOKIE);
    const forgedCookie = change(cookie);
    if (target === 0 && differs(forgedCookie.slice(8), cookie.slice(8))) {
      assert.equal(initiator.cookie(forgedCookie, 0), false);
    }
    assert.ok(initiator.cookie(cookie, 0));
    const question = initiator.ask(id, 2n, 0);
    const forged = change(question);
    // Of the second proof nothing but the cookie depends.
    if (target === 1 && differs(forged.slice(0, -16), question.slice(0, -16))) {
      assert.equal(responder.take(forged, here, 0)?.asked, undefined);
    }
    const reply = responder.take(question, here, 0)!;
    assert.equal(reply.message[0], RESPONSE);
    const other = change(reply.message);
    // The peer's index stands outside of what is proven; a wrong one makes keys that open nothing.
    if (target === 2 && (differs(other.slice(8), reply.message.slice(8)) || other[0] !== RESPONSE)) {
      assert.equal(initiator.answer(other), undefined);
    }
    const answer = initiator.answer(reply.message)!;
    assert.ok(answer);
    answer.keys.free();
    reply.asked!.keys.free();
    initiator.close();
  },
  { cost: 10 },
);
