// Names of a link: real sockets on addresses of loopback in place of the link's own and of its resolvers.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { framed, messages, writeAll } from "./frames.ts";
import { LinkNames, serversOf } from "./link_names.ts";
import { askLink } from "./link_way.ts";
import { addressIn, answerBytes, query } from "./testing/messages.ts";
import { failure, forUdp, type Query, Rcode, rcodeOf, readQuery, withId } from "./wire.ts";

const SOURCE = "127.9.0.2", never = new AbortController().signal;

/** A resolver on an address of its own, by UDP and TCP on one port, that answers as the test says; keeps who asked. */
class Server implements AsyncDisposable {
  readonly askers: string[] = [];
  readonly #socket = createSocket("udp4");
  readonly #listener: Deno.Listener;

  private constructor(
    readonly host: string,
    readonly port: number,
    private readonly on: (query: Query, from: string) => Uint8Array<ArrayBuffer>[],
  ) {
    this.#listener = Deno.listen({ hostname: host, port });
  }

  static async up(host: string, port: number, on: (query: Query, from: string) => Uint8Array<ArrayBuffer>[]) {
    const server = new Server(host, port, on);
    server.#socket.on("message", (bytes, from) => {
      server.askers.push(`udp ${from.address}`);
      const query = readQuery(bytes)!;
      for (const answer of on(query, "udp")) {
        server.#socket.send(forUdp(query, answer), from.port, from.address);
      }
    });
    await new Promise<void>((resolve) => server.#socket.bind(port, host, () => resolve()));
    void (async () => {
      for await (const connection of server.#listener) {
        server.askers.push(`tcp ${(connection.remoteAddr as Deno.NetAddr).hostname}`);
        for await (const message of messages(connection)) {
          for (const answer of server.on(readQuery(message)!, "tcp")) {
            await writeAll(connection, framed(answer));
          }
        }
        connection.close();
      }
    })().catch(() => {});
    return server;
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    this.#listener.close();
  }
}

/** A port that is free on every address of loopback that these tests use. */
function freePort(): number {
  const listener = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

Deno.test("a link's resolver is asked from the link's own address, by TCP what does not fit, and only it is believed", async () => {
  const port = freePort();
  await using asked = await Server.up("127.9.0.1", port, (query) => {
    const right = answerBytes(query, [192, 0, 2, 7], { bytes: 2_000 });
    // What another question is answered with is no answer.
    return [withId(answerBytes(query, [192, 0, 2, 66]), query.id ^ 1), right];
  });
  const found = await askLink(
    query("tv.example"),
    { source: SOURCE, servers: ["127.9.0.1"] },
    never,
    port,
  );
  assert.equal(addressIn(found!), "192.0.2.7");
  assert.ok(found!.length > 1_500);
  assert.deepEqual(asked.askers, [`udp ${SOURCE}`, `tcp ${SOURCE}`]);
});

Deno.test("of two resolvers the one that answers is enough, a lost packet is sent again, and silence ends", async () => {
  const port = freePort();
  let count = 0;
  await using _ = await Server.up(
    "127.9.0.1",
    port,
    (query) => count++ === 0 ? [] : [answerBytes(query, [192, 0, 2, 8])],
  );
  const servers = ["127.9.0.3", "127.9.0.1"];
  const found = await askLink(query("tv.example"), { source: SOURCE, servers }, never, port);
  assert.deepEqual([addressIn(found!), count], ["192.0.2.8", 2]);
  const silent = { source: SOURCE, servers: ["127.9.0.3"] };
  assert.equal(await askLink(query("tv.example"), silent, never, port), undefined);
  const gone = { source: "203.0.113.9", servers };
  assert.equal(await askLink(query("tv.example"), gone, never, port), undefined, "its address is gone");
});

const asked = query("tv.example");
const found = (last: number) => answerBytes(asked, [192, 0, 2, last]);
const unknown = failure(asked, Rcode.nameError);

/** Names with a link's resolver and a box that answer so; counts who was asked. */
function names(own: () => Uint8Array<ArrayBuffer> | undefined, box: () => Uint8Array<ArrayBuffer>) {
  const count = { own: 0, box: 0 };
  const asking = new LinkNames(
    () => Promise.resolve((count.own++, own())),
    () => (count.box++, Promise.resolve().then(box)),
    (_, response) => response,
  );
  return { ask: () => asking.ask(asked), count };
}

Deno.test("what the operator knows is its answer, what it does not the box's, such as a name of the LAN", async () => {
  const operator = names(() => found(1), () => found(2));
  assert.equal(addressIn(await operator.ask()), "192.0.2.1");
  assert.equal(operator.count.box, 0);
  assert.equal(addressIn(await names(() => unknown, () => found(2)).ask()), "192.0.2.2");
  assert.equal(rcodeOf(await names(() => unknown, () => unknown).ask()), Rcode.nameError);
  const boxGone = names(() => unknown, () => {
    throw new Error("nobody listens");
  });
  assert.equal(rcodeOf(await boxGone.ask()), Rcode.nameError);
});

Deno.test("a silent operator denies no name that it alone may know, is not waited for again and again, and is asked on", async () => {
  let isSilent = true, isKnown = true;
  const { ask, count } = names(() => isSilent ? undefined : found(1), () => isKnown ? found(2) : unknown);
  assert.equal(addressIn(await ask()), "192.0.2.2", "everybody's names are found all the same");
  isKnown = false;
  assert.equal(rcodeOf(await ask()), Rcode.serverFailure);
  assert.equal(rcodeOf(await ask()), Rcode.nameError, "it may have no resolver at all");
  isSilent = false;
  assert.equal(addressIn(await ask()), "192.0.2.1");
  assert.equal(addressIn(await ask()), "192.0.2.1");
  assert.deepEqual(count, { own: 5, box: 4 });
});

Deno.test("whom a modem tells to ask: it, or its operator, and never the LAN, this box or nonsense", () => {
  const own = ["192.168.100.1/24", "192.168.11.2"];
  const of = (told: string[] | undefined, gateway?: string) => serversOf(told, gateway, own);
  assert.deepEqual(of(["192.168.11.1"], "192.168.11.1"), ["192.168.11.1"]);
  assert.deepEqual(of(["10.0.0.53", "80.10.246.2", "80.10.246.129"], "192.168.11.1"), [
    "10.0.0.53",
    "80.10.246.2",
  ]);
  for (
    const told of [
      undefined,
      [],
      ["192.168.100.9", "192.168.100.1", "192.168.11.2", "127.0.0.1", "0.0.0.0", "169.254.1.1"],
      ["224.0.0.251", "255.255.255.255", "fe80::1", "1", "resolver", ""],
    ]
  ) assert.deepEqual(of(told, "192.168.11.1"), ["192.168.11.1"], `${told}`);
  assert.deepEqual(of(undefined, undefined), []);
  assert.deepEqual(of(undefined, "fe80::1"), []);
});
