// The box's end over real sockets: a server of this test as resolver, as an honest one never does what is tested here.
import assert from "node:assert/strict";
import { Forwarder } from "./forwarder.ts";
import { framed, messages, writeAll } from "./frames.ts";
import { listen } from "./listen.ts";
import { mayGoDirectly } from "./mod.ts";
import { Pipeline } from "./pipeline.ts";
import { race } from "./race.ts";
import { addressIn, answerBytes, query, queryBytes } from "./testing/messages.ts";
import { connector, parseUpstream } from "./upstream.ts";
import { Way } from "./way.ts";
import { failure, type Query, Rcode, rcodeOf, readQuery, withId } from "./wire.ts";

type Say = (bytes: Uint8Array) => Promise<void>;

/** A resolver over TCP that does with each query what the test says. */
class Resolver {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections: Deno.Conn[] = [];
  connections = 0;
  asked = 0;

  constructor(private readonly on: (query: Query, say: Say) => void) {
    void (async () => {
      for await (const connection of this.#listener) {
        this.connections++;
        this.#connections.push(connection);
        void this.#serve(connection).catch(() => {});
      }
    })().catch(() => {});
  }

  get address(): string {
    return `127.0.0.1@${(this.#listener.addr as Deno.NetAddr).port}`;
  }

  way(name = "test"): Way {
    return new Way(name, connector(parseUpstream(this.address)!, () => undefined, true));
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    for await (const message of messages(connection)) {
      this.asked++;
      this.on(readQuery(message)!, (bytes) => writeAll(connection, framed(bytes)));
    }
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#connections) {
      try {
        connection.close();
      } catch {
        // The other end was faster.
      }
    }
  }
}

const good = (last: number) => (asked: Query, say: Say) => void say(answerBytes(asked, [192, 0, 2, last]));
const never = new AbortController().signal;
/** Losers of a race are listened to for a moment, and connections end in the background. */
const options = { sanitizeOps: false, sanitizeResources: false };

Deno.test("many questions on one connection, answered in any order", options, async () => {
  const held: [Query, Say][] = [];
  using resolver = new Resolver((asked, say) => {
    held.push([asked, say]);
    if (held.length < 50) return;
    for (const [query, say] of held.reverse()) {
      void say(answerBytes(query, [192, 0, 2, query.message[14]! - 48 + query.message[13]! * 10 - 480]));
    }
  });
  const way = resolver.way();
  const names = Array.from({ length: 50 }, (_, index) => `${String(index).padStart(2, "0")}.example`);
  // All have the same id, as they may from 50 devices.
  const responses = await Promise.all(names.map((name) => way.ask(query(name), never)));
  assert.deepEqual(responses.map(addressIn), names.map((_, index) => `192.0.2.${index}`));
  assert.ok(responses.every((response) => response[0] === 0x12 && response[1] === 0x34));
  assert.equal(resolver.connections, 1);
  way.close();
});

Deno.test(
  "answers to another question, with another id, or of no sense are never taken",
  options,
  async () => {
    using resolver = new Resolver(async (asked, say) => {
      await say(withId(answerBytes(asked, [6, 6, 6, 6]), asked.id ^ 1));
      await say(answerBytes(query("evil.example", { id: asked.id }), [6, 6, 6, 6]));
      await say(asked.message);
      await say(new Uint8Array(20).fill(255));
      await say(answerBytes(asked, [192, 0, 2, 1]));
    });
    const way = resolver.way();
    assert.equal(addressIn(await way.ask(query("www.example"), never)), "192.0.2.1");
    way.close();
  },
);

Deno.test("a resolver that sends what nobody asked for is left", options, async () => {
  using resolver = new Resolver((asked, say) => {
    void (async () => {
      for (let count = 0; count < 100; count++) {
        await say(withId(answerBytes(asked, [6, 6, 6, 6]), asked.id ^ 1));
      }
    })().catch(() => {});
  });
  const way = resolver.way();
  await assert.rejects(way.ask(query("www.example"), never), /what nobody asked for/);
  way.close();
});

Deno.test("a pipeline that is full, or ended, says so at once", options, async () => {
  using resolver = new Resolver(() => {});
  const connection = await connector(parseUpstream(resolver.address)!, () => undefined, true)(never);
  const pipeline = new Pipeline(connection, () => {});
  const waiting = Array.from({ length: 300 }, () => pipeline.ask(query("a.example"), never));
  await assert.rejects(pipeline.ask(query("a.example"), never), /no more/);
  pipeline.close("it is over");
  for (const one of await Promise.allSettled(waiting)) {
    assert.equal(one.status === "rejected" && one.reason.message, "it is over");
  }
  await assert.rejects(pipeline.ask(query("a.example"), never), /no more/);
});

Deno.test(
  "a silent first way: the second is asked after a usual round trip, later at once; the first comes back",
  options,
  async () => {
    let silent = true;
    using first = new Resolver((asked, say) => silent ? undefined : good(1)(asked, say));
    using second = new Resolver(good(2));
    const ways = [first.way("first"), second.way("second")];
    const ask = async () => {
      const startMs = performance.now();
      const { response, way } = await race(query("www.example"), ways, never);
      return { address: addressIn(response!), way: way!.name, ms: performance.now() - startMs };
    };
    const before = await ask();
    assert.deepEqual([before.way, before.ms > 400 && before.ms < 2_000], ["second", true]);
    await ask();
    // What was lost is known a moment later.
    while (ways[0]!.missed < 2) await new Promise((resolve) => setTimeout(resolve, 50));
    const doubted = await ask();
    assert.ok(doubted.ms < 300, `asked at once, but ${doubted.ms} ms`);
    silent = false;
    const endMs = performance.now() + 20_000;
    while (ways[0]!.missed > 0 && performance.now() < endMs) await ask();
    assert.equal(ways[0]!.missed, 0);
    assert.equal((await ask()).way, "first");
    for (const way of ways) way.close();
  },
);

Deno.test(
  "a first way that fails has the second asked at once; its failure is better than nothing",
  options,
  async () => {
    using first = new Resolver((asked, say) => void say(failure(asked, Rcode.serverFailure)));
    using second = new Resolver(good(2));
    const ways = [first.way("first"), second.way("second")];
    assert.equal(addressIn((await race(query("www.example"), ways, never)).response!), "192.0.2.2");
    const { response, way } = await race(query("www.example"), ways.slice(0, 1), never);
    assert.deepEqual([rcodeOf(response!), way], [2, undefined]);
    for (const way of ways) way.close();
    const gone = new Way("gone", () => Promise.reject(new Error("nobody is there")));
    assert.deepEqual(await race(query("www.example"), [gone], never), {});
  },
);

Deno.test("there is no such name: that settles it, and nobody else is asked", options, async () => {
  using first = new Resolver((asked, say) => void say(failure(asked, Rcode.nameError)));
  using second = new Resolver(good(2));
  const ways = [first.way("first"), second.way("second")];
  assert.equal(rcodeOf((await race(query("www.example"), ways, never)).response!), 3);
  assert.equal(second.asked, 0);
  for (const way of ways) way.close();
});

Deno.test(
  "UDP and TCP ask the same; what is long is cut by UDP only; junk is counted and not answered",
  options,
  async () => {
    const listening = await listen(
      0,
      (asked) => Promise.resolve(answerBytes(asked, [192, 0, 2, 1], { bytes: 900 })),
    );
    const { port } = listening;
    const socket = await udp();
    try {
      socket.send(Uint8Array.of(1, 2, 3), port);
      socket.send(queryBytes("a.example", { udpBytes: 1_232 }), port);
      assert.ok((await socket.receive()).length >= 900);
      assert.equal(listening.malformed, 1);
      socket.send(queryBytes("a.example"), port);
      const cut = await socket.receive();
      assert.ok(cut.length < 100 && cut[2]! & 2);
      const way = new Way("tcp", connector({ address: "127.0.0.1", port }, () => undefined, true));
      assert.ok((await way.ask(query("a.example"), never)).length >= 900);
      way.close();
    } finally {
      socket.close();
      listening.close();
    }
  },
);

Deno.test("a flood is refused at once beyond the bound, and the rest is asked on", options, async () => {
  let asked = 0;
  const gate = Promise.withResolvers<void>();
  const listening = await listen(0, async (query) => {
    asked++;
    await gate.promise;
    return answerBytes(query, [192, 0, 2, 1]);
  });
  const socket = await udp();
  try {
    // In bursts that a socket's buffer holds.
    for (let id = 0; id < 600; id++) {
      socket.send(queryBytes("a.example", { id }), listening.port);
      while (id % 50 === 49 && asked + listening.refused <= id) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    assert.deepEqual([asked, listening.refused], [512, 88]);
    assert.equal(rcodeOf(await socket.receive()), 2);
    gate.resolve();
    while (rcodeOf(await socket.receive()) !== 0);
  } finally {
    gate.resolve();
    socket.close();
    listening.close();
  }
});

Deno.test("directly only when every peer is gone and the setting lets it; not knowing is no", async () => {
  const peer = (state: "up" | "down" | "unknown") => ({ state, sinceMs: 0 });
  assert.equal(mayGoDirectly([peer("down")], { way: "direct" }), true);
  assert.equal(mayGoDirectly([peer("down"), peer("up")], { way: "direct" }), false);
  assert.equal(mayGoDirectly([peer("down")], { way: "block" }), false);
  assert.equal(mayGoDirectly([peer("down")], undefined), false);
  assert.equal(mayGoDirectly([], { way: "direct" }), false);
  assert.equal(mayGoDirectly([peer("unknown")], { way: "direct" }), false);
  using resolver = new Resolver(good(3));
  // With the kill-switch nobody is asked past the proxy, which is not there.
  const ask = async (direct: boolean) => {
    const forwarder = new Forwarder({ port: 5335, secondWay: [resolver.address], localDomains: [] }, {
      proxy: () => undefined,
      direct: () => direct,
    });
    const response = await forwarder.ask(query("a.example"));
    forwarder.close();
    return [rcodeOf(response), forwarder.state];
  };
  assert.deepEqual(await ask(false), [2, "down"]);
  assert.equal(resolver.asked, 0);
  assert.deepEqual(await ask(true), [0, "degraded"]);
});

Deno.test("the owner's domain leads into the LAN by the second way too, another does not and is told of", async () => {
  using resolver = new Resolver((asked, say) => void say(answerBytes(asked, [192, 168, 100, 9])));
  const emptied: string[] = [];
  const settings = { port: 5335, secondWay: [resolver.address], localDomains: ["home.example"] };
  const forwarder = new Forwarder(settings, {
    proxy: () => undefined,
    direct: () => true,
    emptied: (name) => emptied.push(name),
  });
  try {
    assert.equal(addressIn(await forwarder.ask(query("nas.home.example"))), "192.168.100.9");
    const other = await forwarder.ask(query("evil.example"));
    assert.deepEqual([rcodeOf(other), other[7]], [Rcode.noError, 0]);
    assert.deepEqual(emptied, ["evil.example"]);
  } finally {
    forwarder.close();
  }
});

Deno.test("resolvers as they are written", () => {
  assert.deepEqual(parseUpstream("9.9.9.9"), { address: "9.9.9.9", port: 53 });
  assert.deepEqual(parseUpstream("9.9.9.9#dns.quad9.net"), {
    address: "9.9.9.9",
    port: 853,
    tlsName: "dns.quad9.net",
  });
  assert.deepEqual(parseUpstream("9.9.9.9@8853#dns.quad9.net")?.port, 8853);
  for (
    const text of [
      "",
      "dns.quad9.net",
      "9.9.9.9@0",
      "9.9.9.9@70000",
      "9.9.9.9#",
      "9.9.9#x.y",
      "9.9.9.9#a b\n",
    ]
  ) {
    assert.equal(parseUpstream(text), undefined, text);
  }
});

/** A UDP socket that hears what is sent back to it. */
async function udp() {
  const { createSocket } = await import("node:dgram");
  const socket = createSocket("udp4");
  const heard: Uint8Array[] = [];
  let wake = () => {};
  socket.on("message", (bytes) => {
    heard.push(bytes);
    wake();
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", () => resolve()));
  return {
    send: (bytes: Uint8Array, port: number) => socket.send(bytes, port, "127.0.0.1"),
    close: () => socket.close(),
    async receive(): Promise<Uint8Array> {
      while (heard.length === 0) await new Promise<void>((resolve) => wake = resolve);
      return heard.shift()!;
    },
  };
}
