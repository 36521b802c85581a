import assert from "node:assert/strict";
import { encodeAddress, openNative } from "./ffi.ts";
import { Namespace } from "./testing/namespace.ts";

const native = openNative();

Deno.test("a neighbour is found by its IPv4 and IPv6 address on its own interface, a stranger is not", () => {
  using namespace = new Namespace();
  namespace.ip("link add lan type veth peer name far");
  namespace.ip("link set lan up");
  namespace.ip("link set far up");
  namespace.ip("neighbour add 192.168.1.20 lladdr 02:00:5e:10:00:01 dev lan");
  namespace.ip("neighbour add fe80::20 lladdr 02:00:5e:10:00:02 dev lan");
  const [{ ifindex }] = JSON.parse(namespace.ip("-j link show lan"));
  const whose = (host: string, index = ifindex) =>
    namespace.inside(() => native.neighbour(encodeAddress({ host, port: 0 }), index));
  assert.equal(whose("192.168.1.20"), "02:00:5e:10:00:01");
  assert.equal(whose("fe80::20"), "02:00:5e:10:00:02");
  assert.equal(whose("192.168.1.21"), undefined);
  assert.equal(whose("192.168.1.20", ifindex + 100), undefined);
});
