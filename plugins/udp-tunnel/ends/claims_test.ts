// What boxes reach through the tunnel, in a real kernel: the same as through the proxy, which has its rules from the same place.
import { strict as assert } from "node:assert";
import { encodeAddress, openNative } from "../../../core/native/ffi.ts";
import { Namespace } from "../../../core/native/testing/namespace.ts";
import { targetFilter, targetRules } from "@otb/plugin";
import { cloudClaims } from "./claims.ts";

const POOL = "100.127.157.0/24", OWN = "198.51.100.11";
const root = { ignore: Deno.uid() !== 0 || Deno.build.os !== "linux" };

/** A peer whose Internet hears what comes through: a box on one side of it, everything else on the other. */
class Bench implements Disposable {
  readonly native = openNative();
  readonly box = new Namespace();
  readonly peer = new Namespace();
  readonly far = new Namespace();
  #port = 20_000;

  constructor() {
    const { box, peer, far } = this;
    // The tunnel's device is what the rules go by; any will do.
    peer.link(box, "otb0", "100.127.157.1/24", "100.127.157.2/24");
    peer.link(far, "out0", "203.0.113.1/24", "203.0.113.2/24");
    box.ip("route add default via 100.127.157.1");
    peer.ip("route add default via 203.0.113.2");
    for (const [from, to, device, net] of [[box, peer, "otb0", "1"], [peer, far, "out0", "2"]] as const) {
      from.ip(`-6 addr add fd00:157:${net}::1/64 dev ${device} nodad`);
      to.ip(`-6 addr add fd00:157:${net}::2/64 dev ${device} nodad`);
      from.ip(`-6 route add default via fd00:157:${net}::2 dev ${device}`);
    }
    for (const name of ["ipv4.ip_forward", "ipv6.conf.all.forwarding"]) peer.sysctl(name, "1");
  }

  allow(allowTargets: string[]): void {
    const targets = targetRules(allowTargets, [OWN]);
    const wish = { pool: POOL, gateway: "100.127.157.1", uplinks6: [], boxes: [], targets };
    for (const claim of cloudClaims(wish)) {
      if (claim.kind !== "nftTable") continue;
      // Counted just before it would leave.
      this.peer.nft(`
        table inet ${claim.name} {}
        delete table inet ${claim.name}
        table inet ${claim.name} { ${claim.body} }
        table inet left {}
        delete table inet left
        table inet left {
          set seen { type inet_service; size 65535; flags dynamic; }
          chain forward {
            type filter hook forward priority 0; policy accept;
            udp dport 20000-60000 add @seen { udp dport }
          }
        }`);
    }
  }

  /** Which of the targets a datagram from the box gets to. */
  reached(targets: string[]): Map<string, boolean> {
    const { native, box } = this;
    const ports = new Map(targets.map((host) => [this.#port++, host]));
    const byte = new Uint8Array(1);
    for (const [family, own] of [[4, "100.127.157.2"], [6, "fd00:157:1::1"]] as const) {
      const fd = box.inside(() => native.udpOpen({ host: own, port: 0 }));
      for (const [port, host] of ports) {
        if (host.includes(":") !== (family === 6)) continue;
        box.inside(() => native.udpSend(fd, encodeAddress({ host, port }), byte, 0, 1, 0));
      }
      native.close(fd);
    }
    const seen = this.peer.nft("list set inet left seen");
    return new Map([...ports].map(([port, host]) => [host, new RegExp(`\\b${port}\\b`).test(seen)]));
  }

  [Symbol.dispose](): void {
    for (const space of [this.box, this.peer, this.far]) space[Symbol.dispose]();
  }
}

const TARGETS = [
  "1.1.1.1",
  "10.1.2.3",
  "10.7.1.1",
  "100.64.0.1",
  "168.63.129.16",
  "169.254.169.253",
  "169.254.169.254",
  "172.16.0.1",
  "172.32.0.1",
  "192.0.0.8",
  "192.31.196.1",
  "192.52.193.1",
  "192.88.99.1",
  "192.168.1.1",
  "192.175.48.1",
  "198.18.0.1",
  "198.20.0.1",
  OWN,
  "198.51.100.12",
  "203.0.113.9",
  "2606:4700::1111",
  "2001::1",
  "2001:2::1",
  "2001:db8::1",
  "2002:a00:1::1",
  "2620:4f:8000::1",
  "5f00::1",
  "64:ff9b::101:101",
  "64:ff9b::a00:1",
  "64:ff9b::c633:640b",
  "64:ff9b:1::1",
  "100::1",
  "fd00:7::1",
  "fd00:8::1",
  "fec0::1",
];

Deno.test({
  name:
    "through the tunnel boxes reach what they reach through the proxy, whatever is allowed, and exactly that",
  ...root,
  async fn() {
    using bench = new Bench();
    for (
      const allowed of [
        [],
        ["169.254.169.253/32"],
        ["10.7.0.0/16", "10.0.0.0/8", "fd00:7::/32", "10.7.1.1/32"],
        [`${OWN}/32`, "64:ff9b:1::/64"],
        ["0.0.0.0/0", "::/0"],
      ]
    ) {
      bench.allow(allowed);
      const isReachable = targetFilter(targetRules(allowed, [OWN]));
      const wanted = new Map(TARGETS.map((host) => [host, isReachable(host)]));
      let last = new Map<string, boolean>();
      // The first packet of all waits for a neighbour's address.
      for (let round = 0; round < 20; round++) {
        last = bench.reached(TARGETS);
        if ([...wanted].every(([host, isOpen]) => last.get(host) === isOpen)) break;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.deepEqual(last, wanted, `allowed: ${allowed}`);
    }
    bench.allow(["169.254.169.253/32"]);
    const reached = bench.reached(["169.254.169.253", "169.254.169.254", OWN]);
    assert.deepEqual([...reached.values()], [true, false, false]);
  },
});
