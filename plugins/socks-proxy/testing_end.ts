// For tests only: one end of the proxy in a process of its own, to be killed. Says its port on a line, then works until its
// standard input ends; then it exits without another word.
import { type Native, openNative } from "../../core/native/ffi.ts";
import { Boxes } from "./boxes.ts";
import { Reactor } from "./reactor.ts";
import { Salts } from "./salts.ts";
import { serveCounters, Server } from "./serve.ts";
import { Socks5 } from "./socks5.ts";
import { Targets } from "./targets.ts";
import { MptcpTransport } from "./transport/transport.ts";
import { tunnelCounters, Tunnels } from "./tunnel.ts";

/** What it is to be; the key in base64. */
export type End =
  | { end: "peer"; key: string; mptcp: boolean; directory: string }
  | { end: "box"; key: string; mptcp: boolean; peerPort: number };

if (import.meta.main) {
  const end = JSON.parse(Deno.args[0]!) as End;
  const native = openNative();
  const reactor = new Reactor(native);
  void reactor.run();
  const psk = Uint8Array.from(atob(end.key), (character) => character.charCodeAt(0));
  const now = () => Math.floor(Date.now() / 1000);
  const parts = { native, reactor, psk, now };
  const { port } = end.end === "peer"
    ? new Server(
      {
        ...parts,
        boxes: boxesOf(native, end.key),
        salts: new Salts(end.directory, () => Date.now()),
        targets: new Targets(["127.0.0.0/8"]),
        counters: serveCounters(),
      },
      "127.0.0.1",
      0,
      end.mptcp,
    )
    : new Socks5(
      native,
      reactor,
      new Tunnels({
        ...parts,
        transport: new MptcpTransport(
          native,
          { name: "peer", address: "127.0.0.1", port: end.peerPort },
          end.mptcp,
        ),
        choices: () => [],
        counters: tunnelCounters(),
      }),
      "127.0.0.1",
      0,
      undefined,
    );
  console.log(port);
  for await (const _ of Deno.stdin.readable);
  Deno.exit(0);
}

function boxesOf(native: Native, key: string): Boxes {
  const boxes = new Boxes(native);
  boxes.set([{ name: "box", key, former: true }]);
  return boxes;
}
