import { isIpv4 } from "@otb/plugin";
import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz, swift } from "../../tests/fuzz/property.ts";
import { hostileText } from "../../tests/fuzz/inputs.ts";
import { LABEL, MAC } from "./config.ts";
import { hostName, mergeLeases, parseLeases, shiftLeases } from "./leases.ts";
import { parseArpTable } from "./neighbours.ts";

const octet = fc.nat(255);
const address = fc.tuple(octet, octet).map(([one, other]) => `192.168.${one}.${other}`);
const mac = octet.map((byte) => `02:00:00:00:00:${byte.toString(16).padStart(2, "0")}`);
/** What a device calls itself, as dnsmasq writes it down, or as it would have to be written if dnsmasq did not look. */
const name = fc.oneof(fc.constantFrom("*", "phone", "a.b", "-x"), fc.string({ maxLength: 30 }));
const line = fc.tuple(
  fc.nat(2 ** 32),
  mac,
  address,
  name,
  fc.oneof(fc.constant("*"), mac.map((text) => `01:${text}`)),
)
  .map((parts) => parts.join(" "));
const files = fc.array(line, { maxLength: 12 }).map((lines) => lines.map((text) => `${text}\n`).join(""));

fuzz(
  "leases are read whole or not at all, and none is given twice, whatever stands in the file",
  fc.tuple(hostileText(files, 8_192), files),
  ([text, copy]) => {
    for (const lease of swift(() => parseLeases(text))) {
      assert.ok(isIpv4(lease.address) && MAC.test(lease.mac) && Number.isSafeInteger(lease.expiresSeconds));
      if (lease.name !== undefined) assert.match(lease.name, LABEL);
      assert.ok(!lease.line.includes("\n"));
    }
    const merged = parseLeases(swift(() => mergeLeases(text, copy)));
    assert.equal(new Set(merged.map(({ address }) => address)).size, merged.length);
    assert.equal(mergeLeases(merged.map(({ line }) => `${line}\n`).join(""), ""), mergeLeases(text, copy));
    const shifted = parseLeases(swift(() => shiftLeases(text, parseLeases(copy), 1_000, 2_000_000)));
    assert.equal(new Set(shifted.map(({ address }) => address)).size, shifted.length);
  },
);

fuzz("a device's name is a label or none", hostileText(name, 300), (text) => {
  const said = swift(() => hostName(text));
  if (said !== undefined) assert.match(said, /^[a-z0-9-]{1,63}$/);
});

const row = fc.tuple(
  address,
  fc.constantFrom("0x0", "0x2", "0x6", "x"),
  mac,
  fc.constantFrom("eth0", 'e"0', "a b", ""),
)
  .map(([ip, flags, hardware, device]) => `${ip} 0x1 ${flags} ${hardware} * ${device}`);
const tables = fc.array(row, { maxLength: 12 }).map((rows) => ["IP address HW type", ...rows].join("\n"));

fuzz(
  "the ARP table tells stations with their addresses, and no others",
  hostileText(tables, 4_096),
  (text) => {
    for (const { address, mac, interface: device } of swift(() => parseArpTable(text))) {
      assert.ok(isIpv4(address) && MAC.test(mac) && device.length > 0 && !/\s/.test(device));
    }
  },
);
