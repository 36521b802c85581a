// Striped streams over links that break, come late and move.
import { strict as assert } from "node:assert";
import {
  echo,
  listen,
  noise,
  Pair,
  type PairOptions,
  readAll,
  readExactly,
  until,
  writeAll,
} from "../../testing/ends.ts";
import { close } from "../../testing/close.ts";
import type { HeldLink } from "./guard.ts";

/** A stream that moves so much is likely to be bulk, and one that moves so much is. */
const LITTLE = 32_000, BULK = 24_000_000;
/** More than words: a link that has carried so much of a bulk stream is used. What is without bounds is not shared evenly. */
const SOME = 240_000;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A pair over hops, ready; and a download through it that says when half of it has come. */
async function downloading(links: number, options: { bareMs?: number } = {}) {
  const pair = new Pair({ striped: links, hops: true, ...options });
  await pair.ready();
  const down = noise(BULK);
  const server = listen(async (connection) => {
    await writeAll(connection, down);
    await connection.closeWrite();
    await readAll(connection);
  });
  const device = await pair.dial(server.port);
  const half = await readExactly(device, BULK / 2);
  const rest = async () => {
    const got = await readAll(device);
    assert.deepEqual(half, down.subarray(0, half.length));
    assert.deepEqual(got, down.subarray(half.length));
  };
  return {
    pair,
    links: pair.links!,
    rest,
    async [Symbol.asyncDispose]() {
      close(device);
      server[Symbol.dispose]();
      await pair[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a long stream uses every link, and a short word with its answer one", async () => {
  await using run = await downloading(3);
  await run.rest();
  for (const { name, down } of run.links.all) assert.ok(down > SOME, `${name} carried ${down}`);
  assert.equal(run.pair.served.total, 1);
  assert.equal(run.pair.served.striped, 1);

  await using pair = new Pair({ striped: 3, hops: true });
  await pair.ready();
  using server = echo();
  const device = await pair.dial(server.port);
  for (let count = 0; count < 20; count++) {
    await device.write(new TextEncoder().encode("hello"));
    assert.equal(new TextDecoder().decode(await readExactly(device, 5)), "hello");
  }
  assert.deepEqual(pair.links!.all.map(({ connections }) => connections), [1, 0, 0]);
  await device.closeWrite();
  assert.equal((await readAll(device)).length, 0);
  close(device);
});

Deno.test("a stream that is slow for long has every link, as where many share a slow one; one that pauses has not", async () => {
  await using pair = new Pair({ striped: 2, hops: true });
  await pair.ready();
  let pauseMs = 50;
  using server = listen(async (connection) => {
    for (;;) {
      await writeAll(connection, noise(1_000));
      await sleep(pauseMs);
    }
  });
  const steady = await pair.dial(server.port);
  const other = pair.links!.all[1]!;
  void steady.readable.pipeTo(new WritableStream()).catch(() => {});
  // One that waits for whoever wants it says nothing.
  await until(() => other.said.length > 0);
  pauseMs = 600;
  const before = other.said.length;
  const pausing = await pair.dial(server.port);
  void pausing.readable.pipeTo(new WritableStream()).catch(() => {});
  await sleep(5_000);
  assert.equal(other.said.length, before);
  close(steady);
  close(pausing);
});

Deno.test("a device that reads nothing for a while costs the links nothing meanwhile, and misses no byte", async () => {
  await using pair = new Pair({ striped: 2, hops: true });
  await pair.ready();
  let said = 0, isOver = false;
  using server = listen(async (connection) => {
    for (const piece = noise(65_536); !isOver; said += piece.length) await writeAll(connection, piece);
    await connection.closeWrite();
    await readAll(connection);
  });
  const device = await pair.dial(server.port);
  await readExactly(device, SOME);
  const { all } = pair.links!;
  await until(() => all.every(({ down }) => down > 0));
  // Until what is on its way has come.
  for (let before = -1; before !== pair.served.bytesToSealed; await sleep(300)) {
    before = pair.served.bytesToSealed;
  }
  const carried = () => all.reduce((sum, { up, down }) => sum + up + down, 0);
  await sleep(500);
  const before = carried();
  await sleep(1_500);
  assert.ok(carried() - before < LITTLE, `${carried() - before} bytes`);
  isOver = true;
  assert.equal((await readAll(device)).length, said - SOME);
  close(device);
});

Deno.test("a stream that was bulk keeps one connection once it is quiet, at both ends, and gets every link when it is bulk again", async () => {
  await using pair = new Pair({ striped: 3, hops: true, quietMs: 400 });
  await pair.ready();
  using server = echo();
  const device = await pair.dial(server.port);
  const { all } = pair.links!;
  const bulk = noise(8_000_000);
  for (const turn of [1, 2]) {
    const reading = readExactly(device, bulk.length);
    await writeAll(device, bulk);
    assert.deepEqual(await reading, bulk);
    for (const { said } of all.slice(1)) assert.equal(said.length, turn);
    // Few words, in a row without an end, do not need them all.
    let looks = 0;
    do {
      await sleep(20);
      await device.write(Uint8Array.of(turn));
      assert.equal((await readExactly(device, 1))[0], turn);
      assert.ok(looks++ < 500, "links are kept");
    } while (pair.boxes.joined > 0);
    // Beside the first there may be one on each link that waits for whoever needs it.
    await until(() => all.every(({ connections }) => connections <= 1));
    assert.deepEqual([pair.served.open, pair.carried.open], [1, 1]);
  }
  assert.equal(pair.served.resets + pair.carried.resets, 0);
  await device.closeWrite();
  assert.equal((await readAll(device)).length, 0);
  close(device);
});

/** A download that says a little, and more than that once it is told to, until the second link has carried some of it. */
async function hesitating(options: PairOptions) {
  const pair = new Pair({ hops: true, ...options });
  await pair.ready();
  const goOn = Promise.withResolvers<void>();
  let said = LITTLE, isOver = false;
  const server = listen(async (connection) => {
    await writeAll(connection, noise(LITTLE));
    await goOn.promise;
    for (const piece = noise(65_536); !isOver; said += piece.length) await writeAll(connection, piece);
    await connection.closeWrite();
    await readAll(connection);
  });
  const device = await pair.dial(server.port);
  await readExactly(device, LITTLE);
  const links = pair.links!.all;
  return {
    ...{ pair, links },
    bulk: async () => {
      goOn.resolve();
      const reading = readAll(device);
      await until(() => links[1]!.down > SOME);
      isOver = true;
      assert.equal((await reading).length, said - LITTLE);
    },
    async [Symbol.asyncDispose]() {
      isOver = true;
      goOn.resolve();
      close(device);
      server[Symbol.dispose]();
      await pair[Symbol.asyncDispose]();
    },
  };
}

Deno.test("other links wait connected before a stream is bulk, and it takes those", async () => {
  await using run = await hesitating({ striped: 2 });
  const [, two] = run.links;
  await until(() => two!.connections === 2);
  assert.equal(two!.said.length, 0);
  await run.bulk();
  assert.deepEqual([two!.accepted, two!.said.length], [2, 1]);
  assert.deepEqual(run.pair.served.rejected, {});
});

Deno.test("no connection waits on a link that may not carry, and none stays where it leaves or moves", async () => {
  await using pair = new Pair({ striped: 3, hops: true });
  const [, two, three] = pair.links!.all;
  pair.links!.up.delete("link3");
  pair.outbound.waysChanged();
  await pair.ready();
  using server = echo();
  const likely = async () => {
    const device = await pair.dial(server.port);
    await writeAll(device, noise(LITTLE));
    await readExactly(device, LITTLE);
    return device;
  };
  const devices = [await likely()];
  await until(() => two!.connections === 2);
  pair.links!.up.delete("link2");
  pair.outbound.waysChanged();
  await until(() => two!.connections === 0);
  pair.links!.up.add("link2");
  pair.outbound.waysChanged();
  devices.push(await likely());
  await until(() => two!.connections === 2);
  pair.links!.source = "127.0.0.2";
  pair.outbound.waysChanged();
  await until(() => two!.connections === 0);
  assert.deepEqual([two!.said.length, three!.accepted], [0, 0]);
  assert.equal(pair.outbound.joined, 0);
  devices.forEach(close);
});

for (const how of ["reset", "ended in order", "forgotten without a word"] as const) {
  Deno.test(`connections that waited and were ${how} are none: the link joins by another`, async () => {
    await using run = await hesitating({ striped: 2 });
    const [, two] = run.links;
    await until(() => two!.connections === 2);
    if (how === "reset") two!.cut();
    else if (how === "ended in order") two!.finish();
    else two!.forget();
    if (how !== "forgotten without a word") await until(() => run.pair.outbound.joined === 0);
    two!.isCut = false;
    await run.bulk();
    assert.equal(two!.accepted, 3);
  });
}

for (const how of ["cut", "silent"] as const) {
  Deno.test(`a link that is ${how} in the middle of a download costs no byte, the one that it began on included`, async () => {
    for (const index of [0, 1]) {
      await using run = await downloading(2);
      const link = run.links.all[index]!;
      if (how === "cut") link.cut();
      else link.isSilent = true;
      await run.rest();
    }
  });
}

Deno.test("a download waits for links that are all gone, and goes on when one is back; an upload likewise", async () => {
  await using run = await downloading(2);
  for (const link of run.links.all) link.cut();
  await sleep(1_000);
  run.links.all[1]!.isCut = false;
  await run.rest();

  await using pair = new Pair({ striped: 2, hops: true });
  await pair.ready();
  const up = noise(BULK);
  const heard = Promise.withResolvers<Uint8Array>();
  using server = listen(async (connection) => heard.resolve(await readAll(connection)));
  const device = await pair.dial(server.port);
  const saying = writeAll(device, up).then(() => device.closeWrite());
  await until(() => pair.served.bytesToPlain > BULK / 4);
  for (const link of pair.links!.all) link.cut();
  await sleep(500);
  pair.links!.all[0]!.isCut = false;
  await saying;
  assert.deepEqual(await heard.promise, up);
  close(device);
});

Deno.test("a link whose operator confirms what then waits there for long is held back, and the upload has the rate of the other", async () => {
  await using pair = new Pair({ striped: 2, hops: true });
  await pair.ready();
  const [good, bad] = pair.links!.all;
  good!.rate = 50e6 / 8;
  bad!.rate = 0.2e6 / 8;
  let isOver = false, arrived = 0;
  using server = listen(async (connection) => {
    for await (const piece of connection.readable) arrived += piece.length;
  });
  const device = await pair.dial(server.port);
  const saying = (async () => {
    for (const piece = noise(65_536); !isOver;) await writeAll(device, piece);
  })().catch(() => {});
  await until(() => pair.outbound.heldLinks.up.length > 0, 90_000);
  const [{ link, withBitsPerSecond, withoutBitsPerSecond }] = pair.outbound.heldLinks.up as [HeldLink];
  console.log(`with it ${withBitsPerSecond / 1e6}, without it ${withoutBitsPerSecond / 1e6} Mbit/s`);
  assert.equal(link, "link2");
  const before = { arrived, nowMs: performance.now() };
  await sleep(5_000);
  const had = (arrived - before.arrived) * 8_000 / (performance.now() - before.nowMs);
  assert.ok(had > (withBitsPerSecond + withoutBitsPerSecond) / 2, `${had} bit/s`);
  isOver = true;
  close(device);
  await saying;
});

Deno.test("a peer that stops takes nothing new and lets what flows come to its end", async () => {
  await using run = await downloading(2);
  run.pair.server.close();
  await run.rest();
});

for (const how of ["cut", "finish"] as const) {
  const what = how === "cut" ? "breaks" : "is ended in order by somebody on the way";
  Deno.test(`where every connection ${what} for good both sides hear a reset, and nothing is left`, async () => {
    await using pair = new Pair({ striped: 2, hops: true, bareMs: 500 });
    await pair.ready();
    const met = Promise.withResolvers<string>();
    using server = listen(async (connection) => {
      await connection.write(Uint8Array.of(1));
      await readAll(connection).then(() => met.resolve("end"), (error) => met.resolve(error.name));
    });
    const device = await pair.dial(server.port);
    await readExactly(device, 1);
    for (const link of pair.links!.all) link[how]();
    await assert.rejects(readAll(device), { name: "ConnectionReset" });
    assert.equal(await met.promise, "ConnectionReset");
    await until(() => pair.served.open + pair.carried.open + pair.boxes.open === 0);
    close(device);
  });
}

Deno.test("a link that comes late joins a stream that runs, and one that may not carry any more is left", async () => {
  await using pair = new Pair({ striped: 2, hops: true });
  const [one, two] = pair.links!.all;
  pair.links!.up.delete("link2");
  pair.outbound.waysChanged();
  await pair.ready();
  const isOver = Promise.withResolvers<void>();
  using server = listen(async (connection) => {
    const piece = noise(65_536);
    let stop = false;
    void isOver.promise.then(() => stop = true);
    while (!stop) await writeAll(connection, piece);
    await connection.closeWrite();
  });
  const device = await pair.dial(server.port);
  const reading = readAll(device);
  await until(() => one!.down > 4_000_000);
  assert.equal(two!.down, 0);
  pair.links!.up.add("link2");
  pair.outbound.waysChanged();
  await until(() => two!.down > 1_000_000);
  pair.links!.up.delete("link1");
  pair.outbound.waysChanged();
  await until(() => one!.connections === 0);
  isOver.resolve();
  assert.equal((await reading).length % 65_536, 0);
  close(device);
});

Deno.test("a stream whose link has another address now is carried from there at once, though nobody says anything", async () => {
  await using pair = new Pair({ striped: 1, hops: true });
  await pair.ready();
  const talk = Promise.withResolvers<void>();
  using server = listen(async (connection) => {
    await connection.write(Uint8Array.of(1));
    await talk.promise;
    await connection.write(Uint8Array.of(2));
    await readAll(connection);
  });
  const device = await pair.dial(server.port);
  await readExactly(device, 1);
  const [link] = pair.links!.all;
  const before = link!.said.length;
  pair.links!.source = "127.0.0.2";
  pair.outbound.waysChanged();
  await until(() => link!.said.length > before);
  talk.resolve();
  assert.equal((await readExactly(device, 1))[0], 2);
  close(device);
});
