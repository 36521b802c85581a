import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeAddress, openNative, SALT_BYTES } from "../../../core/native/ffi.ts";
import { fuzz } from "../../../tests/fuzz/property.ts";
import { type Bytes, changedBy, changes, cuts, noise, pieces } from "../../../tests/fuzz/inputs.ts";
import { writeRecord } from "../wire/address.ts";
import { REQUEST_HEAD, REQUEST_OVERHEAD, sealRequest } from "../wire/sip022.ts";
import { echo, Pair, readExactly, until } from "../testing/ends.ts";
import { close } from "../testing/close.ts";

const native = openNative();
const KEY = Uint8Array.from({ length: 32 }, (_, at) => at * 37 & 255);

/** A request for a local port as a box seals it now, with a first payload. */
function request(port: number): Bytes {
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const target = new Uint8Array(32);
  const length = writeRecord(encodeAddress({ host: "127.0.0.1", port }), target, 0);
  const sealer = native.aead("2022-blake3-aes-256-gcm", KEY, salt);
  const out = new Uint8Array(REQUEST_OVERHEAD + 64), plain = new Uint8Array(2_048);
  const now = Math.floor(Date.now() / 1000);
  const nobody = new Uint8Array(0);
  const end = sealRequest(
    sealer,
    salt,
    nobody,
    target.slice(0, length),
    new Uint8Array(5),
    5,
    now,
    0,
    plain,
    out,
  );
  sealer.free();
  return out.slice(0, end);
}

fuzz(
  "whatever strangers send in whatever pieces, they hear nothing, and a box beside them is served",
  fc.tuple(fc.array(fc.tuple(fc.oneof(changes, noise(300)), cuts), { minLength: 1, maxLength: 4 })),
  async ([strangers]) => {
    await using pair = new Pair({ mptcp: false, boxKey: KEY, peerKey: KEY });
    using target = echo();
    const open: Deno.TcpConn[] = [];
    let served = 0;
    for (const [given, sizes] of strangers) {
      const right = request(target.port);
      const bytes = given instanceof Uint8Array ? given : changedBy(right, given, 4_096);
      const same = (end: number) =>
        bytes.length >= end && right.slice(0, end).every((byte, at) => byte === bytes[at]);
      if (same(right.length)) served++;
      const connection = await Deno.connect({ hostname: "127.0.0.1", port: pair.server.port });
      connection.setNoDelay(true);
      open.push(connection);
      for (const piece of pieces(bytes, sizes).slice(0, 40)) {
        // One that is dropped takes no more.
        await connection.write(piece).catch(() => 0);
        await new Promise((resolve) => setTimeout(resolve));
      }
      if (same(REQUEST_HEAD)) continue;
      const heard = connection.read(new Uint8Array(1)).then((length) => length ?? 0, () => 0);
      const silence = new Promise<number>((resolve) => setTimeout(resolve, 5, 0));
      assert.equal(await Promise.race([heard, silence]), 0);
      close(connection);
      await heard;
    }
    const box = await pair.dial(target.port);
    await box.write(new TextEncoder().encode("hello"));
    assert.deepEqual(await readExactly(box, 5), new TextEncoder().encode("hello"));
    assert.ok(pair.served.total <= served + 1, `${pair.served.total} served`);
    for (const connection of [...open, box]) close(connection);
    // What is open when its reactor stops stays so: ten minutes of that took all descriptors.
    await until(() => pair.served.open === 0 && pair.carried.open === 0);
  },
  { cost: 40 },
);
