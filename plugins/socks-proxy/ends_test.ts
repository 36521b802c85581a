// An end is told only when the other side told it: whoever dies, is stopped or resets, both ends see a reset.
import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import { ADDRESS_BYTES, decodeAddress, Errno } from "../../core/native/ffi.ts";
import { listen, Pair, readAll, readExactly, throughSocks, until } from "./testing/ends.ts";
import { close } from "./testing/close.ts";
import { BARE_MS, type End } from "./testing/end_process.ts";

/** One end in a process of its own. */
class Process {
  private constructor(readonly port: number, private readonly child: Deno.ChildProcess) {}

  static async start(end: End): Promise<Process> {
    const script = new URL("./testing/end_process.ts", import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--quiet", script, JSON.stringify(end)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return new Process(Number(new TextDecoder().decode(value)), child);
  }

  async end(how: "killed" | "stopped"): Promise<void> {
    if (how === "killed") this.child.kill("SIGKILL");
    else await this.child.stdin.close();
    await this.child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It is gone.
    }
    await this.child.stdin.close().catch(() => {});
    await this.child.status;
  }
}

/** What a reader meets in the end. */
async function endOf(connection: Deno.Conn): Promise<string> {
  try {
    return `end after ${(await readAll(connection)).length} bytes`;
  } catch (error) {
    return (error as Error).name;
  } finally {
    close(connection);
  }
}

/** A target that hands over its connections, once a byte has come and gone. */
function target() {
  const taken = Promise.withResolvers<Deno.TcpConn>();
  const over = Promise.withResolvers<void>();
  const server = listen(async (connection) => {
    await readExactly(connection, 1);
    await connection.write(Uint8Array.of(1));
    taken.resolve(connection);
    await over.promise;
  });
  return {
    port: server.port,
    taken: taken.promise,
    [Symbol.dispose]() {
      over.resolve();
      server[Symbol.dispose]();
    },
  };
}

/** A connection through both ends, proved by a byte each way. */
async function carried(socksPort: number, goal: ReturnType<typeof target>) {
  const device = await throughSocks(socksPort, goal.port);
  await device.write(Uint8Array.of(1));
  await readExactly(device, 1);
  return { device, remote: await goal.taken };
}

const key = () => crypto.getRandomValues(new Uint8Array(32));
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

for (const way of ["Multipath TCP", "plain TCP", "striped connections"] as const) {
  const mptcp = way === "Multipath TCP";
  const options = way === "striped connections" ? { mptcp, striped: 1, bareMs: BARE_MS } : { mptcp };
  for (const how of ["killed", "stopped"] as const) {
    Deno.test(`a peer that is ${how} resets device and target, half-closed ones too, over ${way}`, async () => {
      const psk = key();
      const directory = await Deno.makeTempDir({ prefix: "otb" });
      await using peer = await Process.start({ end: "peer", key: base64(psk), way, directory });
      await using pair = new Pair({ peerPort: peer.port, boxKey: psk, ...options });
      await pair.ready();
      using goal = target(), quiet = target(), halved = target();
      const open = await carried(pair.socks.port, goal);
      const upEnded = await carried(pair.socks.port, quiet);
      await upEnded.device.closeWrite();
      assert.equal((await readAll(upEnded.remote)).length, 0);
      const downEnded = await carried(pair.socks.port, halved);
      await downEnded.remote.closeWrite();
      assert.equal((await readAll(downEnded.device)).length, 0);
      await peer.end(how);
      assert.equal(await endOf(open.device), "ConnectionReset");
      assert.equal(await endOf(open.remote), "ConnectionReset");
      assert.equal(await endOf(upEnded.device), "ConnectionReset");
      assert.equal(await endOf(downEnded.remote), "ConnectionReset");
      for (const { device, remote } of [upEnded, downEnded]) for (const one of [device, remote]) close(one);
      await Deno.remove(directory, { recursive: true });
    });

    Deno.test(`a box that is ${how} resets device and target, over ${way}`, async () => {
      await using pair = new Pair(options);
      await using box = await Process.start({
        end: "box",
        key: base64(pair.key),
        way,
        peerPort: pair.server.port,
      });
      using goal = target(), halved = target();
      const open = await carried(box.port, goal);
      const downEnded = await carried(box.port, halved);
      await downEnded.remote.closeWrite();
      assert.equal((await readAll(downEnded.device)).length, 0);
      await box.end(how);
      assert.equal(await endOf(open.device), "ConnectionReset");
      assert.equal(await endOf(open.remote), "ConnectionReset");
      // What the device would have said more is missing: the target must not take it for whole.
      assert.equal(await endOf(downEnded.remote), "ConnectionReset");
      close(downEnded.device);
    });
  }
}

Deno.test("a stream that somebody ends on the way is a reset for both: the ends themselves have not said it", async () => {
  await using pair = new Pair({ mptcp: false });
  const cut = Promise.withResolvers<void>();
  // Everything passes until it is cut; then both sides hear an orderly end.
  using middle = listen(async (from) => {
    const to = await Deno.connect({ hostname: "127.0.0.1", port: pair.server.port });
    for (const [one, other] of [[from, to], [to, from]] as const) {
      void (async () => {
        const chunk = new Uint8Array(65_536);
        for (let got = await one.read(chunk); got !== null; got = await one.read(chunk)) {
          await other.write(chunk.subarray(0, got));
        }
      })().catch(() => {});
    }
    await cut.promise;
    await Promise.all([from.closeWrite(), to.closeWrite()]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    close(to);
  });
  await using box = new Pair({ mptcp: false, peerPort: middle.port, boxKey: pair.key });
  using goal = target();
  const { device, remote } = await carried(box.socks.port, goal);
  cut.resolve();
  assert.equal(await endOf(device), "ConnectionReset");
  assert.equal(await endOf(remote), "ConnectionReset");
});

Deno.test("a device that resets is a reset for the target, and a target that resets one for the device", async () => {
  await using pair = new Pair();
  const { native } = pair;
  const record = new Uint8Array(ADDRESS_BYTES), bytes = new Uint8Array(100);
  const listener = native.listen({ host: "127.0.0.1", port: 0 });
  native.localAddress(listener.fd, record);
  const { port } = decodeAddress(record);
  const said = (fd: number, length: number) =>
    until(() => (length -= Math.max(0, native.read(fd, bytes, 0, length))) === 0);
  const open = async () => {
    const device = native.connect({ host: "127.0.0.1", port: pair.socks.port }).fd;
    await until(() => native.write(device, Uint8Array.of(5, 1, 0), 0, 3) === 3);
    await said(device, 2);
    native.write(device, Uint8Array.of(5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255, 7), 0, 11);
    await said(device, 10);
    let remote = -1;
    await until(() => (remote = native.accept(listener.fd, record, null)) >= 0);
    await said(remote, 1);
    return [device, remote] as const;
  };
  for (const [resets, hears] of [[0, 1], [1, 0]] as const) {
    const ends = await open();
    native.abort(ends[resets]);
    let met = -Errno.EAGAIN as number;
    await until(() => (met = native.read(ends[hears], bytes, 0, 1)) !== -Errno.EAGAIN);
    assert.equal(met, -Errno.ECONNRESET);
    native.close(ends[hears]);
  }
  native.close(listener.fd);
});
