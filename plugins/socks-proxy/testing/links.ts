// For tests only: links between the two ends of a pair, each a hop of its own that can be slowed, silenced and cut.
import { encodeAddress, type Native } from "../../../core/native/ffi.ts";
import { accepted } from "@otb/plugin";
import { close } from "./close.ts";
import type { Way } from "../transport/transport.ts";
import type { Path, Transport } from "../transport/transport.ts";

/** One hop: takes connections on a port of its own and passes them on to the peer. */
export class TestLink {
  /** Nothing passes while this is set, and nobody is told. */
  isSilent = false;
  /** Connections are reset at once. */
  isCut = false;
  /** Bytes a second that pass each way; what is beyond waits here, confirmed already, as with an operator who ends TCP on his side. */
  rate = Infinity;
  /** When what passed so far would have passed at that rate. */
  readonly #busyUntilMs = { up: 0, down: 0 };
  /** The first bytes of every connection, as they came from the box. */
  readonly said: Uint8Array[] = [];
  /** Connections that came, those of before included. */
  accepted = 0;
  /** Bytes that passed. */
  up = 0;
  down = 0;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.TcpConn>();
  readonly #forgotten = new WeakSet<Deno.TcpConn>();
  #isClosed = false;

  constructor(readonly name: string, private readonly peerPort: () => number) {
    void this.#serve();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  get connections(): number {
    return this.#open.size / 2;
  }

  /** Resets what is open, and what comes. */
  cut(): void {
    this.isCut = true;
    for (const connection of this.#open) close(connection);
  }

  /** What is open is reset when it says something, as by somebody on the way who has forgotten it. */
  forget(): void {
    for (const connection of this.#open) this.#forgotten.add(connection);
  }

  /** Ends what is open in order, as anybody on the way can, and resets what comes. */
  finish(): void {
    this.isCut = true;
    for (const connection of this.#open) void connection.closeWrite().catch(() => {});
  }

  close(): void {
    this.#isClosed = true;
    this.cut();
    close(this.#listener as unknown as Deno.Conn);
  }

  async #serve(): Promise<void> {
    for await (const from of accepted(this.#listener)) {
      if (this.isCut) {
        close(from);
        continue;
      }
      this.accepted++;
      Deno.connect({ hostname: "127.0.0.1", port: this.peerPort() })
        .then((to) => {
          if (this.isCut) return [from, to].forEach(close);
          from.setNoDelay(true);
          to.setNoDelay(true);
          void this.#pass(from, to, "up");
          void this.#pass(to, from, "down");
        }, () => close(from));
    }
  }

  async #passes(way: "up" | "down", bytes: number): Promise<void> {
    const nowMs = performance.now();
    this.#busyUntilMs[way] = Math.max(nowMs, this.#busyUntilMs[way]) + bytes * 1000 / this.rate;
    const waitMs = this.#busyUntilMs[way] - nowMs;
    if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
  }

  async #pass(from: Deno.TcpConn, to: Deno.TcpConn, way: "up" | "down"): Promise<void> {
    this.#open.add(from);
    try {
      const chunk = new Uint8Array(65_536);
      for (let isFirst = true;; isFirst = false) {
        const length = await from.read(chunk);
        while (this.isSilent && !this.#isClosed) await new Promise((resolve) => setTimeout(resolve, 10));
        if (length === null) break;
        if (this.#forgotten.has(from)) throw new Error("nobody knows it");
        if (isFirst && way === "up") this.said.push(chunk.slice(0, length));
        await this.#passes(way, length);
        for (let at = 0; at < length;) at += await to.write(chunk.subarray(at, length));
        this[way] += length;
      }
      await to.closeWrite();
    } catch {
      close(from);
      close(to);
    } finally {
      this.#open.delete(from);
    }
  }
}

/** Several links to one peer, as the box's transport. */
export class TestLinks implements Transport {
  readonly all: TestLink[];
  /** The box's own address on every link. */
  source = "127.0.0.1";
  /** Links that may carry now, by name; all of them in the beginning. */
  readonly up: Set<string>;

  constructor(private readonly native: Native, count: number, peerPort: () => number) {
    this.all = Array.from({ length: count }, (_, index) => new TestLink(`link${index + 1}`, peerPort));
    this.up = new Set(this.all.map(({ name }) => name));
  }

  ways(): Way[] {
    return this.all.filter(({ name }) => this.up.has(name)).map(({ name }, index) => ({
      ...{ link: name, interface: "lo", source: this.source, weight: index === 0 ? 1 : 0 },
    }));
  }

  connect(path: Path): number {
    const { port } = this.all.find(({ name }) => name === path?.link) ?? this.all[0]!;
    const { fd } = this.native.connect(encodeAddress({ host: "127.0.0.1", port }), { resetOnClose: true });
    this.native.setNoDelay(fd, true);
    return fd;
  }

  protocol(): "tcp" {
    return "tcp";
  }

  close(): void {
    for (const link of this.all) link.close();
  }
}
