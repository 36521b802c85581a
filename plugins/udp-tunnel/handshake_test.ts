import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeAddress, openNative } from "../../core/native/ffi.ts";
import { Answerer, type Asked } from "./answerer.ts";
import { Asker } from "./asker.ts";
import type { Welcome } from "./greeting.ts";
import { COOKIE, INITIATION, RESPONSE } from "./wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const native = openNative();
const SECOND = 1_000_000;
const id = new Uint8Array(8).fill(3);
const here = encodeAddress({ host: "192.0.2.1", port: 1000 });
const welcome: Welcome = {
  peerId: new Uint8Array(8).fill(9),
  address: new Uint8Array([100, 127, 157, 2]),
  gateway: new Uint8Array([100, 127, 157, 1]),
  prefix: undefined,
};

function ends({ psk, otherPsk, room = true }: { psk?: Bytes; otherPsk?: Bytes; room?: boolean } = {}) {
  psk ??= native.random(new Uint8Array(32));
  otherPsk ??= psk;
  const peer = native.noiseKeyPair(), box = native.noiseKeyPair();
  const asker = new Asker(native, { privateKey: box.privateKey, peerKey: peer.publicKey, psk });
  const answerer = new Answerer(
    native,
    { privateKey: peer.privateKey, psk: otherPsk },
    () => room ? welcome : undefined,
  );
  return { asker, answerer, box };
}

function forget({ asked }: { asked?: Asked }) {
  asked?.keys.free();
}

Deno.test("a question is answered, once for all its copies, and both agree", () => {
  const { asker, answerer, box } = ends();
  const question = asker.ask(id, 0);
  assert.equal(question[0], INITIATION);
  const reply = answerer.take(question, here, 0)!;
  assert.equal(reply.message[0], RESPONSE);
  assert.ok(reply.message.length <= question.length);
  assert.equal(reply.asked!.box, btoa(String.fromCharCode(...box.publicKey)));
  assert.deepEqual(reply.asked!.sessionId, id);
  const copy = answerer.take(question, encodeAddress({ host: "198.51.100.7", port: 9 }), SECOND)!;
  assert.deepEqual(copy, { message: reply.message });
  const answer = asker.answer(reply.message)!;
  assert.deepEqual(answer.welcome, welcome);
  assert.equal(answer.keys.remoteIndex, reply.asked!.index);
  assert.equal(asker.answer(reply.message), undefined, "an answer counts once");
  answer.keys.free();
  forget(reply);
});

Deno.test("without the peer's key there is no answer, and without the shared key no session", () => {
  const stranger = ends().asker;
  const { answerer } = ends();
  assert.equal(answerer.take(stranger.ask(id, 0), here, 0), undefined);
  const psk = native.random(new Uint8Array(32));
  const { asker, answerer: other } = ends({ psk, otherPsk: native.random(new Uint8Array(32)) });
  // The pre-shared key comes in with the answer: the box refuses it.
  const reply = other.take(asker.ask(id, 0), here, 0)!;
  assert.equal(asker.answer(reply.message), undefined);
  forget(reply);
});

Deno.test("a flipped bit anywhere gets no answer from either end", () => {
  const { asker, answerer } = ends();
  const question = asker.ask(id, 0);
  for (let at = 0; at < question.length - 16; at++) {
    const flipped = question.slice();
    flipped[at]! ^= 1;
    assert.equal(answerer.take(flipped, here, 0), undefined, `byte ${at}`);
  }
  const reply = answerer.take(question, here, 0)!;
  for (const at of [0, ...Array.from({ length: reply.message.length - 8 }, (_, index) => index + 8)]) {
    const flipped = reply.message.slice();
    flipped[at]! ^= 1;
    assert.equal(asker.answer(flipped), undefined, `byte ${at}`);
  }
  asker.answer(reply.message)!.keys.free();
  forget(reply);
});

Deno.test("no bytes get an answer, and none break either end", () => {
  const { asker, answerer } = ends();
  asker.ask(id, 0);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), fc.integer({ min: 0, max: 5 }), (noise, type) => {
    const bytes = noise as Bytes;
    if (bytes.length > 0) bytes[0] = type;
    assert.equal(answerer.take(bytes, here, 0), undefined);
    assert.equal(asker.answer(bytes), undefined);
    assert.equal(asker.cookie(bytes, 0), false);
  }));
});

Deno.test("in a flood the sender has to be where it says, and gets in with its cookie", () => {
  const { asker, answerer } = ends();
  let cookie: Bytes | undefined;
  for (let count = 0; count < 200 && !cookie; count++) {
    const reply = answerer.take(asker.ask(id, 0), here, 0)!;
    forget(reply);
    if (reply.message[0] === COOKIE) cookie = reply.message;
  }
  assert.ok(cookie, "200 questions at once are a flood");
  const forged = cookie.slice();
  forged[30]! ^= 1;
  assert.equal(asker.cookie(forged, 0), false);
  assert.equal(asker.cookie(cookie, 0), true);
  const question = asker.ask(id, 0);
  const elsewhere = answerer.take(question, encodeAddress({ host: "192.0.2.1", port: 1001 }), 0)!;
  assert.equal(elsewhere.message[0], COOKIE, "a cookie is for one address");
  const reply = answerer.take(question, here, 0)!;
  assert.equal(reply.message[0], RESPONSE);
  forget(reply);
});

Deno.test("a satellite's late answer still counts, and a peer without room gives none", () => {
  const { asker, answerer } = ends();
  const first = answerer.take(asker.ask(id, 0), here, 0)!;
  asker.ask(id, SECOND / 2);
  asker.ask(id, SECOND);
  const answer = asker.answer(first.message)!;
  assert.equal(answer.askedUs, 0);
  answer.keys.free();
  forget(first);
  const full = ends({ room: false });
  assert.equal(full.answerer.take(full.asker.ask(id, 0), here, 0), undefined);
});
