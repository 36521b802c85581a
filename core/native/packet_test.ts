import assert from "node:assert/strict";
import { type BpfInstruction, Errno, openNative } from "./ffi.ts";
import { Namespace, ready } from "./testing/namespace.ts";

const native = openNative();
/** ldh [12]; jeq #0x88b5 (local experimental, IEEE 802); accept or drop. */
const EXPERIMENTAL: BpfInstruction[] = [[0x28, 0, 0, 12], [0x15, 0, 1, 0x88b5], [0x06, 0, 0, 65_535], [
  0x06,
  0,
  0,
  0,
]];
const BROADCAST = [255, 255, 255, 255, 255, 255];
const STRANGER = [2, 0, 0, 0, 0, 9];

function frame(to: number[], etherType: number, text: string): Uint8Array<ArrayBuffer> {
  const payload = new TextEncoder().encode(text);
  return new Uint8Array([
    ...to,
    ...[2, 0, 0, 0, 0, 1],
    etherType >> 8,
    etherType & 255,
    ...payload,
    ...Array(46 - payload.length).fill(0),
  ]);
}

function indexOf(space: Namespace, device: string): number {
  return JSON.parse(space.ip(`-j link show ${device}`))[0].ifindex;
}

/** Two ends of a wire, each with an open packet socket. */
function wire(
  body: (near: number, far: number, index: number, space: Namespace) => void,
  promiscuous = false,
) {
  using here = new Namespace();
  using there = new Namespace();
  here.link(there, "wire0", "10.9.0.1/24", "10.9.0.2/24");
  const index = indexOf(there, "wire0");
  const near = here.inside(() => native.packetOpen(indexOf(here, "wire0"), { filter: EXPERIMENTAL }));
  const far = there.inside(() => native.packetOpen(index, { filter: EXPERIMENTAL, promiscuous }));
  try {
    body(near, far, index, there);
  } finally {
    native.close(near);
    native.close(far);
  }
}

Deno.test("a frame arrives whole with its source address; filtered types and own frames do not", () => {
  wire((near, far) => {
    const buffer = new Uint8Array(2048);
    assert.equal(native.read(far, buffer, 0, 2048), -Errno.EAGAIN);
    for (const [type, text] of [[0x88b6, "not this"], [0x88b5, "hello"]] as const) {
      assert.equal(native.write(near, frame(BROADCAST, type, text), 0, 60), 60);
    }
    ready(far, "in");
    assert.equal(native.read(far, buffer, 0, 2048), 60);
    assert.deepEqual(buffer.subarray(0, 60), frame(BROADCAST, 0x88b5, "hello"));
    assert.equal(native.read(far, buffer, 0, 2048), -Errno.EAGAIN);
    assert.equal(native.read(near, buffer, 0, 2048), -Errno.EAGAIN);
  });
});

Deno.test("a socket on an interface that is pulled out fails instead of waiting for ever", () => {
  wire((_, far, index, space) => {
    space.ip("link delete wire0");
    assert.equal(native.read(far, new Uint8Array(2048), 0, 2048), -Errno.ENETDOWN);
    assert.throws(() => space.inside(() => native.packetOpen(index, { filter: EXPERIMENTAL })), {
      code: "native-enodev",
    });
  });
});

Deno.test("promiscuous: frames to other stations arrive too, and the interface is told", () => {
  wire((near, far, _, space) => {
    const promiscuity = () => JSON.parse(space.ip("-d -j link show wire0"))[0].promiscuity;
    assert.equal(promiscuity(), 1);
    native.write(near, frame(STRANGER, 0x88b5, "to somebody else"), 0, 60);
    ready(far, "in");
    assert.equal(native.read(far, new Uint8Array(2048), 0, 2048), 60);
  }, true);
});

Deno.test("a malformed filter is refused", () => {
  assert.throws(() => native.packetOpen(1, { filter: [[0xffff, 0, 0, 0]] }), { code: "native-einval" });
});
