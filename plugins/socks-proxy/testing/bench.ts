// For tests only: who takes a device's connection, by the tables of the proxy and of device-pinning in a kernel.
import { strict as assert } from "node:assert";
import { ADDRESS_BYTES, decodeAddress, openNative } from "../../../core/native/ffi.ts";
import { Namespace, ready, until } from "../../../core/native/testing/namespace.ts";
import type { Resource } from "@otb/plugin";
import { compile } from "../../device-pinning/rules/compile.ts";
import { NOTHING } from "../../device-pinning/flows/kernel.ts";
import { settings, wish } from "../../device-pinning/testing/pinning.ts";
import { interception } from "../box/intercept.ts";

export const LAN = { interface: "lan0", address: "192.168.100.1/24" };
export const NETWORK = { role: "box" as const, lan: LAN, peers: [] };
export const SERVER = { host: "203.0.113.10", port: 80 };

/** A device, a box with the tables of both plugins, and a server at the far end of what stands for the tunnel. */
export class Bench implements Disposable {
  readonly native = openNative();
  readonly device = new Namespace();
  readonly box = new Namespace();
  readonly far = new Namespace();
  readonly server: number;
  proxy = -1;
  #port = 0;
  readonly #open: number[] = [];

  constructor() {
    const { native, device, box, far } = this;
    box.link(device, "lan0", LAN.address, "192.168.100.10/24");
    box.link(far, "otb0", "10.158.0.1/24", "10.158.0.2/24");
    device.ip("route add default via 192.168.100.1");
    far.ip("address add 203.0.113.10/32 dev lo");
    far.ip("route add default via 10.158.0.1");
    box.ip("route add default via 10.158.0.2 dev otb0 table 1158");
    box.ip("rule add priority 950 iif lan0 fwmark 0x0/0xff00 lookup 1158");
    box.ip("rule add priority 157 fwmark 0x10000/0x10000 lookup 1157");
    box.ip("route add local default dev lo table 1157");
    box.sysctl("ipv4.ip_forward", "1");
    // Otherwise the kernel finds most of the proxy's own packets a way without our tables, until its routes change.
    box.sysctl("ipv4.ip_early_demux", "0");
    for (const name of ["all", "lan0", "otb0"]) box.sysctl(`ipv4.conf.${name}.rp_filter`, "0");
    this.server = far.inside(() => native.listen(SERVER)).fd;
    this.#open.push(this.server);
    const table = compile(wish(settings({}), { lan: LAN, interfaces: [], near: [], ways: [] }), NOTHING);
    box.nft(`table inet otb_device_pinning {\n${table}\n}`);
  }

  /** A proxy that only listens. */
  listen(): void {
    const { native } = this;
    this.proxy =
      this.box.inside(() => native.listen({ host: "127.0.0.1", port: 0 }, { transparent: true })).fd;
    const own = new Uint8Array(ADDRESS_BYTES);
    native.localAddress(this.proxy, own);
    this.#port = decodeAddress(own).port;
    this.#open.push(this.proxy);
  }

  /** Puts its interception in force. */
  intercept(standIn: boolean): void {
    this.claim(interception(NETWORK, [], [], 4, this.#port, standIn));
  }

  /** Puts claims in force as the core does. */
  claim(claims: Resource[]): void {
    for (const claim of claims) {
      if (claim.kind !== "nftTable") continue;
      const table = `table ${claim.family} ${claim.name}`;
      this.box.nft(`add ${table}\ndelete ${table}\n${table} {\n${claim.body}\n}`);
    }
  }

  /**
   * A new connection of the device, with both ends, and who took it.
   * @param taken what another proxy has taken, if it has
   */
  async open(
    taken?: () => number | undefined,
  ): Promise<{ near: number; end: number; by: "proxy" | "server" }> {
    const { native } = this;
    const near = this.device.inside(() => native.connect(SERVER).fd);
    const peer = new Uint8Array(ADDRESS_BYTES);
    const [end, by] = await until(() => {
      const other = taken?.();
      if (other !== undefined) return [other, "proxy"] as const;
      for (const by of ["proxy", "server"] as const) {
        const fd = this[by] < 0 ? -1 : native.accept(this[by], peer, null);
        if (fd >= 0) return [fd, by] as const;
      }
    });
    assert.equal(native.connectResult(near), 0);
    this.#open.push(near, end);
    return { near, end, by };
  }

  /** Whether a byte still gets through, both ways. */
  works({ near, end }: { near: number; end: number }): void {
    const byte = new Uint8Array(1);
    for (const [from, to] of [[near, end], [end, near]] as const) {
      assert.equal(this.native.write(from, byte, 0, 1), 1);
      ready(to, "in");
      assert.equal(this.native.read(to, byte, 0, 1), 1);
    }
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open) this.native.close(fd);
    for (const space of [this.device, this.box, this.far]) space[Symbol.dispose]();
  }
}
