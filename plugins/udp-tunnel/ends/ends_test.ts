import assert from "node:assert/strict";
import { decodeAddress, openNative } from "../../../core/native/ffi.ts";
import { until } from "../../../core/native/testing/namespace.ts";
import type { BoxKey } from "@otb/plugin";
import { type Config, config } from "../config.ts";
import { base64, BoxEnd, HandMade, PeerEnd, PORT, twoPlaces } from "../testing/ends.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const native = openNative();
const aKey = () => native.random(new Uint8Array(32));
const box = (name: string, psk: Bytes): BoxKey => ({ name, key: base64(psk) });

/** As `until`, for what may take as long as a box's questions are apart. */
async function soon(what: () => boolean | undefined): Promise<void> {
  for (let round = 0; round < 6; round++) {
    try {
      return void await until(what);
    } catch (error) {
      if (round === 5) throw error;
    }
  }
}

for (
  const [family, prefix, address, alias, source] of [
    ["IPv4", "/32", "203.0.113.1", "203.0.113.2", "10.9.0.1"],
    ["IPv6", "/128", "2001:db8:9::1", "2001:db8:9::2", "2001:db8:1::1"],
  ] as const
) {
  Deno.test(`a peer with several ${family} addresses has its tunnel up by each, and keeps it when one moves (9, line 1)`, async () => {
    using places = twoPlaces();
    const { home, cloud } = places;
    for (const one of [address, alias]) cloud.ip(`addr add ${one}${prefix} dev lo`);
    const psk = aKey();
    await using peer = await PeerEnd.start(cloud, [box("home", psk)]);
    const peerKey = peer.keys.publicKey;
    {
      await using other = await BoxEnd.start(home, { address: alias, source, psk, peerKey });
      await soon(() => other.fact?.state === "up");
    }
    await using end = await BoxEnd.start(home, { address, source, psk, peerKey });
    await soon(() => end.fact?.state === "up");
    const { session } = end.fact!;
    assert.match(session!, /^[0-9a-f]{32}$/);
    await soon(() => peer.paths.some((path) => path.session === session));

    cloud.ip(`addr del ${address}${prefix} dev lo`);
    await soon(() => end.fact?.state === "down");
    cloud.ip(`addr add ${address}${prefix} dev otbwire${family === "IPv6" ? " nodad" : ""}`);
    await soon(() => end.fact?.state === "up");
    assert.equal(end.core.conditions.size, 0);
  });
}

Deno.test("a box that is revoked has no session from then on, and another one keeps its own (9, line 6)", async () => {
  using places = twoPlaces();
  const { home, cloud } = places;
  const psk = aKey(), other = aKey();
  await using peer = await PeerEnd.start(cloud, [box("home", psk), box("other", other)]);
  const peerKey = peer.keys.publicKey;
  await using end = await BoxEnd.start(home, { address: "10.9.0.2", source: "10.9.0.1", psk, peerKey });
  using second = new HandMade(home, "10.9.0.2", other, peerKey);
  await second.handshake();
  second.data(0, 0n);
  await soon(() => end.fact?.state === "up" && peer.paths.length === 2);
  const seen = peer.core.status.boxes as { [name: string]: { lastSeenMs: number } };
  assert.ok(Math.abs(seen.home!.lastSeenMs - Date.now()) < 60_000);
  peer.belong([box("other", other)]);
  await soon(() => peer.core.status.sessions === 1);
  await soon(() => end.fact?.state === "down");
  assert.equal(peer.core.status.sessions, 1, "its questions lead nowhere");
  peer.belong([box("home", psk), box("other", other)]);
  await soon(() => end.fact?.state === "up");
});

Deno.test("a session outlives other settings of box and peer, which hold from then on (12, line 7)", async () => {
  using places = twoPlaces();
  const { home, cloud } = places;
  const psk = aKey();
  await using peer = await PeerEnd.start(cloud, [box("home", psk)]);
  const { publicKey: peerKey } = peer.keys;
  await using end = await BoxEnd.start(home, { address: "10.9.0.2", source: "10.9.0.1", psk, peerKey });
  await soon(() => end.fact?.state === "up" && peer.paths.length === 1);
  const { session } = end.fact!;
  const answered = () => (peer.core.status.handshakes as { answered: number }).answered;
  const before = answered();
  const settings = config.parse({}) as Config;
  assert.ok(!JSON.stringify([...peer.core.claims]).includes("10.77.0.0/16"));
  await peer.tunnel.take({ ...settings, allowTargets: ["10.77.0.0/16"] });
  assert.ok(JSON.stringify([...peer.core.claims]).includes("10.77.0.0/16"));
  end.tunnel.take({ ...settings, rekeySeconds: 5, verify6: ["2001:db8::7"] });
  await soon(() => answered() > before);
  assert.deepEqual([end.tunnel.sessions, peer.tunnel.sessions], [1, 1]);
  assert.deepEqual([end.fact!.state, end.fact!.session], ["up", session]);
});

Deno.test("a recorded question, replayed fast and from everywhere, takes nothing from the box that asked it (9, line 5)", async () => {
  using places = twoPlaces();
  const { home, cloud } = places;
  const psk = aKey();
  await using peer = await PeerEnd.start(cloud, [box("home", psk)]);
  using made = new HandMade(home, "10.9.0.2", psk, peer.keys.publicKey);
  const question = await made.handshake();
  made.data(0, 0n);
  await soon(() => peer.core.status.sessions === 1);
  const { publicPort, session } = peer.paths[0]!;
  const fds = Array.from(
    { length: 4 },
    () => home.inside(() => native.udpOpen({ host: "0.0.0.0", port: 0 })),
  );
  try {
    for (let count = 0; count < 200; count++) {
      for (const fd of fds) made.send(question, fd);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    made.data(1, 0n);
    await soon(() => (peer.core.status.paths as unknown[]).length === 2);
    const { answered, refused } = peer.core.status.handshakes as { answered: number; refused: number };
    assert.equal(answered, 1);
    assert.ok(refused > 700, `${refused} of 800 were refused`);
    for (const path of peer.paths) assert.deepEqual([path.publicPort, path.session], [publicPort, session]);
  } finally {
    for (const fd of fds) native.close(fd);
  }
});

Deno.test("a box that roams is followed beyond 2^32 packets of a path, and not by what is older (9, line 10)", async () => {
  using places = twoPlaces();
  const { home, cloud } = places;
  const psk = aKey();
  await using peer = await PeerEnd.start(cloud, [box("home", psk)]);
  using made = new HandMade(home, "10.9.0.2", psk, peer.keys.publicKey);
  await made.handshake();
  const fds = [1, 2, 3].map(() => home.inside(() => native.udpOpen({ host: "0.0.0.0", port: 0 })));
  try {
    const portOf = (fd: number) => {
      const record = new Uint8Array(20);
      native.localAddress(fd, record);
      return decodeAddress(record).port;
    };
    const isAt = (port: number) => peer.paths.some(({ publicPort }) => publicPort === port);
    made.data(0, 2n ** 32n - 2n);
    await soon(() => isAt(portOf(made.fd)));
    made.data(0, 2n ** 32n + 3n, fds[0]);
    await soon(() => isAt(portOf(fds[0]!)));
    made.data(0, 2n ** 33n, fds[1]);
    await soon(() => isAt(portOf(fds[1]!)));
    made.data(0, 2n ** 33n - 5n, fds[2]);
    made.data(1, 0n, fds[2]);
    await soon(() => peer.paths.length === 2);
    assert.ok(isAt(portOf(fds[1]!)), "an older one moves nothing");
  } finally {
    for (const fd of fds) native.close(fd);
  }
});

Deno.test("a machine restored from a snapshot agrees on new keys before it seals again (9, line 12)", async () => {
  using places = twoPlaces();
  const { home, cloud } = places;
  const psk = aKey();
  await using peer = await PeerEnd.start(cloud, [box("home", psk)]);
  const peerKey = peer.keys.publicKey;
  await using end = await BoxEnd.start(home, { address: "10.9.0.2", source: "10.9.0.1", psk, peerKey });
  await soon(() => end.fact?.state === "up");
  for (const leaps of [end.tunnel, peer.tunnel]) {
    const before = end.core.status.keys as number;
    // Its wall clock cannot be set in a test; clocks_test has when that is called.
    leaps.leapt();
    await soon(() => (end.core.status.keys as number) > before);
    await soon(() => end.fact?.state === "up");
  }
});

Deno.test("an older peer is told of in one sentence, and one that is updated is used at once", async () => {
  using places = twoPlaces();
  const { home, cloud } = places;
  const psk = aKey(), old = native.noiseKeyPair();
  const fd = cloud.inside(() => native.udpOpen({ host: "10.9.0.2", port: PORT }));
  await using end = await BoxEnd.start(home, {
    address: "10.9.0.2",
    source: "10.9.0.1",
    psk,
    peerKey: old.publicKey,
  });
  try {
    const buffer = new Uint8Array(2_048), meta = new Uint8Array(32);
    await soon(() => {
      if (native.udpReceive(fd, buffer, meta) === 1) {
        const question = buffer.slice(0, new DataView(meta.buffer).getUint32(4, true));
        const answer = answerAsBefore(question, old.privateKey, psk);
        if (answer) native.udpSend(fd, meta.slice(12), answer, 0, answer.length, 0);
      }
      return end.fact?.reason ===
        "The peer runs an older otb whose tunnel this box no longer speaks: update the peer";
    });
    assert.equal(end.fact!.state, "down");
  } finally {
    native.close(fd);
  }
  await using _peer = await PeerEnd.start(cloud, [box("home", psk)], old);
  await soon(() => end.fact?.state === "up");
});

Deno.test("an older box is told of at the peer in one sentence", async () => {
  using places = twoPlaces();
  const { home, cloud } = places;
  await using peer = await PeerEnd.start(cloud, [box("home", aKey())]);
  using made = new HandMade(home, "10.9.0.2", aKey(), peer.keys.publicKey);
  made.send(askAsBefore(peer.keys.publicKey));
  await soon(() => peer.core.conditions.has("tunnel-box-older"));
  const { message, next } = peer.core.conditions.get("tunnel-box-older")!;
  assert.equal(message, "A box runs an older otb, whose tunnel this peer no longer speaks");
  assert.equal(next, "Update otb on that box.");
});

/** An answer as peers of the version before gave it. */
function answerAsBefore(question: Bytes, privateKey: Bytes, psk: Bytes): Bytes | undefined {
  const prologue = new TextEncoder().encode("otb tunnel 1");
  using handshake = native.noise({ initiator: false, privateKey, psk, prologue });
  const room = new Uint8Array(200), welcome = new Uint8Array(28);
  if (handshake.read(question.slice(8, -32), room) !== 64 || room[0] !== 1) return undefined;
  welcome[0] = 1;
  const answer = new Uint8Array(12 + handshake.write(welcome, room));
  answer[0] = 2;
  answer.set(question.subarray(4, 8), 8);
  answer.set(room.subarray(0, answer.length - 12), 12);
  return answer;
}

/** A question as boxes of the version before asked it. */
function askAsBefore(peerKey: Bytes): Bytes {
  const { privateKey } = native.noiseKeyPair(), prologue = new TextEncoder().encode("otb tunnel 1");
  using handshake = native.noise({
    initiator: true,
    privateKey,
    remotePublicKey: peerKey,
    psk: aKey(),
    prologue,
  });
  const hello = new Uint8Array(64), question = new Uint8Array(200), noise = new Uint8Array(160);
  hello[0] = 1;
  handshake.write(hello, noise);
  question[0] = 1;
  question.set(noise, 8);
  const key = native.mac(peerKey, new TextEncoder().encode("otb tunnel proof"));
  question.set(native.mac(key, question.slice(0, -32)).subarray(0, 16), 168);
  return question;
}
