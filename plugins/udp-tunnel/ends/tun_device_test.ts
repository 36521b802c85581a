// The TUN device under somebody who deletes it: the real kernel, in a namespace.
import assert from "node:assert/strict";
import process from "node:process";
import { encodeAddress, openNative, type Tun, type TunOptions } from "../../../core/native/ffi.ts";
import { Namespace, until } from "../../../core/native/testing/namespace.ts";
import { DEVICE } from "./claims.ts";
import { TunDevice } from "./tun_device.ts";
import { type Host, Pump } from "./pump.ts";
import { FakeContext } from "@otb/plugin/testing";
import { config } from "../config.ts";
import { words } from "../texts/mod.ts";

const native = openNative();
const REMOTE = encodeAddress({ host: "10.157.0.9", port: 9 });

/** A pump and its device in a namespace, the packets it took and the conditions that were raised. */
class Trial {
  readonly space = new Namespace();
  readonly ctx = new FakeContext({ config, words });
  packets = 0;
  isRefused = false;
  readonly pump: Pump;
  readonly device: TunDevice;

  constructor() {
    const host = { route: () => void this.packets++, arrived() {}, proved() {}, raw() {} } as unknown as Host;
    this.pump = new Pump(native, host);
    const tun = (name: string, options: TunOptions): Tun => {
      if (this.isRefused) throw new Error("no more devices");
      return this.space.inside(() => native.tun(name, options));
    };
    this.device = new TunDevice(this.ctx, { tun }, this.pump);
    void this.pump.run();
    this.#route();
  }

  #route(): void {
    this.space.ip(`link set ${DEVICE} up`);
    this.space.ip(`addr add 10.157.0.1/24 dev ${DEVICE}`);
  }

  look(): void {
    this.space.inside(() => this.device.look());
  }

  /** Fails unless packets that the kernel sends into the device come out of the pump. */
  async carries(): Promise<void> {
    const before = this.packets;
    const socket = this.space.inside(() => native.udpOpen({ host: "10.157.0.1", port: 0 }));
    await until(() => {
      native.udpSend(socket, REMOTE, new Uint8Array(10), 0, 10, 0);
      return this.packets > before;
    });
    native.close(socket);
  }

  /** What the process computes in a second, in parts of a core. */
  async load(): Promise<number> {
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  }

  async repaired(): Promise<void> {
    this.look();
    assert.ok(this.device.isThere);
    this.#route();
    await this.carries();
  }

  async [Symbol.asyncDispose]() {
    await this.pump.stop();
    this.device.close();
    this.space[Symbol.dispose]();
  }
}

const HARMS = {
  "deleted": `link del ${DEVICE}`,
  "renamed": `link set ${DEVICE} down name otb-away`,
};

for (const [harm, command] of Object.entries(HARMS)) {
  Deno.test(`a device that is ${harm} is made again at the next look, and carries`, async () => {
    await using trial = new Trial();
    await trial.carries();
    trial.space.ip(command);
    await trial.repaired();
    assert.equal(trial.ctx.conditions.size, 0);
  });
}

Deno.test("a deleted device costs no processor time, also while it cannot be made again, which is told until it is calm", async () => {
  await using trial = new Trial();
  trial.isRefused = true;
  const idle = await trial.load();
  trial.space.ip(`link del ${DEVICE}`);
  await until(() => !trial.device.isThere);
  trial.look();
  const load = await trial.load();
  assert.ok(load < idle + 0.3, `a loop over a dead descriptor takes ${load} of a core, ${idle} without`);
  assert.match(
    trial.ctx.conditions.get("tunnel-device-lost")!.message,
    /cannot be made again: no more devices/,
  );
  trial.isRefused = false;
  trial.ctx.clock.pass(1_000);
  await trial.repaired();
  trial.ctx.clock.pass(20_000);
  trial.look();
  assert.equal(trial.ctx.conditions.size, 0);
});

Deno.test("who deletes it again and again is told of, and waited for longer each time", async () => {
  await using trial = new Trial();
  const waits: number[] = [];
  for (let round = 0; round < 5; round++) {
    trial.space.ip(`link del ${DEVICE}`);
    await until(() => !trial.device.isThere);
    const lostMs = trial.ctx.clock.monotonicMs();
    for (trial.look(); !trial.device.isThere; trial.look()) trial.ctx.clock.pass(100);
    waits.push(trial.ctx.clock.monotonicMs() - lostMs);
  }
  assert.deepEqual(waits, [0, 500, 1_000, 2_000, 4_000]);
  assert.match(trial.ctx.conditions.get("tunnel-device-lost")!.message, /again and again/);
});
