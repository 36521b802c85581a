// Box and peer over real sockets; between them a SOCKS5 of this test, which connects as the proxy would.
import assert from "node:assert/strict";
import fc from "fast-check";
import { WishSender } from "./wish_sender.ts";
import { parseCounters, readCounters } from "./counters.ts";
import { measure } from "./measure.ts";
import { serve } from "./service.ts";
import { connectToPeer } from "./socks5_client.ts";
import { lines, MOST_LINE_BYTES, parseAnswer, parseRequest, type Wish, writeAll, writeLine } from "./wire.ts";

const session = "0123456789abcdef0123456789abcdef";
const wish: Wish = { address: "198.18.1.2", port: 1000, bitsPerSecond: 5e6, layer: "vdsl" };

/** A service that knows the boxes of one session. */
function serving(shape: (session: string, wishes: Wish[]) => string[], ...known: string[]) {
  return serve(0, { shape, isKnown: (shown) => [session, ...known].includes(shown) });
}

/** A SOCKS5 on loopback that remembers which links were asked for. */
class Socks implements Disposable {
  readonly links: string[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open: Deno.Conn[] = [];

  constructor() {
    void (async () => {
      for await (const connection of this.#listener) {
        this.#open.push(connection);
        void this.#serve(connection).catch(() => {});
      }
    })().catch(() => {});
  }

  get at() {
    return { address: "127.0.0.1", port: (this.#listener.addr as Deno.NetAddr).port };
  }

  async #serve(connection: Deno.TcpConn): Promise<void> {
    // Everything is said in one packet.
    const said = new Uint8Array(64);
    const length = (await connection.read(said))!;
    const isNamed = said[2] === 2;
    if (isNamed) this.links.push(new TextDecoder().decode(said.subarray(5, 5 + said[4]!)));
    const port = said[length - 2]! << 8 | said[length - 1]!;
    await writeAll(
      connection,
      Uint8Array.of(5, isNamed ? 2 : 0, ...isNamed ? [1, 0] : [], 5, 0, 0, 1, 0, 0, 0, 0, 0, 0),
    );
    const target = await Deno.connect({ hostname: "127.0.0.1", port });
    this.#open.push(target);
    void connection.readable.pipeTo(target.writable).catch(() => {});
    await target.readable.pipeTo(connection.writable).catch(() => {});
  }

  [Symbol.dispose](): void {
    for (const part of [this.#listener, ...this.#open]) {
      try {
        part.close();
      } catch {
        // Closed with its stream.
      }
    }
  }
}

async function eventually(holds: () => boolean): Promise<void> {
  for (const endMs = performance.now() + 20_000; !holds();) {
    assert.ok(performance.now() < endMs, `never: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("only what the schema says is a request or an answer, whatever comes", () => {
  const good = { kind: "shape", session, wishes: [wish] };
  assert.deepEqual(parseRequest(JSON.stringify(good)), good);
  for (
    const bad of [
      { ...good, extra: 1 },
      { ...good, session: "me" },
      { ...good, session: undefined },
      { ...good, session: "A".repeat(32) },
      { ...good, session: "a".repeat(129) },
      { ...good, wishes: [{ ...wish, port: 0 }] },
      { ...good, wishes: [{ ...wish, bitsPerSecond: 1 }] },
      { ...good, wishes: [{ ...wish, address: "1.2.3.4 } ; flush ruleset" }] },
      { ...good, wishes: Array(17).fill(wish) },
      { kind: "test", direction: "sideways" },
    ]
  ) assert.equal(parseRequest(JSON.stringify(bad)), undefined, JSON.stringify(bad));
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    assert.equal(parseRequest(text), undefined);
    assert.equal(parseAnswer(text), undefined);
  }));
});

Deno.test("a box's wishes reach the peer, change with it, and tell which addresses are refused", async () => {
  const heard: Wish[][] = [];
  const sessions = new Set<string>();
  const service = serving((session, wishes) => {
    sessions.add(session);
    heard.push(wishes);
    return wishes.some(({ address }) => address === "192.0.2.9") ? ["192.0.2.9"] : [];
  });
  using socks = new Socks();
  const sender = new WishSender(() => socks.at, service.port);
  try {
    sender.want(session, [wish]);
    await eventually(() => sender.granted.has("198.18.1.2"));
    sender.want(session, [{ ...wish, bitsPerSecond: 6e6 }, { ...wish, address: "192.0.2.9" }]);
    await eventually(() => heard.length > 1 && heard.at(-1)!.length === 2);
    // The peer has heard it before its answer is here.
    await eventually(() => /192\.0\.2\.9/.test(sender.lastError));
    assert.deepEqual([...sender.granted], ["198.18.1.2"]);
    assert.equal(heard.at(-1)![0]!.bitsPerSecond, 6e6);
    assert.deepEqual([...sessions], [session]);
    // Another session, other wishes: what the former one was granted is nothing any more.
    const other = session.replace("0", "f");
    sender.want(other, [wish]);
    await eventually(() => sessions.has(other) && sender.granted.size === 1 && sender.lastError === "");
    const asked = heard.length;
    sender.want(undefined, [wish]);
    await eventually(() => sender.granted.size === 0);
    assert.match(sender.lastError, /no session/);
    assert.equal(heard.length, asked, "nobody is asked without a session");
  } finally {
    await sender.close();
    service.close();
  }
});

Deno.test("a peer that is no peer of ours is asked again, later, and its reason is told", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  void (async () => {
    for await (const connection of listener) connection.close();
  })().catch(() => {});
  using socks = new Socks();
  const sender = new WishSender(() => socks.at, (listener.addr as Deno.NetAddr).port);
  try {
    sender.want(session, [wish]);
    await eventually(() => sender.lastError !== "");
    assert.equal(sender.granted.size, 0);
  } finally {
    await sender.close();
    listener.close();
  }
});

Deno.test("hostile bytes end a connection of the service, and nothing else", async () => {
  let asked = 0;
  const service = serving(() => {
    asked++;
    return [];
  });
  const dial = () => Deno.connect({ hostname: "127.0.0.1", port: service.port });
  try {
    for (const bytes of ["nonsense\n", `{"kind":"shape"}\n`, "x".repeat(2 * MOST_LINE_BYTES), "\0\n"]) {
      const connection = await dial();
      await writeAll(connection, new TextEncoder().encode(bytes)).catch(() => {});
      const ended = await connection.read(new Uint8Array(16)).catch(() => null);
      assert.equal(ended, null, bytes.slice(0, 20));
      connection.close();
    }
    const honest = await dial();
    await writeLine(honest, { kind: "shape", session, wishes: [] });
    const { value } = await lines(honest).next();
    assert.deepEqual(parseAnswer(value ?? ""), { kind: "shaped", refused: [] });
    honest.close();
    assert.equal(asked, 1);
  } finally {
    service.close();
  }
});

Deno.test("no box takes the service's connections from another one, silent ones included", async () => {
  const other = session.replace("0", "f");
  const service = serving(() => [], other);
  const open: Deno.Conn[] = [];
  const dial = async () => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: service.port });
    open.push(connection);
    return connection;
  };
  const ask = async (shown: string) => {
    const connection = await dial();
    await writeLine(connection, { kind: "shape", session: shown, wishes: [] });
    const { value } = await lines(connection).next().catch(() => ({ value: undefined }));
    return parseAnswer(value ?? "") !== undefined;
  };
  try {
    const granted: boolean[] = [];
    for (let count = 0; count < 20; count++) granted.push(await ask(session));
    assert.equal(granted.filter(Boolean).length, 16);
    // Whoever makes sessions up is one for all of them.
    granted.length = 0;
    for (let count = 0; count < 20; count++) granted.push(await ask(String(10 + count).repeat(10)));
    assert.equal(granted.filter(Boolean).length, 16);
    for (let count = 0; count < 200; count++) await dial();
    assert.equal(await ask(other), true);
  } finally {
    open.forEach((connection) => connection.close());
    service.close();
  }
});

Deno.test("a speed test counts what came, each way, over the link that was named", async () => {
  const service = serving(() => []);
  using socks = new Socks();
  try {
    for (const direction of ["down", "up"] as const) {
      const stop = new AbortController();
      // Cut short, as its length is fixed: loopback shows a rate at once.
      setTimeout(() => stop.abort(), 2_500);
      const rate = await measure(direction, "fibre", () => socks.at, service.port, stop.signal);
      assert.ok(rate > 1e6, `${direction} ${rate}`);
    }
    assert.deepEqual([...new Set(socks.links)], ["fibre"]);
    await assert.rejects(
      measure("down", "fibre", () => undefined, service.port, AbortSignal.timeout(1_000)),
      /proxy/,
    );
  } finally {
    service.close();
  }
});

Deno.test("without a proxy there is no connection, and the counters are the kernel's", async () => {
  await assert.rejects(connectToPeer(undefined, 1, AbortSignal.timeout(1_000)), /proxy is not there/);
  const counters = await readCounters(["lo", "nothere0"]);
  assert.deepEqual([...counters.keys()], ["lo"]);
  assert.ok(counters.get("lo")!.rxBytes >= 0);
  assert.deepEqual(parseCounters("/sys/class/net/wan1/statistics/rx_bytes:5\nnonsense\n").size, 0);
});
