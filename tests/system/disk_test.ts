// A disk that takes nothing: the box goes on, says so in one condition, and has lost nothing when there is room again.
import { strict as assert } from "node:assert";
import { DatabaseSync } from "node:sqlite";
import { SmallDisk } from "../lab/disk.ts";
import { Lines } from "../lab/programs.ts";
import { House, pidOf } from "../worlds/lan.ts";
import { ALONE, LAN } from "../worlds/takeover.ts";

const CODE = "state-not-written";

/** A box that serves its LAN from a state on a small disk, and a device that asks for the box's name all the time. */
class Box {
  private constructor(
    readonly house: House,
    readonly disk: SmallDisk,
    readonly state: string,
    private readonly folder: string,
    private readonly asker: Lines,
  ) {}

  static async up(name: string, kind: "full" | "failing"): Promise<Box> {
    const folder = await Deno.makeTempDir({ prefix: "otb" });
    const disk = await SmallDisk.make(folder, kind);
    const state = `${disk.path}/box`;
    const house = await House.up(`${name}${Deno.pid}`, LAN, { state });
    await house.box.otb(["config", "set", ...ALONE]);
    await house.box.up();
    await house.box.until(({ plugins }) => plugins.some(({ status }) => status.serving === "confirmed"));
    await house.station("asker", "192.168.100.9/24");
    const asker = new Lines(house, "asker", ["tests/lab/dns_asker.ts", "192.168.100.1", "20", "otb.local"]);
    await asker.next(({ asking }) => asking === true);
    return new Box(house, disk, state, folder, asker);
  }

  /** The disk takes nothing from here on, also not where a log of the database has room of its own. */
  fill(): void {
    const db = new DatabaseSync(`${this.state}/otb.db`);
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    db.close();
    this.disk.fill();
  }

  /** Kills a plugin and waits until it is ready again. */
  async kill(plugin: string): Promise<void> {
    const { box } = this.house;
    const { pid } = (await box.status()).plugins.find(({ name }) => name === plugin)!;
    Deno.kill(pid!, "SIGKILL");
    await box.until(({ plugins }) =>
      plugins.some((one) => one.name === plugin && one.state === "ready" && (one.pid ?? pid) !== pid)
    );
  }

  /** Names that were asked for and not answered since the start. */
  async lost(): Promise<number[]> {
    const told = this.asker.next<{ asked: number; lost: number[] }>((line) => "asked" in line);
    await this.asker.write("enough");
    const { asked, lost } = await told;
    assert.ok(asked > 40, `${asked} asked`);
    return lost;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.asker.stop();
    await this.house.down();
    await this.disk.close();
    await Deno.remove(this.folder, { recursive: true });
  }
}

Deno.test("a full disk while every plugin is killed: the core lives, no name is lost, and all is kept once there is room", async () => {
  await using it = await Box.up("full", "full");
  const { box } = it.house;
  const before = await box.status();
  const dnsmasq = await pidOf(it.house, "dnsmasq");
  it.fill();
  await box.until(({ health }) => health.some(({ code }) => code === CODE));
  // Who is not wanted now has no process.
  for (const { name, pid } of before.plugins) if (pid !== undefined) await it.kill(name);
  await it.kill("dhcp-takeover");
  const refused = await box.tryOtb(["config", "set", "dhcp-takeover.leaseSeconds=7200", "--yes"]);
  assert.match(refused.stdout + refused.stderr, /"disk-full"/);
  const during = await box.status();
  assert.equal(during.pid, before.pid);
  const told = during.health.filter(({ code }) => code === CODE);
  assert.equal(told.length, 1);
  assert.match(told[0]!.message + told[0]!.next, /is full.*traffic goes on.*Free some room/);
  assert.ok(Deno.statSync(`${it.state}/run/journal`).isFile, "no claim was written while the disk was full");

  it.disk.free();
  await box.until(({ health }) => !health.some(({ code }) => code === CODE));
  assert.throws(() => Deno.statSync(`${it.state}/run/journal`), Deno.errors.NotFound);
  assert.deepEqual(await it.lost(), []);
  assert.equal(await pidOf(it.house, "dnsmasq"), dnsmasq);
  assert.ok((await box.tryOtb(["config", "set", "dhcp-takeover.leaseSeconds=7200", "--yes"])).success);
  assert.equal((await box.status()).pid, before.pid);
});

Deno.test("a disk that fails, and can only be read then: the same, and the next core starts from it", async () => {
  await using it = await Box.up("eio", "failing");
  const { box } = it.house;
  const { pid } = await box.status();
  it.fill();
  // Whoever writes next finds out.
  await it.kill("dhcp-takeover");
  await box.tryOtb(["config", "set", "dhcp-takeover.leaseSeconds=7200", "--yes"]);
  await it.kill("mptcp-scheduler");
  const { health } = await box.until(({ health }) => health.some(({ code }) => code === CODE));
  assert.match(health.find(({ code }) => code === CODE)!.next!, /dmesg/);
  assert.equal((await box.status()).pid, pid);
  Deno.kill(pid, "SIGKILL");
  await box.gone();
  await box.up();
  assert.notEqual((await box.status()).pid, pid);
  assert.deepEqual(await it.lost(), []);
});
