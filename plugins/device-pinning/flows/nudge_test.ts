import { strict as assert } from "node:assert";
import { parseEnded } from "./kernel.ts";
import { nudgeFrame } from "./nudge.ts";

const MACS = { device: "02:00:00:00:00:0a", box: "02:00:00:00:00:01" };

Deno.test("established TCP connections are found among what conntrack forgot", () => {
  const text = [
    "tcp      6 431999 ESTABLISHED src=192.168.100.11 dst=203.0.113.10 sport=33188 dport=8080 src=203.0.113.10 dst=192.168.12.2 sport=8080 dport=33188 [ASSURED] mark=1179648 use=1",
    "tcp      6 119 TIME_WAIT src=192.168.100.11 dst=203.0.113.10 sport=33190 dport=8080 src=203.0.113.10 dst=192.168.100.11 sport=8080 dport=33190 [ASSURED] mark=1179648 use=1",
    "udp      17 29 src=192.168.100.11 dst=203.0.113.10 sport=5000 dport=53 src=203.0.113.10 dst=192.168.12.2 sport=53 dport=5000 mark=131584 use=1",
    "tcp      6 300 ESTABLISHED src=fd02::10 dst=2001:db8::1 sport=40000 dport=443 src=2001:db8::1 dst=fd02::10 sport=443 dport=40000 [ASSURED] mark=131072 use=1",
    "",
  ].join("\n");
  assert.deepEqual(parseEnded(text), [
    { source: "192.168.100.11", target: "203.0.113.10", sourcePort: 33188, targetPort: 8080 },
    { source: "fd02::10", target: "2001:db8::1", sourcePort: 40000, targetPort: 443 },
  ]);
  // Found by its fuzzer: a port of so many digits is no number any more.
  assert.deepEqual(parseEnded(text.split("\n")[0]!.replace("dport=8080", `dport=${"4".repeat(400)}`)), []);
  assert.deepEqual(parseEnded("conntrack v1.4.7 (conntrack-tools): 0 flow entries have been deleted."), []);
});

Deno.test("the frame comes as if from the server, with checksums that hold", () => {
  const four = nudgeFrame(
    { source: "192.168.100.11", target: "203.0.113.10", sourcePort: 33188, targetPort: 8080 },
    MACS,
    0x01020304,
  );
  assert.equal(
    four.toHex(),
    "02000000000a" + "020000000001" + "0800" +
      "45000028" + "00004000" + "4006" + "da11" + "cb00710a" + "c0a8640b" +
      "1f90" + "81a4" + "01020304" + "00000000" + "5010" + "0000" + "a9db" + "0000",
  );
  const six = nudgeFrame(
    { source: "fd02::10", target: "2001:db8::1", sourcePort: 40000, targetPort: 443 },
    MACS,
    7,
  );
  assert.equal(six.length, 74);
  for (const [frame, from, protocol] of [[four, 26, 6], [six, 22, 6]] as const) {
    assert.equal(sum(frame.subarray(from), protocol + 20), 0xffff);
  }
  assert.equal(sum(four.subarray(14, 34), 0), 0xffff);
});

/** The one's complement sum (RFC 1071), which is all ones where a checksum holds. */
function sum(bytes: Uint8Array, start: number): number {
  let total = start;
  for (let at = 0; at < bytes.length; at += 2) total += bytes[at]! << 8 | bytes[at + 1]!;
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}
