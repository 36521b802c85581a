// Which targets the peer may dial for a box: the Internet, not the peer itself nor anything private behind it.
import ipaddr from "ipaddr.js";
import { decodeAddress } from "../../core/native/ffi.ts";

/** Special-purpose ranges (RFC 6890 and its registries) that are nobody's public service. */
const REFUSED = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "::/127",
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
].map((cidr) => ipaddr.parseCIDR(cidr));

/** IPv6 ranges that carry an IPv4 address, and at which bit. */
const EMBEDDING: [ReturnType<typeof ipaddr.parseCIDR>, number][] = [
  [ipaddr.parseCIDR("::ffff:0:0/96"), 12],
  [ipaddr.parseCIDR("64:ff9b::/96"), 12],
  [ipaddr.parseCIDR("64:ff9b:1::/48"), 12],
  [ipaddr.parseCIDR("2002::/16"), 2],
  [ipaddr.parseCIDR("::/96"), 12],
];
const REMEMBERED = 10_000;

/** Decides per address; decisions are remembered. */
export class Targets {
  /** By IPv4 address as a number, or by the text of another one. */
  #decisions = new Map<number | string, boolean>();
  #allowed: ReturnType<typeof ipaddr.parseCIDR>[];
  #own = new Set<string>();
  /** What other plugins of the peer offer to boxes, as `host port`. */
  #offered = new Set<string>();

  /** @param allowed CIDRs that are let through although they are private */
  constructor(allowed: string[]) {
    this.#allowed = allowed.map((cidr) => ipaddr.parseCIDR(cidr));
  }

  /** Says which addresses are this machine's own. */
  setOwn(addresses: string[]): void {
    this.#own = new Set(addresses.map((address) => ipaddr.process(address).toString()));
    this.#decisions.clear();
  }

  /** Says which single ports of this machine are meant for boxes, however private their addresses. */
  setOffered(offered: { host: string; port: number }[]): void {
    this.#offered = new Set(offered.map(({ host, port }) => `${host} ${port}`));
  }

  /** Whether the address of a kernel address record may be dialled. */
  allows(record: Uint8Array<ArrayBuffer>): boolean {
    if (this.#offered.size > 0) {
      const { host, port } = decodeAddress(record);
      if (this.#offered.has(`${host} ${port}`)) return true;
    }
    const key = record[0] === 2
      ? ((record[4]! * 256 + record[5]!) * 256 + record[6]!) * 256 + record[7]!
      : decodeAddress(record).host;
    let decision = this.#decisions.get(key);
    if (decision === undefined) {
      if (this.#decisions.size >= REMEMBERED) this.#decisions.clear();
      decision = this.#decide(ipaddr.process(decodeAddress(record).host));
      this.#decisions.set(key, decision);
    }
    return decision;
  }

  #decide(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
    if (this.#allowed.some((range) => matches(address, range))) return true;
    if (this.#own.has(address.toString()) || REFUSED.some((range) => matches(address, range))) return false;
    for (const [range, at] of EMBEDDING) {
      if (matches(address, range)) {
        return this.#decide(new ipaddr.IPv4(address.toByteArray().slice(at, at + 4)));
      }
    }
    return true;
  }
}

function matches(address: ipaddr.IPv4 | ipaddr.IPv6, range: ReturnType<typeof ipaddr.parseCIDR>): boolean {
  return address.kind() === range[0].kind() && address.match(range as [ipaddr.IPv4, number]);
}
