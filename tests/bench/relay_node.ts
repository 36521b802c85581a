// One hop of the data plane on its own, as the plugin runs it: `box SOCKS_PORT PEER_PORT tcp|mptcp|striped` or `peer PORT`; `raw FROM TO`
// relays bytes as they are, to show what encryption costs. The key comes from the environment: benchmarks only.
import { Buffer } from "node:buffer";
import { ADDRESS_BYTES, openNative, PollEvents } from "../../core/native/ffi.ts";
import { Boxes } from "../../plugins/socks-proxy/peer/boxes.ts";
import { Reactor } from "../../plugins/socks-proxy/relay/reactor.ts";
import { type Codec, Relay } from "../../plugins/socks-proxy/relay/relay.ts";
import { Salts } from "../../plugins/socks-proxy/wire/salts.ts";
import { serveCounters, Server } from "../../plugins/socks-proxy/peer/server.ts";
import { Identity } from "../../plugins/socks-proxy/wire/sip023.ts";
import { Socks5 } from "../../plugins/socks-proxy/box/socks5.ts";
import { Targets } from "../../plugins/socks-proxy/peer/targets.ts";
import { MptcpTransport } from "../../plugins/socks-proxy/transport/transport.ts";
import { Outbound, outboundCounters } from "../../plugins/socks-proxy/box/outbound.ts";

const [role, first, second, third] = Deno.args as [string, string, string, string?];
const host = "127.0.0.1";
const native = openNative();
const reactor = new Reactor(native);
const psk = new Uint8Array(Buffer.from(Deno.env.get("BENCH_PSK") ?? "", "base64"));
/** A box has two keys; here they may be one. */
const peerKey = psk;
const now = () => Math.floor(Date.now() / 1000);

if (role === "box") {
  const transport = new MptcpTransport(
    native,
    { name: "peer", address: host, port: Number(second) },
    third === "mptcp",
  );
  const outbound = new Outbound({
    native,
    reactor,
    transport,
    psk,
    identity: new Identity(native, peerKey, psk),
    now,
    choices: () => [],
    ways: third === "striped" ? () => [{ link: "one", interface: "lo", source: host, weight: 1 }] : undefined,
    counters: outboundCounters(),
  });
  void reactor.run();
  while (third === "striped" && outbound.transport !== "striped") {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  new Socks5(native, reactor, outbound, host, Number(first), undefined);
} else if (role === "peer") {
  const directory = await Deno.makeTempDir({ prefix: "otb" });
  const salts = new Salts(directory, () => Date.now());
  const boxes = new Boxes(native);
  boxes.set([{ name: "box", key: Buffer.from(psk).toString("base64") }], peerKey);
  new Server(
    { native, reactor, boxes, now, salts, targets: new Targets(["127.0.0.0/8"]), counters: serveCounters() },
    host,
    Number(first),
    second === "mptcp",
  );
  Deno.addSignalListener("SIGTERM", () => {
    Deno.removeSync(directory, { recursive: true });
    Deno.exit(0);
  });
} else {
  rawHop(Number(first), Number(second));
}
console.log("ready");
if (role !== "box") await reactor.run();

/** A relay that copies nothing and seals nothing. */
function rawHop(from: number, to: number): void {
  const asIs: Codec = {
    raw: true,
    seal: (_input, length) => length,
    open: (_input, length) => length,
    free() {},
  };
  const { fd: listener } = native.listen({ host, port: from }, {});
  const record = new Uint8Array(ADDRESS_BYTES);
  const counters = outboundCounters();
  reactor.add(listener, PollEvents.in, () => {
    const accepted = native.accept(listener, record, record);
    if (accepted < 0) return;
    const { fd } = native.connect({ host, port: to });
    const plain = { fd: accepted, tag: reactor.add(accepted, 0, () => {}), watched: 0 };
    const tag = reactor.add(fd, PollEvents.out, () => {
      new Relay(native, reactor, plain, { fd, tag, watched: PollEvents.out }, asIs, counters);
    });
  });
}
