import { strict as assert } from "node:assert";
import { createSocket } from "node:dgram";
import { Errno, openNative } from "./ffi.ts";

const native = openNative();
const root = { ignore: Deno.uid() !== 0 };

Deno.test("a DHCP socket gets datagrams to ports 67 and 68 and no others", root, async () => {
  const fd = native.packetOpen("lo", "dhcp");
  const sender = createSocket("udp4");
  try {
    const mark = crypto.getRandomValues(new Uint8Array(16));
    for (const port of [66, 67, 68, 69]) {
      await new Promise((resolve) =>
        sender.send(new Uint8Array([...mark, port]), port, "127.0.0.1", resolve)
      );
    }
    const ports: number[] = [];
    const frame = new Uint8Array(2_048);
    for (
      let length = native.read(fd, frame, 0, 2_048);
      length > 0;
      length = native.read(fd, frame, 0, 2_048)
    ) {
      const payload = frame.subarray(42, length);
      // Others may use loopback too, and each frame passes it twice: out and in.
      if (mark.every((byte, index) => payload[index] === byte)) ports.push(payload[16]!);
    }
    assert.deepEqual([...new Set(ports)], [67, 68]);
  } finally {
    sender.close();
    native.close(fd);
  }
});

Deno.test("an interface that is not there is an error, and an empty socket says so", root, () => {
  assert.throws(() => native.packetOpen("nowhere0", "arp"), { code: "native-enodev" });
  const fd = native.packetOpen("lo", "arp");
  assert.equal(native.read(fd, new Uint8Array(64), 0, 64), -Errno.EAGAIN);
  native.close(fd);
});
