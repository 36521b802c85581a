// For tests only: one end of the proxy in a process of its own, to be killed. Says its port on a line, then works until its
// standard input ends; then it exits without another word.
import { openNative } from "../../../core/native/ffi.ts";
import { Boxes } from "../peer/boxes.ts";
import { Reactor } from "../relay/reactor.ts";
import { Salts } from "../wire/salts.ts";
import { serveCounters, Server } from "../peer/server.ts";
import { Socks5 } from "../box/socks5.ts";
import { Targets } from "../peer/targets.ts";
import { until } from "./ends.ts";
import { MptcpTransport } from "../transport/transport.ts";
import { Outbound, outboundCounters } from "../box/outbound.ts";

/** How box and peer are joined. */
export type Way = "Multipath TCP" | "plain TCP" | "striped connections";

/** Striped streams without any connection are kept so long, milliseconds. */
export const BARE_MS = 1_000;

/** What it is to be; the key in base64. */
export type End =
  | { end: "peer"; key: string; way: Way; directory: string }
  | { end: "box"; key: string; way: Way; peerPort: number };

if (import.meta.main) {
  const end = JSON.parse(Deno.args[0]!) as End;
  console.log(end.end === "peer" ? peerPort(end) : await boxPort(end));
  for await (const _ of Deno.stdin.readable);
  Deno.exit(0);
}

function parts({ key, way }: End) {
  const native = openNative();
  const reactor = new Reactor(native);
  void reactor.run();
  const psk = Uint8Array.from(atob(key), (character) => character.charCodeAt(0));
  const now = () => Math.floor(Date.now() / 1000);
  return { native, reactor, psk, now, bareMs: BARE_MS, mptcp: way === "Multipath TCP" };
}

/** Where the peer listens. */
function peerPort(end: End & { end: "peer" }): number {
  const { mptcp, ...common } = parts(end);
  const boxes = new Boxes(common.native);
  boxes.set([{ name: "box", key: end.key, former: true }]);
  const salts = new Salts(end.directory, () => Date.now());
  const targets = new Targets(["127.0.0.0/8"]);
  return new Server({ ...common, boxes, salts, targets, counters: serveCounters() }, "127.0.0.1", 0, mptcp)
    .port;
}

/** Where the box has SOCKS5, once its streams go as they shall. */
async function boxPort(end: End & { end: "box" }): Promise<number> {
  const { mptcp, ...common } = parts(end);
  const { native, reactor } = common;
  const isStriped = end.way === "striped connections";
  const peer = { name: "peer", address: "127.0.0.1", port: end.peerPort };
  const outbound = new Outbound({
    ...common,
    transport: new MptcpTransport(native, peer, mptcp),
    choices: () => [],
    ways: isStriped ? () => [{ link: "one", interface: "lo", source: "127.0.0.1", weight: 1 }] : undefined,
    counters: outboundCounters(),
  });
  await until(() => !isStriped || outbound.transport === "striped");
  return new Socks5(native, reactor, outbound, "127.0.0.1", 0, undefined).port;
}
