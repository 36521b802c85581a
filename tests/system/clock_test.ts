// The box's clock, by real NTP servers over the links: one of the servers lies, and so does one link. No test sets this
// machine's clock: the box has one of its own.
import { strict as assert } from "node:assert";
import { OwnClock } from "../lab/own_clock.ts";
import { links } from "../bench/measure.ts";
import { World } from "../worlds/world.ts";

const YEAR_MS = 365 * 86_400_000;
const HONEST = ["203.0.113.10", "203.0.113.11"], LIAR = "203.0.113.12";
const SERVERS = [...HONEST, LIAR];

async function run(world: World, role: string, words: string[]): Promise<void> {
  const { success, stderr } = await world.lab.spawn(role, words, {
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** A world with time servers, whose box lives by a clock of its own. */
class Times {
  readonly #servers: Deno.ChildProcess[] = [];
  readonly #startMs = Date.now() - performance.now();

  private constructor(
    readonly world: World,
    readonly clock: OwnClock,
    private readonly liars: OwnClock,
    private readonly folder: string,
  ) {}

  static async up(name: string, offsetMs: number, shapes: string[]): Promise<Times> {
    const clock = await OwnClock.make(offsetMs);
    const liars = await OwnClock.make(YEAR_MS);
    const world = await World.up(`${name}${Deno.pid}`, { links: links(...shapes) }, { start: false });
    const times = new Times(world, clock, liars, await Deno.makeTempDir({ prefix: "otb-times" }));
    try {
      for (const address of SERVERS) {
        if (address !== SERVERS[0]) {
          await run(world, "server", ["ip", "address", "add", `${address}/24`, "dev", "eth0"]);
        }
        times.#serve(address, address === LIAR ? liars.by : []);
      }
      await world.box.otb(["config", "set", `clock.servers=${JSON.stringify(SERVERS)}`, "--yes"]);
    } catch (error) {
      await times[Symbol.asyncDispose]();
      throw error;
    }
    return times;
  }

  #serve(address: string, by: string[]): void {
    const pidfile = `pidfile ${this.folder}/${address}`;
    const options = [
      "user root",
      "local stratum 1",
      "allow all",
      `bindaddress ${address}`,
      "cmdport 0",
      "bindcmdaddress /",
    ];
    // -x: it never touches a clock.
    const server = ["chronyd", "-x", "-d", "-L", "3", ...options, pidfile];
    this.#servers.push(
      this.world.lab.spawn("server", [...by, ...server], { stdin: "null", stdout: "null", stderr: "null" }),
    );
  }

  async start(): Promise<void> {
    await Promise.all([this.world.cloud.up(), this.world.box.up({}, this.clock.by)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      try {
        server.kill("SIGKILL");
      } catch {
        // It ended by itself; the test has seen its silence.
      }
      await server.status;
    }
    await Deno.remove(this.folder, { recursive: true });
    await this.world.close();
    await this.clock[Symbol.asyncDispose]();
    await this.liars[Symbol.asyncDispose]();
    const movedMs = Date.now() - performance.now() - this.#startMs;
    assert.ok(Math.abs(movedMs) < 2_000, `this machine's clock moved by ${movedMs} ms`);
  }
}

/** What the plugin says. */
function said({ plugins }: { plugins: { name: string; status: unknown }[] }) {
  return plugins.find(({ name }) => name === "clock")!.status as { state: string; source?: string };
}

Deno.test("a box that starts in 1976 gets the time and reaches the peer, although one server and one link lie", async () => {
  await using times = await Times.up("time", -50 * YEAR_MS, ["20/10/5", "20/10/10", "20/10/30"]);
  const { world, clock } = times;
  // Whoever is asked over the third link, the liar answers.
  await run(world, "modem3", [
    "nft",
    `table ip lies { chain p { type nat hook prerouting priority -150; iifname "lan" udp dport 123 dnat to ${LIAR}; }; }`,
  ]);
  await times.start();
  const startMs = performance.now();
  const { source } = said(await world.box.until((status) => said(status).state === "set"));
  console.log(
    `set ${Math.round(performance.now() - startMs)} ms after the start, off by ${
      clock.offsetMs.toFixed(2)
    } ms`,
  );
  assert.equal(
    source,
    `${HONEST.join(", ")} over ${world.lab.links.slice(0, 2).map(({ name }) => name).sort().join(", ")}`,
  );
  assert.ok(Math.abs(clock.offsetMs) < 1_000, `${clock.offsetMs} ms`);
  const transfer = await world.transfer("device1", { bytes: 500_000 });
  assert.equal(transfer.checksumOk, true, JSON.stringify(transfer));
});

Deno.test("a clock that is 45 s behind: the condition names it instead of the peer; corrected, the peer answers", async () => {
  await using times = await Times.up("late", -45_000, ["20/10/5"]);
  const { world, clock } = times;
  await world.box.otb(["config", "set", "clock.correct=false", "--yes"]);
  await times.start();
  await world.box.until(({ health }) => health.some(({ code }) => code === "clock-wrong"));
  await Promise.all([1, 2].map(() => world.transfer("device1", { bytes: 100_000, seconds: 20 })));
  const { health } = await world.box.until(({ health }) =>
    health.some(({ code }) => code === "peer-rejects")
  );
  assert.match(health.find(({ code }) => code === "peer-rejects")!.message, /clock of this box is wrong/);
  assert.equal(clock.offsetMs, -45_000);
  await world.box.otb(["config", "set", "clock.correct=true", "--yes"]);
  await world.box.until((status) => said(status).state === "set");
  assert.equal((await world.transfer("device1", { bytes: 100_000 })).checksumOk, true);
  await world.box.until(({ health }) => !health.some(({ code }) => code === "peer-rejects"));
});
