import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { DeviceFact } from "@otb/plugin";
import { parseTracked } from "./flows/kernel.ts";
import { MAC, settings, way, wish } from "./testing/pinning.ts";
import {
  decide,
  deviceSentences,
  findDevice,
  type Flow,
  nearSentence,
  parseFlow,
  runningSentence,
  verdictJson,
  verdictSentences,
} from "./why.ts";

const config = settings({
  devices: {
    [MAC]: { name: "tv", groups: ["salon"] },
    "02:00:00:00:00:0b": { name: "laptop", whenPeerGone: "block" },
  },
  rules: [
    { name: "mail", match: { protocol: "tcp", ports: ["25", "465-587"] }, way: "block" },
    {
      name: "films",
      match: { group: "salon", domains: ["films.example"] },
      way: "link",
      link: "cable",
      ifDead: "other-link",
    },
    {
      name: "office",
      match: { addresses: ["198.51.100.0/24", "2001:db8::/32"] },
      way: "link",
      link: "fibre",
    },
  ],
});
const flow = (extra: Partial<Flow>): Flow => ({
  mac: MAC,
  target: "203.0.113.5",
  protocol: "tcp",
  port: 443,
  ...extra,
});
const say = (extra: Partial<Flow>, situation = wish(config), named = false) =>
  verdictSentences(decide(flow(extra), situation, () => named), situation);

Deno.test("the rule, the way, and what if the link died", () => {
  assert.deepEqual(say({}, wish(config), true), [
    'Rule "films" is the first that matches: group salon, films.example; it says link "cable", and another link while that is dead.',
    'A connection that begins now leaves by link "cable" alone, with that link\'s public address.',
    'If link "cable" died, it would end at once, and a new one would leave by link "fibre" alone, with that link\'s public address.',
  ]);
  assert.deepEqual(say({ port: 500 }), [
    'Rule "mail" is the first that matches: tcp, port 25, 465-587; it says block.',
    "A connection that begins now is refused: the rule blocks it.",
  ]);
  assert.deepEqual(say({}), [
    "No rule matches, so it is bonded.",
    "A connection that begins now goes over all links through the peer.",
  ]);
  assert.deepEqual(say({ protocol: "udp" }).slice(1), [
    "A connection that begins now goes over all links through the tunnel to the peer.",
  ]);
});

Deno.test("the tunnel: up, away for a moment, down, and standing in for the proxy", () => {
  const tunnel = (state: "waiting" | "down") => ({ tunnel: { state, reason: "no link carries it" } });
  assert.deepEqual(say({ protocol: "icmp" }, wish(config, tunnel("waiting"))).slice(1), [
    "A connection that begins now goes over all links through the tunnel to the peer.",
    "The tunnel is not up now (no link carries it), and is given a moment before that counts.",
  ]);
  assert.deepEqual(say({ protocol: "udp" }, wish(config, tunnel("down"))).slice(1), [
    'A connection that begins now leaves by link "fibre", as the tunnel is down (no link carries it), with that link\'s public address.',
    'If link "fibre" died, it would end at once, and a new one would leave by link "cable", as the tunnel is down (no link carries it), with that link\'s public address.',
  ]);
  assert.deepEqual(
    say({ mac: "02:00:00:00:00:0b", protocol: "udp" }, wish(config, tunnel("down"))).slice(1),
    [
      "A connection that begins now is refused: the tunnel is down (no link carries it), and the kill-switch lets nothing leave past the peer.",
    ],
  );
  const standIn = wish(config, { tcpWay: "tunnel" });
  assert.deepEqual(say({}, standIn).slice(1), [
    "A connection that begins now goes over all links through the tunnel to the peer, as the peer's proxy does not answer.",
  ]);
  assert.deepEqual(verdictJson(decide(flow({}), standIn, () => false)), {
    rule: null,
    now: { way: "bonded", by: "tunnel" },
  });
  const direct = settings({ ...config, nonTcp: "direct" });
  assert.match(say({ protocol: "udp" }, wish(direct))[1]!, /by link "fibre", as the setting nonTcp sends/);
});

Deno.test("a target by name is matched by name, one by address by what DNS answered", () => {
  const rule = (target: string, named = false) =>
    decide(flow({ target }), wish(config), () => named).rule?.name;
  assert.equal(rule("films.example"), "films");
  assert.equal(rule("cdn.films.example"), "films");
  assert.equal(rule("notfilms.example"), undefined);
  assert.equal(rule("203.0.113.5", true), "films");
  assert.equal(rule("2001:db8::9"), "office");
});

Deno.test("dead links, a peer that is gone and the kill-switch", () => {
  const ways = [way("fibre", 1), way("cable", 2, { usable: false })];
  assert.deepEqual(verdictJson(decide(flow({}), wish(config, { ways }), () => true)), {
    rule: "films",
    now: { way: "link", link: "fibre", interface: "wan1", forWantOfBond: false },
    ifDead: { way: "refused", reason: 'link "cable" is dead and so is every other' },
  });
  const gone = wish(config, { proxyGone: true, peerGone: true, tunnel: { state: "down" } });
  assert.match(say({}, gone)[1]!, /leaves by link "fibre", as no peer answers/);
  const laptop = { mac: "02:00:00:00:00:0b" };
  assert.match(say(laptop, gone)[1]!, /is refused: no peer answers, and the kill-switch/);
  assert.match(
    say({ ...laptop, protocol: "udp" }, wish(settings({ ...config, nonTcp: "direct" })))[1]!,
    /is refused: the setting nonTcp sends what is not TCP past the peer, and the kill-switch/,
  );
  // Its own kill-switch is stronger than a rule that happens to match.
  assert.deepEqual(
    verdictJson(decide(flow({ ...laptop, target: "198.51.100.7" }), wish(config), () => false)),
    {
      rule: "office",
      now: { way: "bonded", by: "proxy" },
    },
  );
});

Deno.test("a connection that runs is told with the address that others see: the peer's, or the link's public one", () => {
  const running = { rule: null, link: null, forWantOfBond: false, throughTunnel: false, decided: true };
  assert.equal(
    runningSentence(running),
    "One such connection runs: it was decided by no rule when it began and goes through the peer, with the peer's address.",
  );
  assert.match(
    runningSentence({ ...running, throughTunnel: true }),
    /the tunnel to the peer, with the peer's address/,
  );
  assert.match(
    runningSentence({ ...running, rule: "films", link: "cable", leavesAs: "192.168.1.125" }),
    /by rule "films" .* by link "cable", with that link's public address \(the box has 192\.168\.1\.125 there\)\./,
  );
});

Deno.test("a connection that has ended is none that runs", () => {
  const line = (state: string, mark: number) =>
    `tcp      6 100 ${state} src=192.168.1.125 dst=203.0.113.7 sport=4000 dport=443 ` +
    `src=203.0.113.7 dst=192.168.1.125 sport=443 dport=4000 [ASSURED] mark=${mark} use=1\n`;
  assert.equal(parseTracked(line("TIME_WAIT", 1) + line("CLOSE", 2)), undefined);
  assert.equal(parseTracked(line("TIME_WAIT", 1) + line("ESTABLISHED", 3))?.mark, 3);
  assert.equal(parseTracked(line("CLOSE_WAIT", 4))?.mark, 4, "one half is still open");
});

Deno.test("a device as a whole", () => {
  assert.deepEqual(deviceSentences(MAC, wish(config)), [
    'Rule "mail": tcp, port 25, 465-587: block; now it is refused: the rule blocks it.',
    'Rule "films": group salon, films.example: link "cable", and another link while that is dead; now it leaves by link "cable" alone, with that link\'s public address.',
    'Rule "office": 198.51.100.0/24, 2001:db8::/32: link "fibre", and bonded while that is dead; now it leaves by link "fibre" alone, with that link\'s public address.',
    "Everything else: TCP goes over all links through the peer; the rest goes over all links through the tunnel to the peer.",
    'When the tunnel is down: the rest leaves by the best link, now "fibre".',
    'When no peer answers: it leaves by the best link, now "fibre".',
  ]);
  assert.match(deviceSentences("02:00:00:00:00:0b", wish(config)).at(-1)!, /kill-switch is on/);
});

Deno.test("flows are read as people write them", () => {
  const of = (text: string) => parseFlow(text);
  // Found by its fuzzer: no address is that long.
  assert.equal(of(`a -> [${"2".repeat(300)}]:53/udp`), undefined);
  assert.deepEqual(of("192.168.1.20 -> 1.2.3.4:443/tcp"), {
    source: "192.168.1.20",
    target: "1.2.3.4",
    protocol: "tcp",
    port: 443,
  });
  assert.deepEqual(of("TV->www.Films.example:443"), {
    source: "tv",
    target: "www.films.example",
    protocol: "tcp",
    port: 443,
  });
  assert.deepEqual(of("fd02::10 -> [2001:db8::1]:53/udp"), {
    source: "fd02::10",
    target: "2001:db8::1",
    protocol: "udp",
    port: 53,
  });
  assert.deepEqual(of("tv -> 1.2.3.4/icmp"), { source: "tv", target: "1.2.3.4", protocol: "icmp" });
  for (
    const text of ["", "tv", "->", "tv -> ", "tv -> 1.2.3.4:99999", "tv -> a b", "tv -> x:y", "-> 1.2.3.4"]
  ) {
    assert.equal(of(text), undefined, text);
  }
  fc.assert(fc.property(fc.string({ maxLength: 400 }), (text) => {
    const flow = of(text);
    assert.ok(flow === undefined || !/\s/.test(flow.source + flow.target));
  }));
});

Deno.test("devices are found by MAC address, given name, own name and address", () => {
  const seen: DeviceFact[] = [
    { mac: MAC, name: "LG-TV", addresses: ["192.168.100.20"], source: "lease", lastSeenMs: 0 },
    {
      mac: "02:00:00:00:00:0c",
      name: "Phone",
      addresses: ["192.168.100.21", "fd02::21"],
      source: "seen",
      lastSeenMs: 0,
    },
  ];
  const find = (text: string) => findDevice(text, wish(config), seen);
  const tv = { mac: MAC, name: "tv", addresses: ["192.168.100.20"] };
  for (const text of ["tv", MAC, MAC.toUpperCase(), "192.168.100.20", "lg-tv"]) {
    assert.deepEqual(find(text), tv, text);
  }
  assert.equal(find("fd02::21")?.name, "Phone");
  assert.deepEqual(find("02:00:00:00:00:0f"), { mac: "02:00:00:00:00:0f", name: undefined, addresses: [] });
  assert.equal(find("radio"), undefined);
});

Deno.test("what is on a modem's network is said to go there in clear, and nothing else is", () => {
  const where = {
    lan: { interface: "lan0", address: "192.168.100.1/24" },
    near: ["192.168.11.0/24", "10.0.0.1/32"],
  };
  assert.equal(
    nearSentence("192.168.11.1", where),
    "192.168.11.1 is on the network 192.168.11.0/24 of a modem: it is reached there, in clear and not through the peer, " +
      "and no rule decides about it.",
  );
  assert.match(nearSentence("192.168.100.7", where)!, /of the LAN/);
  for (const target of ["203.0.113.5", "10.0.0.2", "2001:db8::1", "films.example"]) {
    assert.equal(nearSentence(target, where), undefined);
  }
});
