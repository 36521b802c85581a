import assert from "node:assert/strict";
import fc from "fast-check";
import { agree, type Agreement, type Sample } from "./agree.ts";
import { config } from "./config.ts";
import { BUILT_MS, correction } from "./correct.ts";
import { PACKET_BYTES, question, readAnswer } from "./ntp.ts";

const NONCE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const EPOCH_SECONDS = 2_208_988_800;

/** A server's answer whose clock says `serverMs` both on receipt and on sending. */
function answer(
  serverMs: number,
  change: (packet: Uint8Array, view: DataView) => void = () => {},
): Uint8Array {
  const packet = new Uint8Array(PACKET_BYTES);
  const view = new DataView(packet.buffer);
  packet[0] = 0x24;
  packet[1] = 2;
  packet.set(NONCE, 24);
  for (const at of [32, 40]) {
    view.setUint32(at, (Math.floor(serverMs / 1_000) + EPOCH_SECONDS) % 2 ** 32);
    view.setUint32(at + 4, Math.floor(serverMs % 1_000 / 1_000 * 2 ** 32));
  }
  change(packet, view);
  return packet;
}

const measure = { sentMs: 1_000, receivedMs: 1_040, floorMs: BUILT_MS };

Deno.test("a box in 1970 reads the time, with half of the round trip as its doubt", () => {
  const trueMs = Date.UTC(2027, 5, 1, 12, 0, 0, 500);
  const reading = readAnswer(answer(trueMs), NONCE, measure);
  assert.ok(typeof reading === "object");
  assert.ok(Math.abs(reading.offsetMs - (trueMs - 1_020)) < 0.01, String(reading.offsetMs));
  assert.equal(reading.errorMs, 25);
});

Deno.test("the 32 bits of seconds begin again in 2036, and the time goes on", () => {
  const trueMs = Date.UTC(2041, 0, 1);
  const reading = readAnswer(answer(trueMs), NONCE, measure);
  assert.ok(typeof reading === "object" && Math.abs(reading.offsetMs - (trueMs - 1_020)) < 0.01);
});

Deno.test("answers that are none: forged, unsynchronised, from afar, without a time, backwards", () => {
  const now = Date.UTC(2027, 0, 1);
  const wrong: Record<string, Uint8Array> = {
    short: answer(now).subarray(0, 47),
    "other nonce": answer(now, (packet) => packet[31] = 0),
    "a client's packet": answer(now, (packet) => packet[0] = 0x23),
    version: answer(now, (packet) => packet[0] = 0x14),
    unsynchronised: answer(now, (packet) => packet[0] = 0xe4),
    stratum: answer(now, (packet) => packet[1] = 16),
    "root delay": answer(now, (_, view) => view.setUint32(4, 4 * 65_536)),
    "root dispersion": answer(now, (_, view) => view.setUint32(8, 2 * 65_536)),
    "no time": answer(now, (packet) => packet.fill(0, 32)),
    "longer away than it took": answer(now, (_, view) => view.setUint32(40, view.getUint32(40) + 1)),
    "sent before received": answer(now, (_, view) => view.setUint32(40, view.getUint32(40) - 1)),
  };
  for (const [name, packet] of Object.entries(wrong)) {
    assert.equal(readAnswer(packet, NONCE, measure), "unusable", name);
  }
  assert.equal(readAnswer(answer(now, (packet) => packet[1] = 0), NONCE, measure), "kiss");
});

Deno.test("any bytes are read without a crash, and a reading is a number", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, ours) => {
    if (ours && bytes.length >= 32) {
      bytes[0] = 0x24;
      bytes.set(NONCE, 24);
    }
    const reading = readAnswer(bytes, NONCE, measure);
    if (typeof reading === "object") assert.ok(Number.isFinite(reading.offsetMs) && reading.errorMs >= 5);
  }));
  assert.deepEqual([...question(NONCE).subarray(0, 40)].filter(Boolean), [0x23], "a question tells nothing");
});

const said = (server: string, link: string, offsetMs: number, errorMs = 20): Sample => ({
  server,
  link,
  offsetMs,
  errorMs,
});

Deno.test("one server lies, over all links: the others decide", () => {
  const opinion = agree(
    ["fibre", "cable"].flatMap((
      link,
    ) => [said("a", link, 100), said("b", link, 110), said("liar", link, 9e9)]),
    3,
  );
  assert.ok(opinion.kind === "agreed");
  assert.deepEqual([opinion.servers, opinion.links], [["a", "b"], ["cable", "fibre"]]);
  assert.equal(opinion.offsetMs, 105);
});

Deno.test("one link lies for all servers: of three it is outvoted, of two nobody is believed", () => {
  const servers = ["a", "b", "c"];
  const link = (name: string, offsetMs: number) => servers.map((server) => said(server, name, offsetMs));
  const three = agree([...link("x", 5), ...link("y", 9), ...link("liar", -4e8)], 3);
  assert.deepEqual(three.kind === "agreed" && three.links, ["x", "y"]);
  assert.equal(agree([...link("x", 5), ...link("liar", -4e8)], 3).kind, "disagree");
});

Deno.test("one server of several is not enough; of one it is; nobody is silence", () => {
  assert.equal(agree([said("a", "x", 1), said("a", "y", 1)], 3).kind, "disagree");
  assert.equal(agree([said("a", "x", 1)], 1).kind, "agreed");
  assert.equal(agree([said("a", "x", 1), said("b", "x", 5_000)], 2).kind, "disagree");
  assert.deepEqual(agree([], 3), { kind: "silent" });
});

Deno.test("a minority of servers and a minority of links together never move the clock", () => {
  const votes = fc.record({
    servers: fc.integer({ min: 3, max: 7 }),
    links: fc.integer({ min: 1, max: 6 }),
    lie: fc.integer({ min: -1e12, max: 1e12 }).filter((offset) => Math.abs(offset) > 1_000),
    width: fc.integer({ min: 5, max: 400 }),
    noise: fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 42, maxLength: 42 }),
  });
  fc.assert(fc.property(votes, ({ servers, links, lie, width, noise }) => {
    const lyingServers = Math.ceil(servers / 2) - 1, lyingLinks = Math.ceil(links / 2) - 1;
    const samples = Array.from({ length: servers * links }, (_, index) => {
      const server = index % servers, link = Math.floor(index / servers);
      const lies = server < lyingServers || link < lyingLinks;
      return said(`s${server}`, `l${link}`, lies ? lie : noise[index]!, lies ? width : 30);
    });
    const opinion = agree(samples, servers);
    assert.ok(opinion.kind === "agreed");
    assert.ok(Math.abs(opinion.offsetMs) <= 50, `moved by ${opinion.offsetMs}`);
  }));
});

const agreed = (offsetMs: number, links = ["x", "y"]): Agreement => ({
  kind: "agreed",
  offsetMs,
  errorMs: 20,
  servers: ["a", "b"],
  links,
});
const nowMs = Date.UTC(2027, 0, 1);
const known = { nowMs, floorMs: BUILT_MS, wasSet: true, linksAsked: 2 };

Deno.test("a start sets the clock, small errors are slewed, smaller ones than the doubt are left", () => {
  const start = { nowMs: 1_000, floorMs: BUILT_MS, wasSet: false, linksAsked: 2 };
  assert.deepEqual(correction(agreed(nowMs, ["x"]), start), { kind: "step", offsetMs: nowMs });
  assert.deepEqual(correction(agreed(-9_000), known), { kind: "slew", offsetMs: -9_000 });
  assert.deepEqual(correction(agreed(19), known), { kind: "none" });
});

Deno.test("nothing sets the clock before this software was made, or before what has passed", () => {
  assert.equal(correction(agreed(-2 * 365 * 86_400_000), { ...known, wasSet: false }).kind, "refuse");
  assert.equal(
    correction(agreed(-60_000), { ...known, wasSet: false, floorMs: nowMs - 30_000 }).kind,
    "refuse",
  );
});

Deno.test("a clock that was right jumps only when two rounds and two links say so", () => {
  assert.equal(correction(agreed(60_000), known).kind, "confirm");
  assert.equal(correction(agreed(60_500), { ...known, pendingMs: 60_000 }).kind, "step");
  assert.equal(correction(agreed(90_000), { ...known, pendingMs: 60_000 }).kind, "confirm");
  assert.equal(correction(agreed(60_500, ["x"]), { ...known, pendingMs: 60_000 }).kind, "refuse");
  assert.equal(
    correction(agreed(60_500, ["x"]), { ...known, pendingMs: 60_000, linksAsked: 1 }).kind,
    "step",
  );
});

Deno.test("servers are addresses: names need DNS, which needs the time", () => {
  assert.equal(config.safeParse({ servers: ["192.0.2.1"] }).success, true);
  for (const server of ["time.example", "256.1.1.1", "1.1.1", "1.2.3.4.", ""]) {
    assert.equal(config.safeParse({ servers: [server] }).success, false, server);
  }
});
