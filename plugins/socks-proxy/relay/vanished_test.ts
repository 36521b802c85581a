// Devices and targets that vanish, in a namespace whose packets can be swallowed: who waits at the other end is told.
import { strict as assert } from "node:assert";
import { ADDRESS_BYTES, Errno, type Native } from "../../../core/native/ffi.ts";
import { Namespace } from "../../../core/native/testing/namespace.ts";
import { Pair, until } from "../testing/ends.ts";
import { isLost, isVanished, patience } from "./vanished.ts";

const HERE = "127.0.0.1", GONE = "127.0.0.9";

Deno.test("who confirms nothing for three minutes and three attempts is gone; who answers probes is not, nor who was asked once", () => {
  const seen = (lastAckReceivedMs: number, unanswered: number) =>
    isVanished({ lastAckReceivedMs, unanswered });
  assert.equal(seen(180_000, 3), true);
  assert.equal(seen(179_999, 15), false);
  // A window closed for an hour is asked every two minutes, and one answer in two may be lost.
  assert.equal(seen(240_000, 2), false);
  // Nothing was said for an hour, and so nothing was to be confirmed.
  assert.equal(seen(3_600_000, 0), false);
  assert.equal(isLost(undefined, false), false);
});

/** Both ends of connections through a pair, by raw sockets. */
class Wires {
  readonly #listeners = new Map<string, number>();

  constructor(private readonly pair: Pair) {}

  /** A connection of a device to a target, each at an address; the target has heard one byte. */
  async open(device: string, target: string): Promise<{ device: number; target: number }> {
    const { native, socks } = this.pair;
    const record = new Uint8Array(ADDRESS_BYTES), bytes = new Uint8Array(64);
    let listener = this.#listeners.get(target);
    if (listener === undefined) {
      this.#listeners.set(target, listener = native.listen({ host: target, port: 0 }).fd);
    }
    native.localAddress(listener, record);
    const port = new DataView(record.buffer).getUint16(2, true);
    const { fd } = native.connect({ host: HERE, port: socks.port }, { source: { host: device, port: 0 } });
    const heard = (fd: number, length: number) =>
      until(() => (length -= Math.max(0, native.read(fd, bytes, 0, length))) === 0);
    await until(() => native.write(fd, Uint8Array.of(5, 1, 0), 0, 3) === 3);
    await heard(fd, 2);
    const address = target.split(".").map(Number);
    native.write(fd, Uint8Array.of(5, 1, 0, 1, ...address, port >> 8, port & 255, 7), 0, 11);
    await heard(fd, 10);
    let accepted = -1;
    await until(() => (accepted = native.accept(listener, record, null)) >= 0);
    await heard(accepted, 1);
    return { device: fd, target: accepted };
  }

  close(): void {
    for (const fd of this.#listeners.values()) this.pair.native.close(fd);
  }
}

/** Writes until nothing more is taken for a while. */
async function fill(native: Native, fd: number): Promise<void> {
  const piece = new Uint8Array(65_536);
  for (let still = 0; still < 50; still++) {
    while (native.write(fd, piece, 0, piece.length) > 0) still = 0;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What a descriptor meets now: nothing yet, an end, or an error. */
function meets(native: Native, fd: number): "nothing" | "end" | "reset" {
  const chunk = new Uint8Array(65_536);
  for (;;) {
    const length = native.read(fd, chunk, 0, chunk.length);
    if (length === 0) return "end";
    if (length < 0) return length === -Errno.EAGAIN ? "nothing" : "reset";
  }
}

for (const [name, options] of [["Multipath TCP", { mptcp: true }], ["striped", { striped: 2 }]] as const) {
  Deno.test(`${name}: a device or target that vanishes is noticed, idle or awaited, and the other end is told; who only does not read is left alone`, async () => {
    using space = new Namespace();
    const before = { ...patience };
    Object.assign(patience, {
      idleSeconds: 1,
      intervalSeconds: 1,
      count: 2,
      silentMs: 1_500,
      roundSeconds: 1,
    });
    try {
      await space.during(async () => {
        await using pair = new Pair(options);
        await pair.ready();
        const { native } = pair;
        const wires = new Wires(pair);
        const idle = await wires.open(GONE, HERE), unheard = await wires.open(HERE, GONE);
        const fed = await wires.open(GONE, HERE), asked = await wires.open(HERE, GONE);
        // It says more than its target takes, and nobody listens to it when it goes.
        const talker = await wires.open(GONE, HERE);
        const many = await Promise.all(Array.from({ length: 100 }, () => wires.open(GONE, HERE)));
        const pausedDevice = await wires.open(HERE, HERE), pausedTarget = await wires.open(HERE, HERE);
        await fill(native, pausedDevice.target);
        await fill(native, pausedTarget.device);
        await fill(native, talker.device);
        space.nft(`table inet power {
          chain input {
            type filter hook input priority 0
            ip saddr ${GONE} drop
            ip daddr ${GONE} drop
          }
        }`);
        native.write(fed.target, Uint8Array.of(1), 0, 1);
        native.write(asked.device, Uint8Array.of(1), 0, 1);
        const told = [
          idle.target,
          unheard.device,
          fed.target,
          asked.device,
          ...many.map(({ target }) => target),
        ];
        // An error is told once.
        const waiting = new Set(told);
        await until(() => {
          for (const fd of waiting) {
            const met = meets(native, fd);
            assert.notEqual(met, "end");
            if (met === "reset") waiting.delete(fd);
          }
          return waiting.size === 0;
        });
        // What was on its way when it went may still come before.
        await until(() => meets(native, talker.target) === "reset");
        await until(() => pair.carried.open === 2 && pair.served.open === 2 && pair.boxes.open === 2);
        // A window that stays closed for longer than all that.
        await new Promise((resolve) => setTimeout(resolve, 2 * patience.silentMs));
        for (const { device, target } of [pausedDevice, pausedTarget]) {
          assert.equal(meets(native, device), "nothing");
          assert.equal(meets(native, target), "nothing");
        }
        for (const { device, target } of [pausedDevice, pausedTarget]) {
          [device, target].forEach((fd) => native.close(fd));
        }
        for (const fd of told) native.close(fd);
        wires.close();
      });
    } finally {
      Object.assign(patience, before);
    }
  });
}
