// Link health and preflight: what a link can do is found out, and how it is is told rightly, whatever happens to it.
import { strict as assert } from "node:assert";
import type { StatusReport } from "../../core/client/mod.ts";
import { links } from "../bench/measure.ts";
import {
  PEER_ADDRESS,
  ROOT,
  SERVER_ADDRESS,
  SERVER_PORT,
  type Transport,
  TRANSPORTS,
  World,
} from "../worlds/world.ts";

const NAME = "probe.lab.example", ANSWER = "192.0.2.53", STUN_PORT = 3478;

/** An Internet with a resolver, a page and a STUN server, and modems whose link is as `links` says. */
async function raise(name: string, ...specs: string[]): Promise<World> {
  const world = await World.up(`${name}${Deno.pid}`, { links: links(...specs) }, { start: false });
  try {
    const quiet = { stdin: "null", stdout: "null", stderr: "null" } as const;
    world.lab.spawn("server", [
      ...[
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--no-daemon",
      ],
      ...[
        "--user=root",
        "--pid-file=",
        `--address=/${NAME}/${ANSWER}`,
        "--ptr-record=2.1.18.198.in-addr.arpa,a.b.lab-fibre.net",
      ],
    ], quiet).status.catch(() => {});
    const stun = world.lab.spawn(
      "server",
      [Deno.execPath(), "run", "-A", "--quiet", `${ROOT}/tests/lab/stun.ts`, String(STUN_PORT)],
      { ...quiet, stdout: "piped" },
    );
    const reader = stun.stdout.getReader();
    await reader.read();
    await reader.cancel();
    await world.box.otb([
      ...["config", "set", `wan-discovery.resolvers=["${SERVER_ADDRESS}"]`, `wan-discovery.dnsName=${NAME}`],
      `wan-discovery.dnsAnswers=["${ANSWER}"]`,
      `wan-discovery.portalPage=http://${SERVER_ADDRESS}:${SERVER_PORT}/generate_204`,
      `wan-discovery.stunServers=["${SERVER_ADDRESS}:${STUN_PORT}"]`,
      "wan-discovery.checkSeconds=2",
    ]);
    await Promise.all([world.cloud.up(), world.box.up()]);
  } catch (error) {
    await world.close();
    throw error;
  }
  return world;
}

/** How long all links are silent; `OTB_TEST_SILENCE` has it for longer. */
const SILENCE_SECONDS = Number(Deno.env.get("OTB_TEST_SILENCE") ?? 20);

/**
 * A connection of a device that asks for its own address: it begins to ask at once, and ends its question when told; meanwhile it
 * ticks, or says nothing. Resolves to what came of it.
 */
function asking(world: World, ticks: boolean): { finish(): Promise<string> } {
  const code = `
    try {
      const one = await Deno.connect({ hostname: "${SERVER_ADDRESS}", port: ${SERVER_PORT} });
      const say = (text) => one.write(new TextEncoder().encode(text));
      await say("GET /whoami HTTP/1.1\\r\\nX-Said: ");
      let last = "";
      const ticking = ${ticks} && setInterval(() => say(".").catch((error) => last = error.name), 250);
      await Deno.stdin.read(new Uint8Array(1));
      clearInterval(ticking);
      await say("\\r\\n\\r\\n");
      console.log(last || (await new Response(one.readable).text()).trim().split("\\n").at(-1));
    } catch (error) { console.log(error.name); }
    Deno.exit();`;
  const child = world.lab.spawn("device1", [Deno.execPath(), "eval", code], {
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  });
  return {
    async finish() {
      const writer = child.stdin.getWriter();
      await writer.write(Uint8Array.of(10)).catch(() => {});
      const { stdout } = await child.output();
      return new TextDecoder().decode(stdout).trim();
    },
  };
}

/** All links are silent for a while: what devices have open, and what they begin meanwhile, outlives that. */
async function silence(world: World, transport: Transport): Promise<void> {
  await world.over(transport);
  const idle = asking(world, false), ticking = asking(world, true);
  let bytes = 0;
  const download = world.transfer("device1", {
    bytes: 15_000_000,
    seconds: SILENCE_SECONDS + 300,
    onProgress: (progress) => bytes = progress.bytes,
  });
  while (bytes < 1e6) await new Promise((resolve) => setTimeout(resolve, 50));
  for (const link of ["fibre", "cable"]) await world.lab.cut(link);
  const cutMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  // Nobody waits for longer than two minutes for a connection.
  const begun = asking(world, false);
  await new Promise((resolve) => setTimeout(resolve, cutMs + SILENCE_SECONDS * 1000 - performance.now()));
  const { health } = await world.box.status();
  for (const link of ["fibre", "cable"]) await world.lab.restore(link);
  const backMs = performance.now();
  const whole = await download;
  console.log(
    `${transport}: the download was whole ${Math.round(performance.now() - backMs)} ms after the return`,
  );
  assert.deepEqual(
    [
      await idle.finish(),
      await ticking.finish(),
      SILENCE_SECONDS < 120 ? await begun.finish() : PEER_ADDRESS,
      whole.error,
      whole.checksumOk,
    ],
    [PEER_ADDRESS, PEER_ADDRESS, PEER_ADDRESS, undefined, true],
  );
  assert.ok(!health.some(({ code }) => code === "peer-gone"), "who is not asked is not gone");
  await world.box.until((status) => status.links.every(({ health }) => health?.state === "up"));
}

const healthOf = ({ links }: StatusReport, link: string) => links.find(({ name }) => name === link)?.health;

async function inModem(world: World, modem: number, script: string): Promise<void> {
  const { success, stderr } = await world.lab.spawn(`modem${modem}`, ["sh", "-ec", script], {
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

Deno.test("a link is looked at when it is new: public address, largest packet, Multipath TCP, operator", async () => {
  await using world = await raise("preflight", "20/10/5", "20/10/15");
  // PPPoE's packet size behind the second modem, and nobody who says so: what is larger is lost silently.
  await inModem(
    world,
    2,
    "nft add table ip hole; nft add chain ip hole f '{ type filter hook forward priority 0; }'; nft add rule ip hole f ip length '>' 1492 drop",
  );
  await world.box.until((status) => status.links.every(({ health }) => health?.state === "up"));
  const show = async (link: string) =>
    await world.box.otb(["link", "show", link, "--check"]) as { preflight: { [field: string]: unknown } };
  const { preflight: fibre } = await show("fibre");
  assert.deepEqual(
    [fibre.publicAddress, fibre.mtu, fibre.mptcp, fibre.udp, fibre.operator, fibre.portal, fibre.nat],
    ["198.18.1.2", 1500, true, true, "lab-fibre.net", undefined, "unknown"],
  );
  assert.ok(Number(fibre.rttMs) >= 5, `round trip ${fibre.rttMs} ms`);
  const { preflight: other } = await show("cable");
  assert.deepEqual([other.publicAddress, other.mtu], ["198.18.2.2", 1492]);
  const human = await world.lab.spawn("box", [
    `${ROOT}/otb`,
    "link",
    "show",
    "fibre",
    "--state",
    world.box.state,
  ], {
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  assert.match(new TextDecoder().decode(human.stdout), /198\.18\.1\.2/);
  const unknown = await world.box.tryOtb(["link", "show", "nowhere"]);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr + unknown.stdout, /link-unknown/);
});

/** Where a login page is, by how far its answers come from; the farther one while a device downloads. */
const PORTALS = [
  { where: "in the modem", role: "modem2", to: "redirect to :9080", connections: 0 },
  { where: "as far as the peer", role: "server", to: `dnat to ${SERVER_ADDRESS}:9080`, connections: 2 },
];

Deno.test("a silent cut, full queues and a login page: each is told as what it is, and the return too", async (t) => {
  await using world = await raise("health", "20/10/5", "20/10/15");
  await world.box.until((status) => status.links.every(({ health }) => health?.state === "up"));

  for (const transport of TRANSPORTS) {
    await t.step(
      `${transport}: all links silent ends nothing: idle, ticking, downloading and begun meanwhile`,
      () => silence(world, transport),
    );
  }

  await t.step("cut without traffic: down with a reason, and up again when it answers", async () => {
    await world.lab.cut("cable");
    const down = await world.box.until((status) => healthOf(status, "cable")?.state === "down");
    assert.match(healthOf(down, "cable")!.reason!, /nothing answers/);
    assert.equal(healthOf(down, "fibre")!.state, "up");
    await world.lab.restore("cable");
    await world.box.until((status) => healthOf(status, "cable")?.state === "up");
  });

  await t.step("full links with half a second of queue are never called down", async () => {
    for (const link of ["fibre", "cable"]) await world.lab.set(link, { queueBytes: 1_250_000 });
    const wrong: string[] = [];
    const running = world.transfer("device1", { seconds: 12 });
    let ended = false;
    const watching = (async () => {
      while (!ended) {
        for (const { name, health } of (await world.box.status()).links) {
          if (health?.state !== "up" && health?.state !== "degraded") {
            wrong.push(`${name}: ${health?.reason}`);
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
    const result = await running;
    ended = true;
    await watching;
    assert.ok(result.mbps > 25, `${result.mbps} Mbit/s`);
    assert.deepEqual(wrong, []);
  });

  for (const { where, role, to, connections } of PORTALS) {
    await t.step(
      `a login page ${where} takes the link out and is named; after the login it carries again`,
      async () => {
        const login = world.lab.spawn(role, [
          Deno.execPath(),
          "eval",
          "Deno.serve({ port: 9080, onListen() {} }, () => Response.redirect('http://login.hotel/in?a=b'))",
        ], { stdin: "null", stdout: "null", stderr: "null" });
        login.status.catch(() => {});
        const running = connections &&
          world.transfer("device1", { seconds: 600, bytes: 60_000_000, connections });
        await inModem(
          world,
          2,
          `nft add table ip portal
        nft add chain ip portal pre '{ type nat hook prerouting priority dstnat; }'
        nft add rule ip portal pre iifname lan tcp dport '!=' 1 ${to}
        nft add chain ip portal forward '{ type filter hook forward priority 0; }'
        nft add rule ip portal forward iifname lan ip daddr ${SERVER_ADDRESS} tcp dport 9080 accept
        nft add rule ip portal forward iifname lan drop`,
        );
        const down = await world.box.until((status) => /login/.test(healthOf(status, "cable")?.reason ?? ""));
        assert.equal(healthOf(down, "cable")!.state, "down");
        assert.match(healthOf(down, "cable")!.reason!, /http:\/\/login\.hotel\/in /);
        assert.equal(healthOf(down, "fibre")!.state, "up");
        await inModem(world, 2, "nft delete table ip portal");
        await world.box.until((status) => healthOf(status, "cable")?.state === "up");
        if (running) assert.equal((await running).error, undefined);
      },
    );
  }
});
