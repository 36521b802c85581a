import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import { waiting } from "./relay/relay.ts";
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
  writeAll,
} from "./testing/ends.ts";
import { close } from "./testing/close.ts";
import { roundTrip, withShadowsocks } from "./testing/shadowsocks.ts";

Deno.test("a connection that begins while no link works waits for one, with what was said; without that reason it is reset", async () => {
  let isCutOff = true;
  await using pair = new Pair({ isCutOff: () => isCutOff });
  using server = echo();
  pair.stopServer();
  const device = await pair.dial(server.port);
  await device.write(Uint8Array.of(1, 2, 3));
  await until(() => pair.carried.unreachable >= 2);
  pair.restartServer();
  assert.deepEqual(await readExactly(device, 3), Uint8Array.of(1, 2, 3));
  close(device);
  pair.stopServer();
  isCutOff = false;
  const refused = await pair.dial(server.port);
  await assert.rejects(readExactly(refused, 1));
  close(refused);
});

Deno.test("bytes arrive whole both ways, whatever their size", async () => {
  await using pair = new Pair();
  using server = echo();
  for (const size of [1, 100, 65_535, 65_536, 3_000_000]) {
    const connection = await pair.dial(server.port);
    const sent = noise(size);
    const [received] = await Promise.all([
      readAll(connection),
      writeAll(connection, sent).then(() => connection.closeWrite()),
    ]);
    assert.ok(Buffer.from(received).equals(Buffer.from(sent)), `${size} bytes`);
    close(connection);
  }
  await until(() => pair.served.open === 0 && pair.carried.open === 0);
  assert.equal(pair.carried.resets + pair.served.resets, 0);
});

Deno.test("a server that speaks first is heard without a word from the client", async () => {
  await using pair = new Pair();
  using server = listen(async (connection) => {
    await connection.write(new TextEncoder().encode("220 hello"));
    await readAll(connection);
  });
  const connection = await pair.dial(server.port);
  assert.equal(new TextDecoder().decode(await readExactly(connection, 9)), "220 hello");
  close(connection);
});

Deno.test("half-close: the client ends first, the answer still comes; and the other way round", async () => {
  await using pair = new Pair();
  using counting = listen(async (connection) => {
    const { length } = await readAll(connection);
    await connection.write(new TextEncoder().encode(String(length)));
  });
  const up = await pair.dial(counting.port);
  await up.write(noise(1000));
  await up.closeWrite();
  assert.equal(new TextDecoder().decode(await readAll(up)), "1000");
  close(up);

  const heard = Promise.withResolvers<number>();
  using leaving = listen(async (connection) => {
    await connection.closeWrite();
    heard.resolve((await readAll(connection)).length);
  });
  const down = await pair.dial(leaving.port);
  assert.equal((await readAll(down)).length, 0);
  await down.write(noise(500));
  await down.closeWrite();
  assert.equal(await heard.promise, 500);
  close(down);
});

Deno.test("a target that refuses, and one that resets, are resets for the client", async () => {
  await using pair = new Pair();
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  const refused = await pair.dial(port);
  await assert.rejects(readAll(refused), Deno.errors.ConnectionReset);
  close(refused);
  assert.equal(pair.carried.unanswered, 0, "a refusing target must not look like a refusing peer");

  using resetting = listen(async (connection) => {
    await readExactly(connection, 1);
    // Closing with bytes unread resets (RFC 1122 section 4.2.2.13).
    await new Promise((resolve) => setTimeout(resolve, 50));
    connection.close();
  });
  const reset = await pair.dial(resetting.port);
  await reset.write(noise(100_000));
  await assert.rejects(async () => {
    await readAll(reset);
    // A reset that came as an end is met at the next write.
    for (let count = 0; count < 50; count++) {
      await reset.write(noise(1000));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
  close(reset);
  await until(() => pair.served.open === 0 && pair.carried.open === 0);
});

Deno.test("a slow reader holds the sender back, and what waits stays bounded", async () => {
  await using pair = new Pair();
  let sent = 0;
  using flood = listen(async (connection) => {
    const bytes = noise(1 << 20);
    for (;;) sent += await connection.write(bytes);
  });
  const connection = await pair.dial(flood.port);
  await readExactly(connection, 1);
  let last = -1;
  await until(() => {
    const still = sent === last;
    last = sent;
    return still && sent > 0;
  });
  await new Promise((resolve) => setTimeout(resolve, 500));
  const held = sent;
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(sent, held, "the sender must stand still");
  assert.ok(held < 200e6, `${held} bytes are under way`);
  close(connection);
});

Deno.test("what all blocked connections together hold is bounded", async () => {
  await using pair = new Pair();
  using flood = listen(async (connection) => {
    const bytes = noise(1 << 18);
    for (;;) await connection.write(bytes);
  });
  // What other tests left behind is in the sum.
  const { mostBytes, bytes: before } = waiting;
  const held = () => waiting.bytes - before;
  waiting.mostBytes = before + 1;
  try {
    const connections: Deno.Conn[] = [];
    let last = -1;
    for (let count = 0; count < 8; count++) connections.push(await pair.dial(flood.port));
    for (let still = 0; still < 5; still += held() === last && last > 0 ? 1 : -still) {
      last = held();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // One read may be large, and then each of sixteen sockets keeps a little; otherwise it is 64 KiB for each at least.
    assert.ok(held() < 700_000, `${held()} bytes wait`);
    for (const connection of connections) close(connection);
    await until(() => pair.served.open === 0 && pair.carried.open === 0);
    assert.equal(held(), 0);
  } finally {
    waiting.mostBytes = mostBytes;
  }
});

Deno.test("a thousand idle connections live side by side and all still answer", async () => {
  await using pair = new Pair();
  using server = echo();
  const connections = await Promise.all(Array.from({ length: 1000 }, () => pair.dial(server.port)));
  await until(() => pair.served.open === 1000);
  await Promise.all(connections.map(async (connection, index) => {
    await connection.write(Uint8Array.of(index & 255));
    assert.equal((await readExactly(connection, 1))[0], index & 255);
    close(connection);
  }));
  await until(() => pair.served.open === 0 && pair.carried.open === 0);
});

Deno.test("the request and what the client said leave in one segment", async () => {
  const seen: number[] = [];
  using peer = listen(async (connection) => {
    const chunk = new Uint8Array(65_536);
    for (let got = await connection.read(chunk); got !== null; got = await connection.read(chunk)) {
      seen.push(got);
    }
  });
  await using pair = new Pair({ peerPort: peer.port });
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: pair.socks.port });
  // Greeting, request and first words in one breath, as a client in a hurry does.
  await connection.write(
    Uint8Array.of(
      5,
      1,
      0,
      5,
      1,
      0,
      1,
      127,
      0,
      0,
      1,
      0,
      80,
      ...new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"),
    ),
  );
  await until(() => seen.length > 0);
  // salt, sealed fixed header, sealed variable header with address, padding with its length, and the 18 bytes
  assert.deepEqual(seen, [32 + 11 + 16 + 7 + 2 + 8 + 18 + 16]);
  close(connection);
});

Deno.test("wrong key and wrong clock: not one byte passes; 29 seconds are borne, 31 are not", async () => {
  using server = echo();
  for (
    const [options, works] of [
      [{ skewSeconds: 29 }, true],
      [{ skewSeconds: -29 }, true],
      [{ skewSeconds: 31 }, false],
      [{ skewSeconds: -32 }, false],
      [{ boxKey: crypto.getRandomValues(new Uint8Array(32)) }, false],
    ] as const
  ) {
    await using pair = new Pair(options);
    const connection = await pair.dial(server.port);
    await connection.write(Uint8Array.of(7));
    const answer = readExactly(connection, 1).then(() => true, () => false);
    if (works) assert.equal(await answer, true, JSON.stringify(options));
    else {
      await until(() => Object.values(pair.served.rejected).some((count) => count > 0));
      assert.equal(pair.served.total, 0, JSON.stringify(options));
      close(connection);
      await answer;
    }
    close(connection);
  }
});

Deno.test("a recorded request is refused at once and after a restart of the server; the target is not dialled again", async () => {
  await using pair = new Pair();
  let dialled = 0;
  using target = listen(async (connection) => {
    dialled++;
    await readAll(connection);
  });
  const recording: Uint8Array[] = [];
  using recorder = listen(async (connection) => {
    const onward = await Deno.connect({ hostname: "127.0.0.1", port: pair.server.port });
    const chunk = new Uint8Array(65_536);
    for (let got = await connection.read(chunk); got !== null; got = await connection.read(chunk)) {
      recording.push(chunk.slice(0, got));
      await onward.write(chunk.subarray(0, got));
    }
    onward.close();
  });
  await using box = new Pair({ peerPort: recorder.port, boxKey: pair.key });
  const connection = await box.dial(target.port);
  await connection.write(new TextEncoder().encode("pay 100"));
  await until(() => dialled === 1);
  close(connection);

  for (const restarted of [false, true]) {
    if (restarted) pair.restartServer();
    const before = pair.served.rejected.replay ?? 0;
    const attacker = await Deno.connect({ hostname: "127.0.0.1", port: pair.server.port });
    await attacker.write(recording[0]!);
    await until(() => (pair.served.rejected.replay ?? 0) === before + 1);
    close(attacker);
  }
  assert.equal(dialled, 1);
});

Deno.test("whatever a prober sends, at once or byte by byte, ends the same way: silence, then a reset", async () => {
  await using pair = new Pair({
    identityKey: noise(32),
    others: [{ name: "former", key: base64(noise(32)), former: true }],
  });
  const probe = async (length: number, trickle: boolean) => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: pair.server.port });
    const started = performance.now();
    const bytes = noise(length);
    if (!trickle) await writeAll(connection, bytes);
    else {
      for (const byte of bytes) {
        await connection.write(Uint8Array.of(byte));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    const outcome = await readAll(connection).then(
      (said) => `end after ${said.length} bytes`,
      (error) => error.name,
    );
    close(connection);
    return { outcome, ms: performance.now() - started };
  };
  const probes = [0, 1, 31, 32, 58, 59, 60, 74, 75, 76, 91, 300].flatMap((
    length,
  ) => [probe(length, false), probe(length, true)]);
  const ends = await Promise.all(probes);
  assert.deepEqual([...new Set(ends.map(({ outcome }) => outcome))], ["ConnectionReset"]);
  const times = ends.map(({ ms }) => ms);
  assert.ok(
    Math.max(...times) - Math.min(...times) < 1_500,
    `they end at different times: ${times.map(Math.round)}`,
  );
});

Deno.test("the peer dials neither private targets nor itself, unless it is allowed to", async () => {
  using server = echo();
  await using pair = new Pair({ allow: [] });
  const connection = await pair.dial(server.port);
  await assert.rejects(readAll(connection), Deno.errors.ConnectionReset);
  close(connection);
  assert.equal(pair.served.refused, 1);
});

// ---- against an independent implementation, both ways

Deno.test("shadowsocks-rust as the client of our server", async () => {
  await using pair = new Pair();
  using server = echo();
  const config = {
    server: "127.0.0.1",
    server_port: pair.server.port,
    password: base64(pair.key),
    method: "2022-blake3-aes-256-gcm",
  };
  await withShadowsocks("sslocal", config, async (port) => {
    for (let count = 0; count < 3; count++) await roundTrip(await throughSocks(port, server.port));
  });
  assert.equal(pair.served.total, 3);
});

Deno.test("our client with shadowsocks-rust as its server", async () => {
  using server = echo();
  const key = crypto.getRandomValues(new Uint8Array(32));
  await withShadowsocks(
    "ssserver",
    { password: base64(key), method: "2022-blake3-aes-256-gcm" },
    async (port) => {
      await using pair = new Pair({ boxKey: key, peerPort: port });
      for (let count = 0; count < 3; count++) await roundTrip(await pair.dial(server.port));
    },
  );
});

Deno.test("shadowsocks-rust with the older aes-256-gcm as the client of our server, and not with a wrong password", async () => {
  await using pair = new Pair({ legacyPassword: "a password" });
  using server = echo();
  const config = (password: string) => ({
    server: "127.0.0.1",
    server_port: pair.server.port,
    password,
    method: "aes-256-gcm",
  });
  await withShadowsocks("sslocal", config("a password"), async (port) => {
    for (let count = 0; count < 2; count++) await roundTrip(await throughSocks(port, server.port));
  });
  await withShadowsocks("sslocal", config("another"), async (port) => {
    const connection = await throughSocks(port, server.port);
    await connection.write(noise(100));
    await until(() => (pair.served.rejected.forged ?? 0) > 0);
    close(connection);
  });
  assert.equal(pair.served.total, 2);
});
