// Transparent interception: what the kernel is asked for, and the listener that takes what it hands over.
import { ADDRESS_BYTES, decodeAddress, type Native, PollEvents } from "../../../core/native/ffi.ts";
import {
  canonicalRange,
  CONNECTION_MARK,
  hex,
  type Link,
  MARK,
  masked,
  nearOf,
  type Network,
  type Resource,
  ROUTING_TABLE,
  RULE_PRIORITY,
} from "@otb/plugin";
import { writeRecord } from "../wire/address.ts";
import type { Devices } from "./devices.ts";
import type { Reactor } from "../relay/reactor.ts";
import { refusals } from "../relay/refusal.ts";
import type { Sniffer } from "./sniffer.ts";
import { patience } from "../relay/vanished.ts";

/** One bit, so that marks of others go on living beside it. */
const INTERCEPTED = hex(MARK.intercepted);
/** Who pins a flow to a link takes it past the proxy. */
const LINK_MARKS = hex(MARK.link);

/** What is never the Internet: link-local and multicast addresses (RFC 4291). */
const LEFT_ALONE6 = ["fe80::/10", "ff00::/8"];

/** Who has gone into the tunnel goes on there. */
const TUNNELLED = hex(CONNECTION_MARK.tunnelled);

/**
 * The claims for carrying the LAN's TCP of one family to a local port; what the proxy has it keeps, whatever is excluded since.
 * Pure.
 * @param keepsOnly nothing new is taken: something stands in for the proxy, or nothing shall be carried any more
 */
export function interception(
  network: Network,
  links: Link[],
  exclude: string[],
  family: 4 | 6,
  port: number,
  keepsOnly = false,
): Resource[] {
  const { lan, peers } = network;
  if (!lan) return [];
  const own = links.flatMap(({ observed }) => nearOf(observed));
  const ranges = [lan.address, ...own, ...peers.map(({ address }) => address), ...exclude]
    .filter((range) => range.includes(":") === (family === 6)).map((range) => canonicalRange(range)!);
  if (family === 6) ranges.push(...LEFT_ALONE6);
  const [type, ip, to] = family === 4
    ? ["ipv4_addr", "ip", `127.0.0.1:${port}`]
    : ["ipv6_addr", "ip6", `[::1]:${port}`];
  const refused = refusals(family);
  return [
    {
      kind: "rule",
      family,
      priority: RULE_PRIORITY.intercepted,
      mark: masked(MARK.intercepted, MARK.intercepted),
      table: ROUTING_TABLE.intercepted,
    },
    {
      kind: "route",
      family,
      table: ROUTING_TABLE.intercepted,
      to: "default",
      type: "local",
      interface: "lo",
    },
    {
      kind: "nftTable",
      family: ip as "ip" | "ip6",
      name: "otb_socks_proxy",
      body: `
  set left_alone {
    type ${type}; flags interval; auto-merge
    elements = { ${[...new Set(ranges)].sort().join(", ")} }
  }${refused.parts}
  chain prerouting {
    type filter hook prerouting priority mangle; policy accept;
    iifname != "${lan.interface}" return
    meta mark and ${LINK_MARKS} != 0 return
    fib daddr type { local, ${family === 4 ? "broadcast, " : ""}multicast } return
    meta l4proto tcp socket transparent 1 meta mark set meta mark or ${INTERCEPTED} accept
    ${ip} daddr @left_alone return
    ct mark and ${TUNNELLED} != 0 return
    ${refused.rule}${
        keepsOnly ? "" : `
    meta l4proto tcp tproxy to ${to} meta mark set meta mark or ${INTERCEPTED} accept`
      }
  }
`,
    },
  ];
}

/** Accepts intercepted connections; the local address of each is the target that the device wanted. */
export class Interceptor {
  readonly port: number;
  readonly #fd: number;
  readonly #tag: number;

  constructor(
    private readonly native: Native,
    private readonly reactor: Reactor,
    private readonly sniffer: Sniffer,
    private readonly devices: Devices,
    private readonly family: 4 | 6,
  ) {
    // Only what the kernel hands over reaches a loopback address.
    const host = family === 4 ? "127.0.0.1" : "::1";
    this.#fd = native.listen({ host, port: 0 }, { transparent: true, resetOnClose: true, backlog: 4096 }).fd;
    native.localAddress(this.#fd, own);
    // Inherited by what it accepts.
    native.setNoDelay(this.#fd, true);
    native.setKeepalive(this.#fd, patience);
    this.port = decodeAddress(own).port;
    this.#tag = reactor.add(this.#fd, PollEvents.in, () => this.#accept());
  }

  close(): void {
    this.reactor.forget(this.#tag);
    this.native.close(this.#fd);
  }

  #accept(): void {
    for (let count = 0; count < 64; count++) {
      const fd = this.native.accept(this.#fd, device, wanted);
      if (fd < 0) return this.reactor.refused(this.#fd, this.#tag, fd);
      if (this.family === 4 ? wanted[4] === 127 : isLoopback6(wanted)) {
        // Somebody on this machine came straight to the port: there is no target.
        this.native.abort(fd);
        continue;
      }
      const counted = this.devices.admit(device);
      if (!counted) {
        this.native.abort(fd);
        continue;
      }
      const target = new Uint8Array(19);
      const events = PollEvents.in;
      const plain = { fd, tag: this.reactor.add(fd, events, () => {}), watched: events };
      this.reactor.count(plain.tag, counted);
      this.sniffer.take(
        { plain, wanted, target: target.subarray(0, writeRecord(wanted, target, 0)) },
        device,
      );
    }
  }
}

/** Whether an address record is `::1`. */
function isLoopback6(record: Uint8Array<ArrayBuffer>): boolean {
  return record[19] === 1 && record.subarray(4, 19).every((byte) => byte === 0);
}

const own = new Uint8Array(ADDRESS_BYTES);
const device = new Uint8Array(ADDRESS_BYTES);
const wanted = new Uint8Array(ADDRESS_BYTES);
