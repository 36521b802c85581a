// Both ends of the proxy in the test's own process, over loopback, with clock and key in the test's hand.
import { Buffer } from "node:buffer";
import { openNative } from "../../../core/native/ffi.ts";
import { accepted, type BoxKey } from "@otb/plugin";
import { Boxes } from "../peer/boxes.ts";
import { Reactor } from "../relay/reactor.ts";
import { Salts } from "../wire/salts.ts";
import { type ServeCounters, serveCounters, Server } from "../peer/server.ts";
import { Identity } from "../wire/sip023.ts";
import { legacyKey } from "../wire/sip004.ts";
import { Socks5 } from "../box/socks5.ts";
import { Targets } from "../peer/targets.ts";
import type { Way } from "../transport/transport.ts";
import { close } from "./close.ts";
import { TestLinks } from "./links.ts";
import { MptcpTransport } from "../transport/transport.ts";
import { Outbound, type OutboundCounters, outboundCounters } from "../box/outbound.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a test may change. */
export interface PairOptions {
  boxKey?: Bytes;
  peerKey?: Bytes;
  /** Seconds that the box's clock is ahead. */
  skewSeconds?: number;
  allow?: string[];
  /** Plain TCP between the two where false. */
  mptcp?: boolean;
  /** Another server's port instead of our own. */
  peerPort?: number;
  /** The server speaks SIP004 with the key of this password. */
  legacyPassword?: string;
  /** The peer's identity key: box and peer speak SIP023. */
  identityKey?: Bytes;
  /** Boxes that the peer knows besides the test's own, which is called `box`. */
  others?: BoxKey[];
  /** Connections that the peer has room for. */
  most?: number;
  /** Streams are striped over so many links. */
  striped?: number;
  /** Those links are hops that can be cut, in `links`; else they are only addresses of this machine. */
  hops?: boolean;
  /** Striped streams without any connection are kept so long. */
  bareMs?: number;
  /** Those that were not bulk for so long keep one. */
  quietMs?: number;
  /** Addresses of names, for the peer. */
  lookup?: (host: string) => Promise<string[]>;
  /** No link works, as far as the box knows. */
  isCutOff?: () => boolean;
}

/** A box with SOCKS5 and a peer, both ours. */
export class Pair {
  readonly native = openNative();
  readonly reactor = new Reactor(this.native);
  readonly key = crypto.getRandomValues(new Uint8Array(32));
  readonly served: ServeCounters = serveCounters();
  readonly carried: OutboundCounters = outboundCounters();
  readonly directory = Deno.makeTempDirSync({ prefix: "otb" });
  readonly boxes: Boxes;
  server: Server;
  readonly socks: Socks5;
  readonly outbound: Outbound;
  readonly links: TestLinks | undefined;
  readonly #running = this.reactor.run();
  #salts: Salts | undefined;
  #isServing = false;

  constructor(private readonly options: PairOptions = {}) {
    this.boxes = new Boxes(this.native, options.most);
    this.setBoxes();
    this.server = this.#serve(0);
    const peer = { name: "peer", address: "127.0.0.1", port: options.peerPort ?? this.server.port };
    const { striped, hops } = options;
    if (striped && hops) {
      this.links = new TestLinks(this.native, striped, () => options.peerPort ?? this.server.port);
    }
    this.outbound = new Outbound({
      native: this.native,
      reactor: this.reactor,
      transport: this.links ?? new MptcpTransport(this.native, peer, options.mptcp),
      psk: options.boxKey ?? this.key,
      identity: options.identityKey &&
        new Identity(this.native, options.identityKey, options.boxKey ?? this.key),
      now: () => Math.floor(Date.now() / 1000) + (options.skewSeconds ?? 0),
      choices: () => this.links?.ways() ?? [],
      counters: this.carried,
      ways: striped ? () => this.links?.ways() ?? waysOf(striped) : undefined,
      bareMs: options.bareMs,
      quietMs: options.quietMs,
      isCutOff: options.isCutOff,
    });
    this.socks = new Socks5(this.native, this.reactor, this.outbound, "127.0.0.1", 0, undefined);
  }

  /** The peer knows these boxes from now on; without any, those it had in the beginning. */
  setBoxes(boxes?: BoxKey[]): void {
    const { identityKey, peerKey, others = [] } = this.options;
    const own = { name: "box", key: base64(peerKey ?? this.key), former: identityKey === undefined };
    this.boxes.set(boxes ?? [own, ...others], identityKey);
  }

  #serve(port: number): Server {
    this.#isServing = true;
    this.#salts?.close();
    this.#salts = new Salts(this.directory, () => Date.now());
    return new Server(
      {
        native: this.native,
        reactor: this.reactor,
        boxes: this.boxes,
        legacy: this.options.legacyPassword === undefined
          ? undefined
          : { box: this.boxes.find("box")!, key: legacyKey(this.options.legacyPassword) },
        salts: this.#salts,
        targets: new Targets(this.options.allow ?? ["127.0.0.0/8"]),
        now: () => Math.floor(Date.now() / 1000),
        counters: this.served,
        lookup: this.options.lookup,
        bareMs: this.options.bareMs,
      },
      "127.0.0.1",
      port,
      this.options.mptcp,
    );
  }

  /** The server ends and a new one takes its port and files. */
  restartServer(): void {
    this.stopServer();
    this.server = this.#serve(this.server.port);
  }

  /** The server ends; another may take its place. */
  stopServer(): void {
    if (!this.#isServing) return;
    this.#isServing = false;
    this.server.close();
    this.server.end();
  }

  /** Waits until new streams are striped, where they are to be. */
  async ready(): Promise<void> {
    if (this.options.striped) await until(() => this.outbound.transport === "striped");
  }

  /** A connection to a local port through SOCKS5. */
  async dial(port: number): Promise<Deno.TcpConn> {
    return await throughSocks(this.socks.port, port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socks.close();
    this.outbound.close();
    this.links?.close();
    this.stopServer();
    this.reactor.stop();
    await this.#running;
    this.#salts?.close();
    await Deno.remove(this.directory, { recursive: true });
  }
}

export const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
/** Links of a machine with nothing but loopback. */
function waysOf(count: number): Way[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ link: `link${index + 1}`, interface: "lo", weight: 0 },
    source: `127.0.0.${index + 1}`,
  }));
}

/** CONNECT to a local port through any SOCKS5 proxy. */
export async function throughSocks(socksPort: number, port: number): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: socksPort });
  await connection.write(Uint8Array.of(5, 1, 0));
  await readExactly(connection, 2);
  await connection.write(Uint8Array.of(5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255));
  await readExactly(connection, 10);
  return connection;
}

/** Random bytes, however many. */
export function noise(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(length, at + 65_536)));
  }
  return bytes;
}

export async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

/** Reads that many bytes. @throws Error when the stream ends before */
export async function readExactly(connection: Deno.Conn, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const got = await connection.read(bytes.subarray(at));
    if (got === null) throw new Error(`the stream ended after ${at} of ${length} bytes`);
    at += got;
  }
  return bytes;
}

/** Reads to the end. */
export async function readAll(connection: Deno.Conn): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const chunk = new Uint8Array(65_536);
  for (let got = await connection.read(chunk); got !== null; got = await connection.read(chunk)) {
    pieces.push(chunk.slice(0, got));
  }
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  pieces.reduce((at, piece) => (bytes.set(piece, at), at + piece.length), 0);
  return bytes;
}

/** A local TCP server; `serve` gets each connection and may throw when it breaks. */
export function listen(
  serve: (connection: Deno.TcpConn) => Promise<void>,
): { port: number; [Symbol.dispose](): void } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  void (async () => {
    for await (const connection of accepted(listener)) {
      serve(connection).catch(() => {}).finally(() => close(connection));
    }
  })();
  return { port: listener.addr.port, [Symbol.dispose]: () => listener.close() };
}

/** Answers every byte with itself and ends when the client does. */
export function echo() {
  return listen(async (connection) => {
    await connection.readable.pipeTo(connection.writable);
  });
}

/** Waits for a state of affairs, with a bound far beyond what any machine needs. */
export async function until(test: () => boolean, withinMs = 30_000): Promise<void> {
  for (let waited = 0; waited < withinMs; waited += 5) {
    if (test()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`never happened: ${test}`);
}
