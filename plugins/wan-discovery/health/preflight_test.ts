import assert from "node:assert/strict";
import fc from "fast-check";
import { kindOf, natOf, operatorIn } from "./preflight.ts";
import { RoundTrip } from "./round_trip.ts";

Deno.test("who translates is told from three addresses, and unknown where one is missing that it takes", () => {
  assert.equal(natOf("203.0.113.5", "203.0.113.5"), "none");
  assert.equal(natOf("192.168.1.2", "203.0.113.5", "203.0.113.5"), "modem");
  assert.equal(natOf("192.168.1.2", "203.0.113.5", "100.64.3.4"), "carrier");
  assert.equal(natOf("100.72.1.2"), "carrier");
  assert.equal(natOf("192.168.1.2", "203.0.113.5", "198.51.100.7"), "carrier");
  assert.equal(natOf("192.168.1.2", "203.0.113.5", "10.0.0.2"), "unknown");
  assert.equal(natOf("192.168.1.2", "203.0.113.5"), "unknown");
  assert.equal(natOf("192.168.1.2"), "unknown");
});

Deno.test("an operator is the end of a host's name, and never what is no name", () => {
  assert.equal(operatorIn("lfbn-1-2-3.w86-1.abo.wanadoo.fr"), "wanadoo.fr");
  assert.equal(operatorIn("host-1.static.example.co.uk"), "example.co.uk");
  assert.equal(operatorIn("a.de"), "a.de");
  assert.equal(operatorIn("localhost"), undefined);
  fc.assert(fc.property(fc.string({ unit: "binary" }), (name) => {
    assert.match(operatorIn(name) ?? "a.b", /^[a-z0-9-]+(\.[a-z0-9-]+)+$/);
  }));
});

Deno.test("the kind is guessed only from what tells it", () => {
  assert.equal(kindOf("phone"), "mobile");
  assert.equal(kindOf("ethernet"), undefined);
  assert.equal(kindOf("ethernet", 610, 20), "satellite");
  assert.equal(kindOf("ethernet", 45, 12), "mobile");
  assert.equal(kindOf("ethernet", 18, 2), "dsl or cable");
  assert.equal(kindOf("ethernet", 2, 0.1), undefined);
});

Deno.test("a timeout follows round trips, between one second and four", () => {
  const roundTrip = new RoundTrip();
  assert.equal(roundTrip.timeoutMs, 1_000);
  for (let count = 0; count < 20; count++) roundTrip.take(count % 2 ? 400 : 1_200);
  assert.ok(roundTrip.timeoutMs > 1_500 && roundTrip.timeoutMs <= 4_000);
});
