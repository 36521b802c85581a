// How fast the AEAD runs through the boundary: `deno bench -A core/native/aead_bench.ts`.
import { openCapacity, openNative, sealedLength } from "./ffi.ts";

const native = openNative();
const method = "2022-blake3-aes-256-gcm";
const key = new Uint8Array(32);

for (const size of [1400, 16_384, 65_535]) {
  const plain = native.random(new Uint8Array(size));
  const wire = new Uint8Array(sealedLength(method, size));
  const opened = new Uint8Array(openCapacity(wire.length));
  const sealer = native.aead(method, key, key);
  Deno.bench(`seal ${size} bytes`, { group: `${size}` }, () => {
    sealer.sealFrames(plain, 0, size, wire, 0);
  });
  const before = native.aead(method, key, key), opener = native.aead(method, key, key);
  Deno.bench(`seal and open ${size} bytes`, { group: `${size}` }, () => {
    before.sealFrames(plain, 0, size, wire, 0);
    if (opener.openFrames(wire, 0, wire.length, opened, 0) !== size) throw new Error("refused");
  });
}
