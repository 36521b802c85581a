// Striped streams, and peers, boxes and strangers that are not what was expected.
import { strict as assert } from "node:assert";
import { withShadowsocks } from "../../testing/shadowsocks.ts";
import { base64, echo, listen, Pair, readAll, readExactly, until, writeAll } from "../../testing/ends.ts";
import { close } from "../../testing/close.ts";
import { knock, replay, targetOf } from "../../testing/knock.ts";
import { ACK, END, RESET } from "./frames.ts";
import { ASK_HELD, helloOf, JOIN, OPEN, TOKEN_BYTES } from "./hello.ts";

const token = () => crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));

Deno.test("a peer that says nothing to the first words of a stream is asked over another link, and the target is dialled once", async () => {
  await using pair = new Pair({ striped: 2, hops: true });
  await pair.ready();
  let dialled = 0;
  using server = listen(async (connection) => {
    dialled++;
    await connection.readable.pipeTo(connection.writable);
  });
  const [one] = pair.links!.all;
  one!.isSilent = true;
  const device = await pair.dial(server.port);
  await device.write(new TextEncoder().encode("hello"));
  assert.equal(new TextDecoder().decode(await readExactly(device, 5)), "hello");
  one!.isSilent = false;
  // What was late on its way arrives now.
  await until(() => one!.up > 0);
  await device.write(new TextEncoder().encode("again"));
  assert.equal(new TextDecoder().decode(await readExactly(device, 5)), "again");
  await device.closeWrite();
  await readAll(device);
  await until(() => pair.served.open === 0);
  assert.equal(dialled, 1);
  close(device);
});

Deno.test("a join that is replayed, of a stream that nobody opened, or of another box changes nothing", async () => {
  const identityKey = crypto.getRandomValues(new Uint8Array(32)),
    otherKey = crypto.getRandomValues(new Uint8Array(32));
  await using pair = new Pair({
    striped: 2,
    hops: true,
    identityKey,
    others: [{ name: "other", key: base64(otherKey) }],
  });
  await pair.ready();
  const { native, server: { port } } = pair;
  const others = { native, port, identityKey, key: otherKey }, own = { ...others, key: pair.key };
  using server = echo();
  const stream = token();
  using opened = await knock(own, helloOf(OPEN, stream, targetOf(server.port)));
  assert.equal((await opened.hear())?.type, ACK);
  const before = { ...pair.served };
  const box = pair.boxes.find("box")!;

  using foreign = await knock(others, helloOf(JOIN, stream));
  assert.equal((await foreign.hear())?.type, RESET);
  using unknown = await knock(own, helloOf(JOIN, token()));
  assert.equal((await unknown.hear())?.type, RESET);
  assert.equal(box.joined, 0);

  using joined = await knock(own, helloOf(JOIN, stream));
  assert.equal((await joined.hear())?.type, ACK);
  assert.equal(box.joined, 1);
  using replayed = await replay(own, joined.request);
  assert.equal(await replayed.hear(500), undefined);
  assert.equal(pair.served.rejected.replay, 1);
  assert.equal(box.joined, 1);
  for (const count of ["total", "open", "striped"] as const) assert.equal(pair.served[count], before[count]);
  assert.equal(box.places.size, 1);

  // The stream itself lives on, over either connection.
  joined.say(END, 0);
  let met = await opened.hear();
  while (met && met.type !== END) met = await opened.hear();
  assert.equal(met?.type, END);
});

Deno.test("a peer that is asked over a link whether it holds that back says so and ends; nothing is remembered of it", async () => {
  await using pair = new Pair({ striped: 1, hops: true });
  await pair.ready();
  const { native, server: { port }, key } = pair;
  using asking = await knock({ native, port, key }, helloOf(ASK_HELD, token()));
  assert.equal((await asking.hear())?.type, ACK);
  assert.equal(await asking.hear(), undefined);
  assert.equal(pair.boxes.open, 0);
});

Deno.test("what was opened and broke is not opened again by a request that was late", async () => {
  await using pair = new Pair({ striped: 1, hops: true });
  await pair.ready();
  const own = { native: pair.native, port: pair.server.port, key: pair.key };
  let dialled = 0;
  using server = listen(async (connection) => {
    dialled++;
    await readAll(connection);
  });
  const stream = token(), target = targetOf(server.port);
  {
    using opened = await knock(own, helloOf(OPEN, stream, target));
    assert.equal((await opened.hear())?.type, ACK);
    opened.say(RESET, 0);
    await until(() => pair.served.open === 0);
  }
  using late = await knock(own, helloOf(OPEN, stream, target));
  assert.equal((await late.hear())?.type, RESET);
  assert.equal(dialled, 1);
});

Deno.test("a box has so many connections that join, and what is more is closed without harm to their stream", async () => {
  await using pair = new Pair({ striped: 1, hops: true, most: 8 });
  await pair.ready();
  const own = { native: pair.native, port: pair.server.port, key: pair.key };
  using server = echo();
  const stream = token();
  using opened = await knock(own, helloOf(OPEN, stream, targetOf(server.port)));
  assert.equal((await opened.hear())?.type, ACK);
  const joins = [];
  for (let count = 0; count < 4; count++) {
    joins.push(await knock(own, helloOf(JOIN, stream)));
    assert.equal((await joins.at(-1)!.hear())?.type, ACK);
  }
  using more = await knock(own, helloOf(JOIN, stream));
  assert.equal(await more.hear(), undefined);
  assert.equal(pair.served.open, 1);
  for (const join of joins) join[Symbol.dispose]();
  await until(() => pair.boxes.joined === 0);
  assert.equal(pair.served.open, 1);
});

Deno.test("a box that is gone takes its striped streams along", async () => {
  await using pair = new Pair({ striped: 2, hops: true });
  await pair.ready();
  using server = echo();
  const device = await pair.dial(server.port);
  await device.write(Uint8Array.of(1));
  await readExactly(device, 1);
  pair.setBoxes([{ name: "another", key: base64(crypto.getRandomValues(new Uint8Array(32))) }]);
  assert.equal(pair.boxes.open, 0);
  await assert.rejects(readAll(device), { name: "ConnectionReset" });
  close(device);
});

Deno.test("no device speaks to the reserved name, and the peer looks nothing up that is nobody's", async () => {
  await using pair = new Pair({ striped: 1, hops: true });
  await pair.ready();
  const ask = async (name: string, port: number) => {
    const device = await Deno.connect({ hostname: "127.0.0.1", port: pair.socks.port });
    const bytes = new TextEncoder().encode(name);
    await writeAll(device, Uint8Array.of(5, 1, 0));
    await readExactly(device, 2);
    await writeAll(device, Uint8Array.of(5, 1, 0, 3, bytes.length, ...bytes, port >> 8, port & 255));
    await readExactly(device, 10);
    await assert.rejects(readAll(device), { name: "ConnectionReset" });
    close(device);
  };
  const { total } = pair.served;
  await ask("stripe.otb.invalid", 1);
  assert.equal(pair.served.total, total);
  const { lookups } = pair.boxes.find("box")!;
  for (const name of ["stripe.otb.invalid", "STRIPE.otb.INVALID."]) await ask(name, 2);
  assert.equal(pair.served.refused, 2);
  assert.equal(pair.boxes.find("box")!.lookups, lookups);
});

Deno.test("a server that knows no striped streams is found out, and connections go the usual way", async () => {
  const key = crypto.getRandomValues(new Uint8Array(32));
  await withShadowsocks(
    "ssserver",
    { method: "2022-blake3-aes-256-gcm", password: base64(key) },
    async (port) => {
      await using pair = new Pair({ boxKey: key, peerPort: port, striped: 2, mptcp: false });
      await until(() => pair.outbound.transport === "unknown-to-peer");
      using server = echo();
      const device = await pair.dial(server.port);
      await device.write(new TextEncoder().encode("hello"));
      assert.equal(new TextDecoder().decode(await readExactly(device, 5)), "hello");
      assert.equal(pair.carried.striped, 0);
      close(device);
    },
  );
});
