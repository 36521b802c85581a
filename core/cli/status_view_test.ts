import assert from "node:assert/strict";
import fc from "fast-check";
import type { StatusReport } from "../client/mod.ts";
import { logLine } from "./logs.ts";
import { pluginLines, statusLines } from "./status_view.ts";
import { shown } from "./terminal.ts";

const report: StatusReport = {
  role: "box",
  version: "0.1.0",
  pid: 42,
  startedAtMs: 0,
  sentence: "1 of 2 links up, 3 connections, 41.5 Mbit/s down, 1.2 Mbit/s up",
  links: [
    {
      name: "fibre",
      interface: "eth1",
      found: false,
      tier: "primary",
      observed: { state: "up", address: "192.168.1.2" },
      path: {
        link: "fibre",
        peer: "cloud",
        state: "active",
        protocol: "mptcp",
        rttMs: 12.3,
        loss: 0.003,
        lineLoss: 0.003,
        rxBitsPerSecond: 41.5e6,
        txBitsPerSecond: 1.2e6,
        acknowledgedBitsPerSecond: 40e6,
        share: 1,
        subflows: 3,
        congestion: "cubic",
      },
    },
    {
      name: "lte",
      interface: "wwan0",
      found: false,
      tier: "backup",
      observed: { state: "missing", reason: "There is no interface wwan0\x1b[2J" },
    },
  ],
  held: [],
  peers: [{ name: "cloud", address: "203.0.113.7", port: 8443 }],
  connections: { open: 3, total: 99, refused: 0, protocol: "mptcp" },
  plugins: [{
    name: "socks-proxy",
    version: "0.1.0",
    summary: "",
    tier: "trusted",
    permissions: [],
    state: "waiting-to-restart",
    reason: "It ended with status 1",
    restarts: 2,
    sinceMs: 3_590_000,
    memoryBytes: 50 * 2 ** 20,
    status: {},
  }],
  health: [
    { plugin: "core", code: "a", severity: "warning", message: "Something is odd.", sinceMs: 0 },
    {
      plugin: "core",
      code: "b",
      severity: "error",
      message: "Something is wrong.",
      next: "Do this.",
      sinceMs: 0,
    },
  ],
  pending: { revision: 7, revertsAtMs: 3_663_000 },
};

Deno.test("status at 80 columns", () => {
  assert.deepEqual(statusLines(report, { width: 80, colours: false, nowMs: 3_600_000 }), [
    "1 of 2 links up, 3 connections, 41.5 Mbit/s down, 1.2 Mbit/s up",
    "box, up for 1 h, otb 0.1.0",
    "Revision 7 waits and reverts in 1 min 3 s. Keep it: otb config confirm. Take it",
    "back: otb config revert.",
    "",
    "2 things to know",
    "error   Something is wrong. (core)",
    "        next: Do this.",
    "warning Something is odd. (core)",
    "",
    "LINK   TIER     STATE           DOWN          UP    RTT   LOSS  SHARE  FLOWS",
    "fibre  primary  active   41.5 Mbit/s  1.2 Mbit/s  12 ms  0.3 %  100 %      3",
    "lte    backup   missing            -           -      -      -      -      -",
    "    There is no interface wwan0?[2J",
    "",
    "Peer cloud: 203.0.113.7 port 8443",
    "Connections: 3 open, 99 so far, 0 refused (MPTCP)",
    "",
    "PLUGIN       VERSION  STATE               FOR   RESTARTS    MEMORY",
    "socks-proxy  0.1.0    waiting to restart  10 s         2  50.0 MiB",
    "    It ended with status 1",
  ]);
});

Deno.test("a link that is held back says what was had with it and without, and when it is tried again", () => {
  const proof = {
    ...{ withBitsPerSecond: 9.12e6, withoutBitsPerSecond: 17.3e6, sinceMs: 3_540_000, untilMs: 3_624_000 },
  };
  const lines = (held: StatusReport["held"], links = report.links) =>
    statusLines({ ...report, held, links }, { width: 120, colours: false, nowMs: 3_600_000 })
      .filter((line) => line.includes("held back"));
  assert.deepEqual(lines([{ link: "fibre", up: proof, down: { ...proof, untilMs: 0 } }]), [
    "    held back for uploads: 9.1 Mbit/s with it, 17.3 Mbit/s without; tried again in 24 s",
    "    held back for downloads: 9.1 Mbit/s with it, 17.3 Mbit/s without; tried again as soon as there is enough to send",
  ]);
  assert.deepEqual(lines([{ link: "cabin/203.0.113.9", down: proof }], []), [
    "cabin/203.0.113.9 held back for downloads: 9.1 Mbit/s with it, 17.3 Mbit/s without; tried again in 24 s",
  ]);
});

Deno.test("the tunnel stands beside the links, with what its paths carry of what they can", () => {
  const direction = { isStarting: false, queueMs: 3, loss: 0.001 };
  const lines = (tunnel: StatusReport["tunnel"]) => {
    const all = statusLines({ ...report, tunnel }, { width: 80, colours: false, nowMs: 3_600_000 });
    const from = all.findIndex((line) => line.startsWith("Tunnel:"));
    return all.slice(from, all.indexOf("", from));
  };
  const fact = { sinceMs: 3_000_000, interface: "otb0" };
  assert.deepEqual(
    lines({
      ...fact,
      state: "up",
      mtu: 1392,
      paths: [{
        link: "fibre",
        state: "up",
        rttMs: 12.3,
        up: { ...direction, rateBitsPerSecond: 20e6, usedBitsPerSecond: 1.2e6 },
        down: {
          ...direction,
          isStarting: true,
          rateBitsPerSecond: 110e6,
          usedBitsPerSecond: 41.5e6,
          loss: 0,
        },
        atMs: 0,
      }, { link: "lte", state: "suspect", reason: "it stopped answering\x1b[2J", atMs: 0 }],
    }),
    [
      "Tunnel: up for 10 min, for packets of up to 1392 bytes",
      "PATH   STATE                   DOWN                  UP    RTT   LOSS",
      "fibre  up       41.5 of 110+ Mbit/s  1.2 of 20.0 Mbit/s  12 ms  0.1 %",
      "lte    suspect                    -                   -      -      -",
      "    it stopped answering?[2J",
    ],
  );
  const lossOf = (queueMs: number, usedBitsPerSecond: number) => {
    const up = { ...direction, loss: 0.02, queueMs, rateBitsPerSecond: 20e6, usedBitsPerSecond };
    const path = { link: "lte", state: "up" as const, up, atMs: 0 };
    return lines({ ...fact, state: "up", paths: [path] }).at(-1)!.split(/\s{2,}/).at(-1);
  };
  assert.deepEqual([lossOf(80, 19e6), lossOf(2, 19e6), lossOf(80, 2e6)], ["full", "2.0 %", "2.0 %"]);
  assert.deepEqual(lines({ ...fact, state: "down", reason: "No session with the peer.", paths: [] }), [
    "Tunnel: down for 10 min",
    "    No session with the peer.",
  ]);
  assert.deepEqual(lines({ ...fact, state: "unknown", paths: [] }), ["Tunnel: not up yet"]);
});

Deno.test("no line is wider than 80 columns, with the longest names and figures that links have", () => {
  const link = report.links[0]!;
  const wide = {
    ...report,
    links: [{
      ...link,
      name: "a-link-of-15-ch",
      tier: "secondary" as const,
      path: {
        ...link.path!,
        state: "standby" as const,
        rttMs: 123,
        loss: 0.123,
        lineLoss: 0.099,
        rxBitsPerSecond: 12.3e6,
        txBitsPerSecond: 12.3e6,
        acknowledgedBitsPerSecond: 24e6,
        subflows: 10_000,
      },
    }],
    tunnel: {
      state: "up" as const,
      sinceMs: 0,
      interface: "otb0",
      mtu: 1392,
      paths: [{
        link: "2001:db8:1234:5678:9abc:def0:1234:5678/65535",
        state: "unknown" as const,
        rttMs: 123,
        up: {
          isStarting: true,
          rateBitsPerSecond: 123e6,
          usedBitsPerSecond: 99.94e6,
          queueMs: 1,
          loss: 0.099,
        },
        down: { isStarting: true, rateBitsPerSecond: 123e6, usedBitsPerSecond: 99.94e6, queueMs: 1, loss: 0 },
        atMs: 0,
      }],
    },
  };
  for (const line of statusLines(wide, { width: 80, colours: false, nowMs: 3_600_000 })) {
    assert.ok(line.length <= 80, line);
  }
});

Deno.test("colours change nothing but colours", () => {
  const options = { width: 80, nowMs: 3_600_000 };
  const plain = statusLines(report, { ...options, colours: false });
  const coloured = statusLines(report, { ...options, colours: true }).map(shown);
  assert.notDeepEqual(coloured, plain);
  // deno-lint-ignore no-control-regex
  assert.deepEqual(coloured.map((line) => line.replace(/\x1b\[\d+m/g, "")), plain);
});

/** The same with its texts replaced, those too that are words of the program. */
function spoilt<T>(value: T, text: () => string): T {
  if (typeof value === "string") return text() as T;
  if (Array.isArray(value)) return value.map((one) => spoilt(one, text)) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, spoilt(one, text)])) as T;
}

Deno.test("whatever plugins, peers and devices call themselves: no line has a sequence but the program's own colours", () => {
  const nasty = fc.oneof(
    fc.constantFrom(
      ...[
        "\x1b[31mred",
        "\x1b]0;title\x07",
        "\x9b2J",
        "a\rb",
        "\u202egpj.exe",
        "z\u200b\u200dw",
        "\ufeff",
        "\u2028",
      ],
      ...["\u{e0041}", "\x7f", "\x1b[0m\x1b[1m", "\ud800", "é ü ß", "👩‍👩‍👧 🏠"],
    ),
    fc.string({ unit: "binary", maxLength: 40 }),
  );
  // deno-lint-ignore no-control-regex
  const own = /\x1b\[(?:0|1|2|31|32|33|36)m/g,
    unseen = /[\p{Cc}\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/u;
  fc.assert(fc.property(fc.array(nasty, { minLength: 5, maxLength: 5 }), fc.boolean(), (texts, colours) => {
    let next = 0;
    const options = { width: 80, nowMs: 3_600_000, colours };
    const hostile = spoilt(report, () => texts[next++ % texts.length]!);
    // Numbers stay numbers, and these words choose what is drawn.
    hostile.connections.protocol = "mixed";
    const line = {
      atMs: 0,
      level: "error",
      plugin: texts[0]!,
      message: texts[1]!,
      properties: { a: texts[2]!, b: [texts[3]!] },
    };
    const drawn = [
      ...statusLines(hostile, options),
      ...pluginLines(hostile.plugins, options),
      logLine(line as never, colours),
    ];
    for (const printed of drawn.map(shown)) {
      const plain = colours ? printed.replace(own, "") : printed;
      assert.ok(!unseen.test(plain), JSON.stringify(printed));
    }
    // What forges a colour is shown as text, also where nobody looked at it before.
    assert.ok(!unseen.test(shown(texts.join("")).replaceAll("\n", "")));
  }));
});

Deno.test("the status in French, as wide as it is", () => {
  const lines = statusLines(report, { width: 80, colours: false, nowMs: 3_600_000, language: "fr" });
  // The first line, conditions and reasons come from the core.
  assert.deepEqual(lines.slice(1), [
    "boîtier, en marche depuis 1 h, otb 0.1.0",
    "La révision 7 attend et s'annule dans 1 min 3 s. La garder : otb config confirm.",
    "L'annuler : otb config revert.",
    "",
    "2 choses à savoir",
    "erreur  Something is wrong. (core)",
    "        à faire : Do this.",
    "alerte  Something is odd. (core)",
    "",
    "LIEN   RANG     ÉTAT           REÇU      ENVOYÉ  DÉLAI  PERTE   PART  FLUX",
    "fibre  primary  actif   41.5 Mbit/s  1.2 Mbit/s  12 ms  0.3 %  100 %     3",
    "lte    backup   absent            -           -      -      -      -     -",
    "    There is no interface wwan0?[2J",
    "",
    "Relais cloud : 203.0.113.7, port 8443",
    "Connexions : 3 ouvertes, 99 en tout, 0 refusées (MPTCP)",
    "",
    "MODULE       VERSION  ÉTAT           DEPUIS  REPRISES   MÉMOIRE",
    "socks-proxy  0.1.0    va redémarrer  10 s           2  50.0 MiB",
    "    It ended with status 1",
  ]);
});

Deno.test("a state has its colour in each language", () => {
  for (
    const [language, active, waiting] of [["en", "active", "waiting to restart"], [
      "fr",
      "actif",
      "va redémarrer",
    ]] as const
  ) {
    const lines = statusLines(report, { width: 120, colours: true, nowMs: 3_600_000, language });
    const text = lines.map(shown).join("\n");
    assert.ok(text.includes(`\x1b[32m${active}\x1b`), text);
    assert.ok(text.includes(`\x1b[33m${waiting}\x1b`), text);
  }
});
