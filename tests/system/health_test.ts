// Link health and preflight: what a link can do is found out, and how it is is told rightly, whatever happens to it.
import { strict as assert } from "node:assert";
import type { StatusReport } from "../../core/client.ts";
import { links } from "../measure.ts";
import { ROOT, SERVER_ADDRESS, SERVER_PORT, World } from "../world.ts";

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

Deno.test("a silent cut, full queues and a login page: each is told as what it is, and the return too", async (t) => {
  await using world = await raise("health", "20/10/5", "20/10/15");
  await world.box.until((status) => status.links.every(({ health }) => health?.state === "up"));

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

  await t.step("a login page takes the link out and is named; after the login it carries again", async () => {
    await inModem(
      world,
      2,
      `nft add table ip portal
      nft add chain ip portal pre '{ type nat hook prerouting priority dstnat; }'
      nft add rule ip portal pre iifname lan tcp dport '!=' 1 redirect to :9080
      nft add chain ip portal forward '{ type filter hook forward priority 0; }'
      nft add rule ip portal forward iifname lan drop`,
    );
    const login = world.lab.spawn("modem2", [
      ...[
        Deno.execPath(),
        "eval",
        "Deno.serve({ port: 9080, onListen() {} }, () => Response.redirect('http://login.hotel/in?a=b'))",
      ],
    ], { stdin: "null", stdout: "null", stderr: "null" });
    login.status.catch(() => {});
    const down = await world.box.until((status) => /login/.test(healthOf(status, "cable")?.reason ?? ""));
    assert.equal(healthOf(down, "cable")!.state, "down");
    assert.match(healthOf(down, "cable")!.reason!, /http:\/\/login\.hotel\/in /);
    assert.equal(healthOf(down, "fibre")!.state, "up");
    await inModem(world, 2, "nft delete table ip portal");
    await world.box.until((status) => healthOf(status, "cable")?.state === "up");
  });
});
