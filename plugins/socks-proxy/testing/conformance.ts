// For tests only: what every transport owes to device and target, over real sockets: each byte in its place, an end only where
// one was said, a reset otherwise, and no more memory than a bound.
import { strict as assert } from "node:assert";
import { cpuUsage } from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { ADDRESS_BYTES, decodeAddress, Errno, type Native } from "../../../core/native/ffi.ts";
import { listen, noise, Pair, type PairOptions, readAll, until, writeAll } from "./ends.ts";
import { close } from "./close.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes that may be on their way while nobody reads at the other end: buffers of the kernel and of both ends. */
const MOST_ON_THE_WAY = 128 * 2 ** 20;
const IDLE = 1_000;
/** What an idle connection may take of the heap of a process that is both ends. */
const IDLE_BYTES = 16 * 1024;
/** Processor time that all of them may take in a second, both ends and this test, microseconds. */
const IDLE_US = 300_000;

/** One end of a connection, as a device or a target holds it. */
class RawEnd {
  /** What came. */
  readonly got: Uint8Array[] = [];
  /** How what came ended. */
  end: "end" | "reset" | undefined;

  constructor(private readonly native: Native, readonly fd: number) {}

  /** Says bytes, in pieces of that size; stops without a word where the connection breaks. */
  async say(bytes: Bytes, piece: number): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const sent = this.native.write(this.fd, bytes, at, Math.min(piece, bytes.length - at));
      if (sent === -Errno.EAGAIN) await new Promise((resolve) => setTimeout(resolve, 1));
      else if (sent < 0) return;
      else at += sent;
    }
  }

  /** Reads until it ends one way or the other. */
  async hear(): Promise<void> {
    const chunk = new Uint8Array(65_536);
    await until(() => {
      for (;;) {
        const length = this.native.read(this.fd, chunk, 0, chunk.length);
        if (length === -Errno.EAGAIN) return false;
        if (length <= 0) {
          this.end = length === 0 ? "end" : "reset";
          return true;
        }
        this.got.push(chunk.slice(0, length));
      }
    });
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.got.flatMap((piece) => [...piece]));
  }
}

/** Sends a few bytes; the last of them urgent where asked (send(2), MSG_OOB). */
function urge(fd: number, bytes: Bytes, isUrgent: boolean): void {
  const libc = Deno.dlopen("libc.so.6", {
    send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  });
  assert.equal(Number(libc.symbols.send(fd, bytes, BigInt(bytes.length), isUrgent ? 1 : 0)), bytes.length);
  libc.close();
}

/** Both ends of connections that go through a pair. */
class Ends {
  readonly #listener: number;
  readonly #port: number;

  constructor(private readonly pair: Pair) {
    this.#listener = pair.native.listen({ host: "127.0.0.1", port: 0 }).fd;
    const record = new Uint8Array(ADDRESS_BYTES);
    pair.native.localAddress(this.#listener, record);
    this.#port = decodeAddress(record).port;
  }

  /** A device's connection to a target, both in hand; the target has heard one byte. */
  async open(): Promise<[RawEnd, RawEnd]> {
    const { native, socks } = this.pair;
    const record = new Uint8Array(ADDRESS_BYTES), bytes = new Uint8Array(64);
    const device = native.connect({ host: "127.0.0.1", port: socks.port }).fd;
    const said = (fd: number, length: number) =>
      until(() => (length -= Math.max(0, native.read(fd, bytes, 0, length))) === 0);
    await until(() => native.write(device, Uint8Array.of(5, 1, 0), 0, 3) === 3);
    await said(device, 2);
    native.write(
      device,
      Uint8Array.of(5, 1, 0, 1, 127, 0, 0, 1, this.#port >> 8, this.#port & 255, 7),
      0,
      11,
    );
    await said(device, 10);
    let target = -1;
    await until(() => (target = native.accept(this.#listener, record, null)) >= 0);
    await said(target, 1);
    return [new RawEnd(native, device), new RawEnd(native, target)];
  }

  close(): void {
    this.pair.native.close(this.#listener);
  }
}

/** Registers the tests of one transport. */
export function conformance(name: string, options: PairOptions): void {
  const start = async () => {
    const pair = new Pair(options);
    await pair.ready();
    return pair;
  };
  /** Nothing is left at either end. */
  const idle = (pair: Pair) =>
    until(() => pair.served.open + pair.carried.open === 0 && pair.boxes.open === 0);

  Deno.test(`${name}: every byte goes both ways at once, and each side may end first`, async () => {
    await using pair = await start();
    for (const first of ["device", "target"] as const) {
      const up = noise(6_000_000), down = noise(6_000_000);
      const deviceEnded = Promise.withResolvers<void>(), heard = Promise.withResolvers<Uint8Array>();
      using server = listen(async (connection) => {
        const reading = readAll(connection);
        if (first === "device") heard.resolve(await reading);
        await writeAll(connection, down);
        await connection.closeWrite();
        heard.resolve(await reading);
        await deviceEnded.promise;
      });
      const device = await pair.dial(server.port);
      const reading = readAll(device);
      if (first === "target") assert.deepEqual(await reading, down);
      await writeAll(device, up);
      await device.closeWrite();
      assert.deepEqual(await heard.promise, up);
      assert.deepEqual(await reading, down);
      deviceEnded.resolve();
      close(device);
    }
    await idle(pair);
    assert.equal(pair.served.resets + pair.carried.resets, 0);
  });

  Deno.test(`${name}: a reset of either side is one for the other, and no end`, async () => {
    await using pair = await start();
    const ends = new Ends(pair);
    for (const [resets, hears] of [[0, 1], [1, 0]] as const) {
      const both = await ends.open();
      pair.native.abort(both[resets].fd);
      await both[hears].hear();
      assert.equal(both[hears].end, "reset");
      pair.native.close(both[hears].fd);
    }
    ends.close();
    await idle(pair);
  });

  Deno.test(`${name}: urgent bytes stay in their place, and none is lost`, async () => {
    await using pair = await start();
    const ends = new Ends(pair);
    const both = await ends.open();
    for (const [writes, reads] of [[0, 1], [1, 0]] as const) {
      const said: number[] = [];
      for (let turn = 0; turn < 200; turn++) {
        const piece = noise(1 + turn % 3);
        said.push(...piece);
        // Every second one is urgent; some come before the other end has read the last, some after.
        urge(both[writes].fd, piece, turn % 2 === 1);
        if (turn % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      pair.native.shutdown(both[writes].fd);
      await both[reads].hear();
      assert.equal(both[reads].end, "end");
      assert.deepEqual([...both[reads].bytes], said);
    }
    for (const { fd } of both) pair.native.close(fd);
    ends.close();
    await idle(pair);
  });

  Deno.test(`${name}: who does not read stops who writes, within a bound; then all of it comes`, async () => {
    await using pair = await start();
    const ends = new Ends(pair);
    for (const [writes, reads] of [[0, 1], [1, 0]] as const) {
      const both = await ends.open();
      const { native } = pair;
      const piece = noise(65_536);
      let sent = 0, lastSent = -1;
      // Until nothing more was taken for a while.
      for (let still = 0; still < 40; still = sent === lastSent ? still + 1 : 0) {
        lastSent = sent;
        for (let length = 1; length > 0 && sent <= 4 * MOST_ON_THE_WAY;) {
          length = native.write(both[writes].fd, piece, 0, piece.length);
          sent += Math.max(0, length);
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assert.ok(sent < MOST_ON_THE_WAY, `${sent} bytes were taken`);
      native.shutdown(both[writes].fd);
      let got = 0;
      await until(() => {
        for (;;) {
          const length = native.read(both[reads].fd, piece, 0, piece.length);
          if (length === -Errno.EAGAIN) return false;
          assert.ok(length >= 0);
          if (length === 0) return true;
          got += length;
        }
      });
      assert.equal(got, sent);
      for (const { fd } of both) native.close(fd);
    }
    ends.close();
    await idle(pair);
  });

  Deno.test(`property: ${name}: whoever ends or resets after whatever byte, what comes is the beginning, and an end means all of it`, async () => {
    await using pair = await start();
    const ends = new Ends(pair);
    const side = fc.record({
      size: fc.oneof(fc.nat(200), fc.nat(200_000), fc.nat(800_000)),
      piece: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1_000, max: 100_000 })),
      how: fc.constantFrom("end", "end", "reset"),
      pauseMs: fc.oneof(fc.constant(0), fc.nat(20)),
    }).map((one) => ({ ...one, size: one.piece < 1_000 ? Math.min(one.size, 5_000) : one.size }));
    await fc.assert(
      fc.asyncProperty(side, side, async (...sides) => {
        const both = await ends.open();
        const said = sides.map(({ size }) => noise(size));
        const talking = both.map(async (end, index) => {
          const { piece, how, pauseMs } = sides[index]!;
          await end.say(said[index]!, piece);
          if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
          if (how === "end") pair.native.shutdown(end.fd);
          else pair.native.abort(end.fd);
        });
        const hearing = both.map(async (end, index) => {
          if (sides[index]!.how === "end") await end.hear();
        });
        await Promise.all([...talking, ...hearing]);
        for (const [index, end] of both.entries()) {
          const other = 1 - index;
          if (sides[index]!.how === "reset") continue;
          const { bytes } = end;
          assert.deepEqual(bytes, said[other]!.subarray(0, bytes.length));
          if (sides[other]!.how === "reset") assert.equal(end.end, "reset");
          else {
            assert.equal(end.end, "end");
            assert.equal(bytes.length, said[other]!.length);
          }
          pair.native.close(end.fd);
        }
      }),
      { numRuns: 40 },
    );
    ends.close();
    await idle(pair);
  });

  Deno.test(`${name}: ${IDLE} idle connections cost little, and each still works`, async () => {
    await using pair = await start();
    const ends = new Ends(pair);
    pair.native.descriptors(10 * IDLE);
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const collected = () => {
      collect();
      const { heapUsed, external } = Deno.memoryUsage();
      return heapUsed + external;
    };
    // What is made once is made.
    const all = [await ends.open()];
    const before = collected();
    while (all.length <= IDLE) all.push(...await Promise.all(Array.from({ length: 50 }, () => ends.open())));
    const each = (collected() - before) / IDLE;
    console.log(
      `${name}: ${(each / 1024).toFixed(1)} KiB of heap for each idle connection, both ends together`,
    );
    assert.ok(each < IDLE_BYTES, `${each} bytes each`);
    // What comes of the beginning is over after a moment.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const spent = cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const { user, system } = cpuUsage(spent);
    assert.ok(user + system < IDLE_US, `${user + system} us of processor time in a second`);
    assert.ok(pair.carried.open > IDLE && pair.served.open > IDLE);
    // Who was accepted first need not be who connected first: each target says again what it hears.
    await Promise.all(all.map(async ([device, target], index) => {
      const { native } = pair;
      const said = Uint8Array.of(index & 255, index >> 8), got = new Uint8Array(2);
      native.write(device.fd, said, 0, 2);
      await until(() => native.read(target.fd, got, 0, 2) === 2);
      native.write(target.fd, got, 0, 2);
      await until(() => native.read(device.fd, got, 0, 2) === 2);
      assert.deepEqual(got, said);
    }));
    for (const { fd } of all.flat()) pair.native.close(fd);
    ends.close();
    await idle(pair);
  });
}
