// Load for proxies, cheap enough not to be what is measured: built on the same native sockets and event loop.
//
//   sink PORT                       counts what arrives, one JSON line `{"tMs","bytes"}` each 100 ms
//   echo PORT                       answers every request of 64 bytes with 64 bytes
//   stream SOCKS TARGET N           N streams of bytes through a SOCKS5 proxy to a sink, until killed; SOCKS 0 goes straight
//   short SOCKS TARGET N SECONDS    connect, one request, one answer, close, N at a time; prints `{"connections","ms","failed"}`
//   hold SOCKS TARGET N             opens N connections, one request each, prints `{"open"}` and holds them until killed
import {
  ADDRESS_BYTES,
  encodeAddress,
  Errno,
  openNative,
  PollEvents,
  readBuffer,
} from "../../core/native/ffi.ts";
import { Reactor } from "../../plugins/socks-proxy/relay/reactor.ts";

const [mode, ...numbers] = Deno.args;
const [port = 0, target = 0, count = 1, seconds = 0] = numbers.map(Number);
const host = "127.0.0.1";
const native = openNative();
const reactor = new Reactor(native);
const big = readBuffer(1 << 20);
const small = new Uint8Array(64);
const record = new Uint8Array(ADDRESS_BYTES);
const proxy = encodeAddress({ host, port: port || target });
const GREETING = Uint8Array.of(5, 1, 0);
const REQUEST = Uint8Array.of(5, 1, 0, 1, 127, 0, 0, 1, target >> 8, target & 255);

if (mode === "sink") sink();
else if (mode === "echo") echo();
else if (mode === "stream") { for (let index = 0; index < count; index++) dial(stream); }
else if (mode === "short") short();
else if (mode === "hold") hold();
await reactor.run();

function listen(onConnection: (fd: number) => void): void {
  const { fd } = native.listen({ host, port }, { backlog: 4096 });
  reactor.add(fd, PollEvents.in, () => {
    for (
      let accepted = native.accept(fd, record, record);
      accepted >= 0;
      accepted = native.accept(fd, record, record)
    ) onConnection(accepted);
  });
  console.log("ready");
}

function sink(): void {
  let bytes = 0;
  listen((fd) => {
    const tag = reactor.add(fd, PollEvents.in, () => {
      const length = native.read(fd, big, 0, big.length);
      if (length > 0) bytes += length;
      else if (length !== -Errno.EAGAIN) end(fd, tag);
    });
  });
  setInterval(() => console.log(JSON.stringify({ tMs: performance.now(), bytes })), 100);
}

function echo(): void {
  listen((fd) => {
    native.setNoDelay(fd, true);
    const tag = reactor.add(fd, PollEvents.in, () => {
      const length = native.read(fd, small, 0, small.length);
      if (length > 0) native.write(fd, small, 0, length);
      else if (length !== -Errno.EAGAIN) end(fd, tag);
    });
  });
}

/** Connects to the target, through the proxy where there is one, and hands over the descriptor (negative: it failed). */
function dial(done: (fd: number, tag: number) => void): void {
  let fd: number;
  try {
    fd = native.connect(proxy).fd;
  } catch {
    return done(-1, -1);
  }
  native.setNoDelay(fd, true);
  let expected = 0;
  let got = 0;
  const tag = reactor.add(fd, PollEvents.out, () => {
    if (expected === 0) {
      if (native.connectResult(fd) < 0) return fail();
      if (!port) return ready();
      native.write(fd, GREETING, 0, GREETING.length);
      reactor.watch(fd, tag, PollEvents.in);
      expected = 2;
      return;
    }
    const length = native.read(fd, small, 0, expected - got);
    if (length === -Errno.EAGAIN) return;
    if (length <= 0) return fail();
    got += length;
    if (got < expected) return;
    got = 0;
    if (expected === 10) return ready();
    native.write(fd, REQUEST, 0, REQUEST.length);
    expected = 10;
  });
  const ready = () => done(fd, tag);
  const fail = () => {
    end(fd, tag);
    done(-1, -1);
  };
}

function stream(fd: number, tag: number): void {
  reactor.handle(tag, () => {
    native.write(fd, big, 0, 1 << 18);
  });
  reactor.watch(fd, tag, PollEvents.out);
}

/** One request and its answer; `done` owns the descriptor. */
function ask(fd: number, tag: number, done: (answered: boolean) => void): void {
  native.write(fd, small, 0, small.length);
  let got = 0;
  reactor.handle(tag, () => {
    const length = native.read(fd, small, 0, small.length - got);
    if (length === -Errno.EAGAIN) return;
    got += Math.max(length, 0);
    if (length > 0 && got < small.length) return;
    done(got === small.length);
  });
}

function short(): void {
  const started = performance.now();
  let connections = 0;
  let failed = 0;
  const next = () => {
    if (performance.now() - started > seconds * 1000) {
      console.log(JSON.stringify({ connections, failed, ms: performance.now() - started }));
      Deno.exit(0);
    }
    dial((fd, tag) => {
      if (fd < 0) {
        failed++;
        return next();
      }
      ask(fd, tag, (answered) => {
        end(fd, tag);
        if (answered) connections++;
        else failed++;
        next();
      });
    });
  };
  for (let index = 0; index < count; index++) next();
}

function hold(): void {
  let open = 0;
  let started = 0;
  const next = () => {
    if (started >= count) return;
    started++;
    dial((fd, tag) =>
      fd < 0 ? next() : ask(fd, tag, (answered) => {
        reactor.watch(fd, tag, 0);
        if (answered) open++;
        next();
      })
    );
  };
  for (let index = 0; index < 50; index++) next();
  setInterval(() => console.log(JSON.stringify({ open })), 200);
}

function end(fd: number, tag: number): void {
  reactor.forget(tag);
  native.close(fd);
}
