import { strict as assert } from "node:assert";
import { Listeners, parseSockets } from "./listeners.ts";

Deno.test("who listens is read as the kernel writes it: beyond loopback, waiting for anybody", () => {
  const tcp =
    `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: 0A00020F:1F90 0A000202:E1B2 01 00000000:00000000 00:00000000 00000000  1000        0 13 1 0 100 0 0 10 0
`;
  assert.deepEqual(parseSockets(tcp, "tcp"), [{ protocol: "tcp", port: 22, uid: 0, inode: "12" }]);
  const udp6 = `  sl  local_address                         remote_address                        st
   0: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 21 2 0 0
   1: 0000000000000000FFFF00000100007F:0036 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 22 2 0 0
   2: 00000000000000000000000000000000:14E9 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 105 0 23 2 0 0
   3: 00000000000000000000000000000000:C350 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 105 0 24 2 0 0
   4: 00000000000000000000000000000000:CA6C 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 0 2 0 0
`;
  // A program's ephemeral port is no service; the kernel's own WireGuard (51820) is.
  assert.deepEqual(parseSockets(udp6, "udp").map(({ port }) => port), [5353, 51820]);
});

Deno.test("a listening socket is found with its program while it listens, and one on loopback is not", () => {
  const listeners = new Listeners();
  const comm = Deno.readTextFileSync("/proc/self/comm").trim();
  const inner = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const outer = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  const port = (listener: Deno.TcpListener) => listener.addr.port;
  const found = () => listeners.read().filter((one) => [port(inner), port(outer)].includes(one.port));
  assert.deepEqual(found(), [{ protocol: "tcp", port: port(outer), program: comm, isSsh: undefined }]);
  const { port: closed } = outer.addr;
  outer.close();
  assert.equal(listeners.read().some((one) => one.port === closed), false);
  inner.close();
});
