// Several boxes at one peer: each by its own key, none in another's way, and none after its key was revoked.
import { strict as assert } from "node:assert";
import { ADDRESS_BYTES, decodeAddress, openNative, SALT_BYTES } from "../../../core/native/ffi.ts";
import type { BoxKey } from "@otb/plugin";
import { Boxes } from "./boxes.ts";
import { REQUEST_OVERHEAD, sealRequest } from "../wire/sip022.ts";
import { Identity } from "../wire/sip023.ts";
import {
  base64,
  echo,
  listen,
  noise,
  Pair,
  readAll,
  readExactly,
  throughSocks,
  until,
} from "../testing/ends.ts";
import { close } from "../testing/close.ts";
import { roundTrip, withShadowsocks } from "../testing/shadowsocks.ts";
import { METHOD } from "../wire/sip022.ts";

const native = openNative();
const identityKey = noise(32);
const record = new Uint8Array(ADDRESS_BYTES);
const named = (name: string, key: Uint8Array, former?: boolean): BoxKey => ({
  name,
  key: base64(key),
  former,
});

/** A request as a box with these keys begins one. */
function request(
  key: Uint8Array<ArrayBuffer>,
  identity?: Identity,
  nowSeconds = 1_000,
): Uint8Array<ArrayBuffer> {
  const salt = noise(SALT_BYTES);
  using sealer = native.aead(METHOD, key, salt);
  const out = new Uint8Array(REQUEST_OVERHEAD), plain = new Uint8Array(REQUEST_OVERHEAD);
  const target = Uint8Array.of(1, 192, 0, 2, 1, 0, 80);
  const header = identity?.header(salt) ?? new Uint8Array(0);
  const payload = Uint8Array.of(7);
  const length = sealRequest(sealer, salt, header, target, payload, 1, nowSeconds, 0, plain, out);
  return out.slice(0, length);
}

Deno.test("a key opens requests under its own name only, and a former one those without a name", () => {
  const [a, b, shared] = [noise(32), noise(32), noise(32)];
  const boxes = new Boxes(native);
  const plain = new Uint8Array(65_536);
  const open = (bytes: Uint8Array<ArrayBuffer>, nowSeconds = 1_000) => {
    const shown = boxes.openRequest(bytes, bytes.length, nowSeconds, plain);
    if (typeof shown === "string") return shown;
    shown.opener.free();
    return shown.box.name;
  };
  boxes.set([named("a", a), named("b", b)], identityKey);
  const as = (key: Uint8Array<ArrayBuffer>, peerKey = identityKey) => new Identity(native, peerKey, key);
  assert.deepEqual([open(request(a, as(a))), open(request(b, as(b)))], ["a", "b"]);
  assert.equal(open(request(a, as(b))), "forged", "who knows B's key only by its name is not B");
  assert.equal(open(request(a, as(a, noise(32)))), "forged", "another peer's key");
  assert.equal(open(request(noise(32), as(noise(32)))), "forged", "nobody");
  assert.equal(open(request(a)), "forged", "without a name");
  assert.equal(open(request(shared)), "forged");
  assert.equal(open(request(a, as(a)), 1_031), "time");

  boxes.set([named("box", shared, true), named("a", a), named("b", b)], identityKey);
  assert.deepEqual([open(request(shared)), open(request(a, as(a)))], ["box", "a"]);
  assert.equal(open(request(shared), 1_031), "time");
  assert.equal(open(request(shared, as(shared))), "forged", "a former key has no name");
  assert.equal(open(request(a)), "forged");
  // As on a peer of before: no key of the peer, nobody has a name.
  boxes.set([named("box", shared, true)]);
  assert.deepEqual([open(request(shared)), open(request(a, as(a)))], ["box", "forged"]);
  boxes.set([]);
  assert.equal(open(request(shared)), "forged");
});

Deno.test("keys that are none change nothing, and a box keeps what it has when it is renamed", () => {
  const boxes = new Boxes(native);
  const key = noise(32);
  boxes.set([named("a", key)], identityKey);
  const box = boxes.find("a")!;
  const place = boxes.enter(box, 0)!;
  for (const bad of ["", "?", btoa("x".repeat(32)), btoa("short")]) {
    assert.throws(() => boxes.set([{ name: "b", key: bad }], identityKey), { code: "key-invalid" });
  }
  assert.equal(boxes.find("a"), box);
  boxes.set([named("c", noise(32)), named("b", key)], identityKey);
  assert.equal(boxes.find("b"), box);
  assert.deepEqual([box.places.size, boxes.open, box.isGone], [1, 1, false]);
  let ended = 0;
  place.end = () => {
    ended++;
    place.leave();
    place.leave();
  };
  boxes.set([], identityKey);
  assert.deepEqual([ended, boxes.open, box.dialling, box.isGone], [1, 0, 0, true]);
  assert.equal(boxes.enter(box, 0), undefined, "a request that was on its way");
});

Deno.test("revoked, a box's connections are reset at once, also what is being dialled; another's go on", async () => {
  await using peer = new Pair({ identityKey });
  const otherKey = noise(32);
  peer.setBoxes([named("a", peer.key), named("b", otherKey)]);
  await using other = new Pair({ identityKey, boxKey: otherKey, peerPort: peer.server.port });
  using server = echo();
  // A target whose queue is full: whoever dials it waits.
  const full = native.listen({ host: "127.0.0.1", port: 0 }, { backlog: 1 });
  native.localAddress(full.fd, record);
  const { port } = decodeAddress(record);
  const queued = [1, 2].map(() => native.connect({ host: "127.0.0.1", port }).fd);
  try {
    const a = await peer.dial(server.port), b = await other.dial(server.port);
    for (const connection of [a, b]) {
      await connection.write(Uint8Array.of(1));
      await readExactly(connection, 1);
    }
    const mine = peer.boxes.find("a")!, theirs = peer.boxes.find("b")!;
    const waiting = await peer.dial(port);
    await until(() => mine.dialling === 1);
    assert.deepEqual([mine.places.size, theirs.places.size], [2, 1]);
    peer.setBoxes([named("b", otherKey)]);
    for (const mineNow of [a, waiting]) await assert.rejects(readAll(mineNow), Deno.errors.ConnectionReset);
    assert.deepEqual([peer.served.open, mine.places.size, mine.dialling, peer.boxes.open], [1, 0, 0, 1]);
    await b.write(Uint8Array.of(2));
    assert.deepEqual([...await readExactly(b, 1)], [2]);
    // Again with its code: nothing but silence.
    const again = await peer.dial(server.port);
    await until(() => (peer.served.rejected.forged ?? 0) === 1);
    for (const connection of [a, b, waiting, again]) close(connection);
  } finally {
    for (const fd of [full.fd, ...queued]) native.close(fd);
  }
});

Deno.test("no box takes more than half of what the peer can carry, and what is beyond is refused at once", async () => {
  await using peer = new Pair({ identityKey, most: 8 });
  const otherKey = noise(32);
  await using other = new Pair({ identityKey, boxKey: otherKey, peerPort: peer.server.port });
  using server = listen(async (connection) => void await readAll(connection));
  const open: Deno.Conn[] = [];
  const one = async (pair: Pair) => open.push(await pair.dial(server.port));
  for (let count = 0; count < 6; count++) await one(peer);
  const mine = peer.boxes.find("box")!;
  await until(() => mine.places.size === 6);
  // One alone may have it all; with another one it has too many already.
  peer.setBoxes([named("box", peer.key), named("b", otherKey)]);
  await one(peer);
  await assert.rejects(readAll(open.at(-1)!), Deno.errors.ConnectionReset);
  assert.deepEqual([mine.refused, mine.places.size], [1, 6]);
  for (let count = 0; count < 2; count++) await one(other);
  const theirs = peer.boxes.find("b")!;
  await until(() => theirs.places.size === 2);
  assert.equal(theirs.refused, 0);
  open.forEach(close);
  await until(() => peer.boxes.open === 0 && mine.dialling === 0);
});

Deno.test("names that a box has looked up are bounded: slow ones hold nobody else up", async () => {
  await using peer = new Pair({ identityKey });
  using server = echo();
  const box = peer.boxes.find("box")!;
  const byName = async () => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: peer.socks.port });
    await connection.write(Uint8Array.of(5, 1, 0));
    await readExactly(connection, 2);
    const name = new TextEncoder().encode("localhost");
    await connection.write(
      Uint8Array.of(5, 1, 0, 3, name.length, ...name, server.port >> 8, server.port & 255),
    );
    await readExactly(connection, 10);
    return connection;
  };
  await roundTrip(await byName());
  assert.equal(box.lookups, 0);
  box.lookups = 64;
  const refused = await byName();
  await assert.rejects(readAll(refused), Deno.errors.ConnectionReset);
  close(refused);
  await roundTrip(await peer.dial(server.port));
  await until(() => box.places.size === 0);
});

Deno.test("shadowsocks-rust as a client with an identity header, beside boxes and a former key", async () => {
  const user = noise(32);
  await using pair = new Pair({
    identityKey,
    others: [named("phone", user), named("former", noise(32), true)],
  });
  using server = echo();
  const config = (password: string) => ({
    server: "127.0.0.1",
    server_port: pair.server.port,
    password,
    method: METHOD,
  });
  await withShadowsocks("sslocal", config(`${base64(identityKey)}:${base64(user)}`), async (port) => {
    for (let count = 0; count < 3; count++) await roundTrip(await throughSocks(port, server.port));
  });
  assert.deepEqual([pair.boxes.find("phone")!.total, pair.served.total], [3, 3]);
  await withShadowsocks("sslocal", config(`${base64(identityKey)}:${base64(noise(32))}`), async (port) => {
    const connection = await throughSocks(port, server.port);
    await connection.write(noise(100));
    await until(() => (pair.served.rejected.forged ?? 0) > 0);
    close(connection);
  });
});

Deno.test("our box with an identity header at shadowsocks-rust as a server for several", async () => {
  using server = echo();
  const [key, other] = [noise(32), noise(32)];
  const config = {
    password: base64(identityKey),
    method: METHOD,
    users: [{ name: "other", password: base64(other) }, { name: "box", password: base64(key) }],
  };
  await withShadowsocks("ssserver", config, async (port) => {
    await using pair = new Pair({ identityKey, boxKey: key, peerPort: port });
    for (let count = 0; count < 3; count++) await roundTrip(await pair.dial(server.port));
  });
});
