import assert from "node:assert/strict";
import fc from "fast-check";
import type { Bytes } from "./addresses.ts";
import { type ClientMessage, decode, encode } from "./dhcp.ts";

const MAC = "02:00:00:00:00:07";

/** A server's reply by hand: options as [code, bytes]. */
function reply(options: [number, number[]][], address = [192, 168, 1, 50]): Bytes {
  const bytes = new Uint8Array([
    ...encode({ type: "discover", xid: 7, secs: 0, mac: MAC, broadcast: true }).subarray(0, 240),
    ...options.flatMap(([code, value]) => [code, value.length, ...value]),
    255,
  ]);
  bytes[0] = 2;
  bytes.set(address, 16);
  return bytes;
}

const OFFER: [number, number[]][] = [[53, [2]], [54, [192, 168, 1, 1]], [1, [255, 255, 255, 0]], [3, [
  192,
  168,
  1,
  1,
]]];
const text = (word: string) => [...new TextEncoder().encode(word)];

Deno.test("an offer says who gives what", () => {
  const { dns, ...rest } = decode(reply([
    ...OFFER,
    ...[[6, [192, 168, 1, 1, 9, 9, 9, 9]], [51, [0, 0, 0, 120]], [15, text("home")], [
      60,
      text("Livebox"),
    ]] as const,
    ...[[43, [1, 2, 3]], [26, [5, 212]], [114, text("https://portal.example/")]] as const,
  ] as [number, number[]][]))!;
  assert.deepEqual(dns, ["192.168.1.1", "9.9.9.9"]);
  assert.deepEqual(JSON.parse(JSON.stringify(rest)), {
    ...{ type: "offer", xid: 7, mac: MAC, server: "192.168.1.1", address: "192.168.1.50", prefixLength: 24 },
    mask: "255.255.255.0",
    ...{ router: "192.168.1.1", leaseSeconds: 120, domain: "home", vendorClass: "Livebox", mtu: 1492 },
    captivePortal: "https://portal.example/",
  });
});

Deno.test("classless routes replace the router option, also when they have no default", () => {
  const router = (routes: number[]) => decode(reply([...OFFER, [121, routes]]))?.router;
  assert.equal(router([24, 10, 1, 1, 192, 168, 1, 2, 0, 192, 168, 1, 254]), "192.168.1.254");
  assert.equal(router([24, 10, 1, 1, 192, 168, 1, 2]), undefined);
  assert.equal(router([33, 10, 1, 1, 1, 1, 192, 168, 1, 2]), undefined);
});

Deno.test("options in several parts and in the file field are joined", () => {
  const bytes = reply([...OFFER, [52, [1]], [15, text("ho")], [15, text("me")]]);
  bytes.set([60, 3, ...text("Box"), 255], 108);
  assert.equal(decode(bytes)?.domain, "home");
  assert.equal(decode(bytes)?.vendorClass, "Box");
});

Deno.test("what a malformed option says is as if it were absent; without type or server there is no reply", () => {
  const [type, server, mask, router] = OFFER as [
    typeof OFFER[0],
    typeof OFFER[0],
    typeof OFFER[0],
    typeof OFFER[0],
  ];
  assert.equal(decode(reply([type, server, [1, [255, 0, 255, 0]], router]))?.prefixLength, undefined);
  assert.equal(decode(reply([type, server, [1, [0, 0, 0, 0]], router]))?.prefixLength, undefined);
  assert.equal(decode(reply([type, server, [1, [255, 255, 255, 255]], router]))?.prefixLength, 32);
  assert.equal(decode(reply([type, server, mask, [3, [127, 0, 0, 1]]]))?.router, undefined);
  assert.equal(decode(reply([type, server, mask, [3, [1, 2, 3]]]))?.router, undefined);
  assert.equal(decode(reply([...OFFER, [15, text("\x1b[31m")]]))?.domain, undefined);
  assert.equal(decode(reply([server, mask, router])), undefined);
  assert.equal(decode(reply([type, mask, router])), undefined);
  assert.equal(decode(reply(OFFER, [224, 0, 0, 1])), undefined);
  assert.equal(decode(reply(OFFER).subarray(0, 242)), undefined);
});

Deno.test("a NAK has no address; what a client says is no reply", () => {
  assert.deepEqual(decode(reply([[53, [6]], [54, [192, 168, 1, 1]]])), {
    ...{ type: "nak", xid: 7, mac: MAC, server: "192.168.1.1", dns: [] },
  });
  assert.equal(decode(encode({ type: "request", xid: 1, secs: 0, mac: MAC, broadcast: false })), undefined);
});

Deno.test("a client's messages carry what RFC 2131 table 5 wants, at least 300 bytes long", () => {
  const message: ClientMessage = {
    ...{ type: "request", xid: 0x01020304, secs: 9, mac: MAC, broadcast: true },
    ...{ requestedAddress: "192.168.1.50", server: "192.168.1.1" },
  };
  const bytes = encode(message);
  const view = new DataView(bytes.buffer);
  assert.deepEqual([bytes.length >= 300, view.getUint32(4), view.getUint16(8), view.getUint16(10)], [
    true,
    0x01020304,
    9,
    0x8000,
  ]);
  const options = [...bytes.subarray(240)].join(",");
  for (const option of ["53,1,3", "61,7,1,2,0,0,0,0,7", "50,4,192,168,1,50", "54,4,192,168,1,1"]) {
    assert.ok(options.includes(option), option);
  }
  // RFC 2131 table 5: neither asks for anything.
  assert.doesNotMatch([...encode({ ...message, type: "release" }).subarray(240)].join(","), /(^|,)55,/);
});

Deno.test("no bytes break the reader, and what it takes is bounded", () => {
  const options = fc.array(fc.tuple(fc.nat(255), fc.array(fc.nat(255), { maxLength: 255 })), {
    maxLength: 20,
  });
  const noise = fc.uint8Array({ maxLength: 1500 }).map((array) => new Uint8Array(array));
  const near = options.map((more) => reply([...OFFER, ...more as [number, number[]][]]));
  const cut = fc.tuple(near, fc.nat(1500)).map(([bytes, length]) => bytes.subarray(0, length));
  fc.assert(
    fc.property(fc.oneof(noise, near, cut), (bytes) => {
      const said = decode(bytes as Bytes);
      if (said) assert.ok(JSON.stringify(said).length < 3_000 && said.dns.length <= 4);
    }),
    { numRuns: 2_000 },
  );
});
