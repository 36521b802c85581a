import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { close, echo, listen, Pair, readAll } from "../../testing.ts";

const sum = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const random = (length: number) => {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(length, at + 65_536)));
  }
  return bytes;
};

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at, at + 262_144));
}

Deno.test("a striped stream carries every byte both ways at once, over several connections", async () => {
  await using pair = new Pair({ striped: 3 });
  await pair.ready();
  const down = random(20_000_000), up = random(20_000_000);
  let heard = "";
  using server = listen(async (connection) => {
    const reading = readAll(connection).then((bytes) => heard = sum(bytes));
    await writeAll(connection, down);
    await connection.closeWrite();
    await reading;
  });
  const client = await pair.dial(server.port);
  const reading = readAll(client);
  await writeAll(client, up);
  await client.closeWrite();
  assert.equal(sum(await reading), sum(down));
  for (let waited = 0; heard === "" && waited < 10_000; waited += 5) {
    await new Promise((done) => setTimeout(done, 5));
  }
  assert.equal(heard, sum(up));
  close(client);
  for (let waited = 0; pair.served.open + pair.tunnelled.open > 0 && waited < 10_000; waited += 5) {
    await new Promise((done) => setTimeout(done, 5));
  }
  assert.equal(pair.served.open + pair.tunnelled.open, 0);
  assert.equal(pair.served.resets + pair.tunnelled.resets, 0);
});

Deno.test("a short word and its answer take one connection", async () => {
  await using pair = new Pair({ striped: 3 });
  await pair.ready();
  using server = echo();
  const client = await pair.dial(server.port);
  for (let count = 0; count < 20; count++) {
    await client.write(new TextEncoder().encode("hello"));
    const got = new Uint8Array(5);
    for (let at = 0; at < 5;) at += (await client.read(got.subarray(at)))!;
    assert.equal(new TextDecoder().decode(got), "hello");
  }
  await client.closeWrite();
  assert.equal((await readAll(client)).length, 0);
  close(client);
});
