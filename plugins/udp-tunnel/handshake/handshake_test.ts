import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeAddress, openNative } from "../../../core/native/ffi.ts";
import { type Asked, Responder } from "./responder.ts";
import { Initiator } from "./initiator.ts";
import { Boxes } from "./boxes.ts";
import { COOKIE_GONE_MS } from "./replay.ts";
import type { Welcome } from "./greeting.ts";
import { COOKIE, INITIATION, RESPONSE } from "../wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const native = openNative();
const SECOND = 1_000_000;
const id = new Uint8Array(8).fill(3);
const at = (host: string, port = 1000) => encodeAddress({ host, port });
const here = at("192.0.2.1"), elsewhere = at("198.51.100.7", 9);
const welcome: Welcome = {
  peerId: new Uint8Array(8).fill(9),
  address: new Uint8Array([100, 127, 157, 2]),
  gateway: new Uint8Array([100, 127, 157, 1]),
  prefix: undefined,
};
const base64 = (bytes: Bytes) => btoa(String.fromCharCode(...bytes));
const aKey = () => native.random(new Uint8Array(32));
const refuse = (_name: string, error: Error) => assert.fail(error);

/** A peer with some boxes, and machines that ask it. */
class Peer {
  readonly keys = native.noiseKeyPair();
  readonly boxes = new Boxes(native);
  readonly asked: Asked[] = [];
  responder!: Responder;

  constructor(
    private readonly psks: { [name: string]: Bytes },
    private readonly options: { former?: string; room?: boolean } = {},
  ) {
    this.update(Object.keys(psks));
    this.restart();
  }

  update(names: string[]) {
    const { former } = this.options;
    const all = names.map((name) => ({ name, key: base64(this.psks[name]!), former: name === former }));
    return this.boxes.update(all, refuse);
  }

  /** Another process: what the former one remembered is gone. */
  restart(): void {
    this.boxes.forget();
    const { room = true } = this.options;
    this.responder = new Responder(
      native,
      this.keys.privateKey,
      this.boxes,
      () => room ? welcome : undefined,
    );
  }

  /** What a question gets, keys freed. */
  take(question: Bytes, from: Bytes, nowUs: number): Bytes | undefined {
    const reply = this.responder.take(question, from, nowUs);
    if (reply?.asked) {
      this.asked.push(reply.asked);
      reply.asked.keys.free();
    }
    return reply?.message;
  }
}

class Machine {
  readonly keys = native.noiseKeyPair();
  readonly initiator: Initiator;
  counter = 1_000n;

  constructor(private readonly peer: Peer, psk: Bytes) {
    const { privateKey } = this.keys;
    this.initiator = new Initiator(native, { privateKey, peerKey: peer.keys.publicKey, psk });
  }

  ask(nowUs: number): Bytes {
    return this.initiator.ask(id, ++this.counter, nowUs);
  }

  /** Asks, shows a cookie where one is wanted, and has its answer. @returns the question that was answered, and the answer */
  comes(nowUs: number, from = here): { question: Bytes; answer: Bytes } {
    for (let attempt = 0; attempt < 2; attempt++) {
      const question = this.ask(nowUs), answer = this.peer.take(question, from, nowUs);
      if (answer?.[0] === RESPONSE) return { question, answer };
      assert.equal(answer?.[0], COOKIE);
      assert.ok(this.initiator.cookie(answer!, nowUs));
    }
    throw new Error("it was not let in");
  }
}

function ends(options: { room?: boolean } = {}) {
  const psk = aKey();
  const peer = new Peer({ home: psk }, options);
  return { psk, peer, machine: new Machine(peer, psk) };
}

Deno.test("a question is answered, once for all its copies, and both agree", () => {
  const { peer, machine } = ends();
  const { question, answer: message } = machine.comes(0);
  assert.equal(question[0], INITIATION);
  assert.ok(message.length <= question.length);
  const [asked] = peer.asked;
  assert.equal(asked!.staticKey, base64(machine.keys.publicKey));
  assert.equal(asked!.box.name, "home");
  assert.deepEqual(asked!.sessionId, id);
  assert.deepEqual(peer.take(question, elsewhere, SECOND), message, "over another link");
  assert.equal(peer.asked.length, 1, "a copy has no effect");
  const answer = machine.initiator.answer(message)!;
  assert.deepEqual(answer.welcome, welcome);
  assert.equal(answer.keys.remoteIndex, asked!.index);
  assert.equal(machine.initiator.answer(message), undefined, "an answer counts once");
  answer.keys.free();
});

Deno.test("a recorded question leads nowhere: soon or late, from anywhere, after the peer has started anew (9, line 5)", () => {
  const { peer, machine } = ends();
  const recorded = machine.comes(0).question;
  const replay = (nowUs: number) => [here, elsewhere].map((from) => peer.take(recorded, from, nowUs)?.[0]);
  let answers = 0;
  for (let count = 0; count < 400; count++) {
    answers += replay(count * 5_000).filter((type) => type === RESPONSE).length;
  }
  assert.ok(answers < 16, `${answers} answers, as many as copies over all paths may want`);
  assert.deepEqual(replay(3 * SECOND), [undefined, undefined], "later none");
  for (let count = 1; count < 20; count++) machine.comes(count * 60 * SECOND);
  assert.deepEqual(replay(20 * 60 * SECOND), [undefined, undefined], "nor between others");
  peer.restart();
  assert.deepEqual(replay(20 * 60 * SECOND), [COOKIE, COOKIE], "after a restart it has to show where it is");
  assert.ok(machine.comes(20 * 60 * SECOND), "as the box does");
  assert.deepEqual(replay(20 * 60 * SECOND), [undefined, undefined]);
  assert.equal(peer.asked.length, 21, "nothing was agreed on but with the box");
});

Deno.test("a question recorded with its cookie leads nowhere either, at any time", () => {
  const shared = aKey();
  const peer = new Peer({ box: shared }, { former: "box" });
  const machine = new Machine(peer, shared);
  const recorded = machine.comes(0).question;
  // Others push its key out of what the peer remembers, one after the other.
  let atUs = COOKIE_GONE_MS * 1_000 + 1;
  for (let count = 0; count < 40; count++) {
    const from = at(`192.0.2.${count}`);
    new Machine(peer, shared).comes(atUs, from);
    atUs += 20 * SECOND;
    assert.notEqual(peer.take(recorded, here, atUs)?.[0], RESPONSE, `after ${count} others`);
  }
});

Deno.test("another box's key, or none, gets no answer and takes nothing (9, lines 5 and 6)", () => {
  const home = aKey(), other = aKey();
  const peer = new Peer({ home, other });
  new Machine(peer, home).comes(0);
  for (let count = 0; count < 300; count++) {
    assert.equal(peer.take(new Machine(peer, aKey()).ask(0), here, count * SECOND), undefined);
  }
  assert.equal(peer.asked.length, 1);
  assert.equal(new Machine(peer, other).comes(400 * SECOND).answer[0], RESPONSE);
  assert.equal(peer.asked[1]!.box.name, "other");
  const strange = new Machine(new Peer({ home }), home);
  assert.equal(peer.take(strange.ask(0), here, 500 * SECOND), undefined, "who asks another peer");
});

Deno.test("a box that is revoked gets no answer from then on, and another keeps its place", () => {
  const home = aKey(), other = aKey();
  const peer = new Peer({ home, other });
  const leaves = new Machine(peer, home), stays = new Machine(peer, other);
  leaves.comes(0);
  stays.comes(0);
  assert.deepEqual(peer.update(["other"]).map(({ name }) => name), ["home"]);
  assert.equal(peer.take(leaves.ask(SECOND), here, SECOND), undefined);
  assert.equal(peer.take(stays.ask(SECOND), here, SECOND)?.[0], RESPONSE, "it has no cookie to show");
});

Deno.test("a machine set up anew with a box's key comes in at once, whatever its clock says", () => {
  const { peer, psk, machine } = ends();
  machine.counter = 10n ** 15n;
  machine.comes(0);
  const anew = new Machine(peer, psk);
  anew.counter = 5n;
  assert.ok(anew.comes(SECOND));
  assert.ok(machine.comes(2 * SECOND), "and the other one still knows the key");
});

Deno.test("who has a key that many share takes no place of one that is there", () => {
  const shared = aKey();
  const peer = new Peer({ box: shared }, { former: "box" });
  const machine = new Machine(peer, shared);
  machine.comes(0);
  let refused = 0;
  for (let count = 1; count <= 100; count++) {
    try {
      new Machine(peer, shared).comes(count * SECOND, at(`192.0.2.${count}`));
    } catch {
      refused++;
    }
    assert.equal(peer.take(machine.ask(count * SECOND), here, count * SECOND)?.[0], RESPONSE);
  }
  assert.ok(refused > 80, `${refused} of 100 were refused`);
});

Deno.test("one box that asks too much is not answered, and others are", () => {
  const home = aKey(), other = aKey();
  const peer = new Peer({ home, other });
  const busy = new Machine(peer, home);
  busy.comes(0);
  let answers = 0;
  for (let count = 0; count < 80; count++) if (peer.take(busy.ask(0), here, 0)) answers++;
  assert.ok(answers < 20, `${answers} answers at once`);
  assert.ok(new Machine(peer, other).comes(0));
});

Deno.test("without the peer's key there is no answer, and with another pre-shared key no session", () => {
  const { peer, machine } = ends();
  const { answer } = machine.comes(0);
  assert.equal(peer.take(ends().machine.ask(0), here, 0), undefined);
  const wrong = new Machine(peer, aKey());
  wrong.ask(0);
  assert.equal(wrong.initiator.answer(answer), undefined);
});

Deno.test("a flipped bit anywhere gets no answer from either end", () => {
  const { peer, machine } = ends();
  machine.comes(0);
  const question = machine.ask(SECOND);
  for (let byte = 0; byte < question.length - 16; byte++) {
    const flipped = question.slice();
    flipped[byte]! ^= 1;
    assert.equal(peer.take(flipped, here, SECOND), undefined, `byte ${byte}`);
  }
  const message = peer.take(question, here, SECOND)!;
  for (const byte of [0, ...Array.from({ length: message.length - 8 }, (_, index) => index + 8)]) {
    const flipped = message.slice();
    flipped[byte]! ^= 1;
    assert.equal(machine.initiator.answer(flipped), undefined, `byte ${byte}`);
  }
  machine.initiator.answer(message)!.keys.free();
});

Deno.test("who knows the peer's key cannot make another question of one that he records", () => {
  const { peer, machine } = ends();
  machine.comes(0);
  const question = machine.ask(SECOND);
  const proofKey = native.mac(peer.keys.publicKey, new TextEncoder().encode("otb tunnel proof"));
  for (let byte = 1; byte < question.length - 32; byte++) {
    const forged = question.slice();
    forged[byte]! ^= 1;
    forged.set(native.mac(proofKey, forged.slice(0, -32)).subarray(0, 16), forged.length - 32);
    assert.equal(peer.take(forged, here, SECOND + byte * SECOND), undefined, `byte ${byte}`);
  }
});

Deno.test("no bytes get an answer, and none break either end", () => {
  const { peer, machine: { initiator } } = ends();
  initiator.ask(id, 1n, 0);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), fc.integer({ min: 0, max: 5 }), (noise, type) => {
    const bytes = noise as Bytes;
    if (bytes.length > 0) bytes[0] = type;
    assert.equal(peer.take(bytes, here, 0), undefined);
    assert.equal(initiator.answer(bytes), undefined);
    assert.equal(initiator.isFormerAnswer(bytes), false);
    assert.equal(initiator.cookie(bytes, 0), false);
  }));
});

Deno.test("in a flood the sender has to be where it says, and gets in with its cookie", () => {
  const { peer, machine } = ends();
  const { initiator } = machine;
  machine.comes(0, elsewhere);
  let cookie: Bytes | undefined;
  for (let count = 0; count < 200 && !cookie; count++) {
    const message = peer.take(machine.ask(0), here, SECOND);
    if (message?.[0] === COOKIE) cookie = message;
  }
  assert.ok(cookie, "200 questions at once are a flood");
  const forged = cookie.slice();
  forged[30]! ^= 1;
  assert.equal(initiator.cookie(forged, 0), false);
  assert.equal(initiator.cookie(cookie, 0), true);
  const question = machine.ask(0);
  assert.equal(
    peer.take(question, at("192.0.2.1", 1001), SECOND)?.[0],
    COOKIE,
    "a cookie is for one address",
  );
  assert.equal(peer.take(question, here, 2 * SECOND)?.[0], RESPONSE);
  const looked = () => peer.responder.counts.refused;
  const before = looked();
  const stranger = new Machine(peer, aKey());
  stranger.initiator.cookie(peer.take(stranger.ask(0), here, SECOND)!, 0);
  for (let count = 0; count < 300; count++) peer.take(stranger.ask(0), here, 2 * SECOND);
  assert.ok(looked() > before + 200, "and one that showed itself is not listened to for ever");
});

Deno.test("a satellite's late answer still counts, and a peer without room gives none", () => {
  const { machine } = ends();
  const { answer: message } = machine.comes(0);
  machine.ask(SECOND / 2);
  machine.ask(SECOND);
  const answer = machine.initiator.answer(message)!;
  assert.equal(answer.askedUs, 0);
  answer.keys.free();
  const full = ends({ room: false });
  assert.throws(() => full.machine.comes(0));
});

Deno.test("an older box is recognised and gets nothing; a newer one that only wonders is not taken for it", () => {
  const { peer, machine } = ends();
  const { counts } = peer.responder;
  assert.equal(peer.take(machine.initiator.askFormer(0), here, 0), undefined);
  assert.equal(counts.former, 0);
  assert.equal(peer.take(formerQuestion(peer), here, SECOND), undefined);
  assert.equal(counts.former, 1);
  for (let count = 0; count < 100; count++) peer.take(formerQuestion(peer), here, 2 * SECOND);
  assert.ok(counts.former < 10, "no more than a few are looked at in a second");
});

Deno.test("a box recognises an older peer by an answer that only that one can give", () => {
  const { peer, psk, machine } = ends();
  const answer = (question: Bytes, psk: Bytes) => {
    using handshake = native.noise({
      initiator: false,
      privateKey: peer.keys.privateKey,
      psk,
      prologue: new TextEncoder().encode("otb tunnel 1"),
    });
    const room = new Uint8Array(200), said = new Uint8Array(28);
    assert.equal(handshake.read(question.slice(8, -32), new Uint8Array(200)), 64);
    said[0] = 1;
    const message = new Uint8Array(12 + handshake.write(said, room));
    message[0] = RESPONSE;
    message.set(question.subarray(4, 8), 8);
    message.set(room.subarray(0, message.length - 12), 12);
    return message;
  };
  assert.equal(machine.initiator.isFormerAnswer(answer(machine.initiator.askFormer(0), aKey())), false);
  assert.equal(machine.initiator.isFormerAnswer(answer(machine.initiator.askFormer(0), psk)), true);
});

/** A question as boxes of the version before send it. */
function formerQuestion(peer: Peer): Bytes {
  const { privateKey } = native.noiseKeyPair(), { publicKey: remotePublicKey } = peer.keys;
  const prologue = new TextEncoder().encode("otb tunnel 1");
  using handshake = native.noise({ initiator: true, privateKey, remotePublicKey, psk: aKey(), prologue });
  const hello = new Uint8Array(64), noise = new Uint8Array(160);
  hello[0] = 1;
  handshake.write(hello, noise);
  const question = new Uint8Array(200);
  question[0] = INITIATION;
  question.set(noise, 8);
  const proofKey = native.mac(remotePublicKey, new TextEncoder().encode("otb tunnel proof"));
  question.set(native.mac(proofKey, question.slice(0, -32)).subarray(0, 16), 168);
  return question;
}
