// otb as a person meets it, in a terminal: `setup` from nothing to devices on the bond, with wrong answers, left and taken up
// again; then every verb there is, in every phase of the takeover, and away again.
import { strict as assert } from "node:assert";
import { boxVerbs, dhcpAct, dhcpIn, peerVerbs } from "../worlds/every_verb.ts";
import { eventually } from "../worlds/lan.ts";
import { links } from "../bench/measure.ts";
import { readmeCommands, type Walk, walk } from "../worlds/readme.ts";
import { Verbs } from "../worlds/verbs.ts";
import { End, ROOT, SERVER_ADDRESS, SERVER_PORT, World } from "../worlds/world.ts";

/** A dialogue in a terminal of its own (script(1)). */
class Dialogue {
  text = "";
  #at = 0;
  #child: Deno.ChildProcess;
  #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(world: World, state: string, verb = "setup") {
    this.#child = world.lab.spawn("box", [
      ...["script", "--quiet", "--flush", "--return", "--command"],
      // A shell that stays in between would have its own end by Ctrl-C.
      `exec ${ROOT}/otb ${verb} --state ${state}`,
      "/dev/null",
    ], {
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      env: { NO_COLOR: "1", LC_ALL: "C", TERM: "vt100" },
    });
    this.#writer = this.#child.stdin.getWriter();
    const { stdout } = this.#child;
    void (async () => {
      for await (const text of stdout.pipeThrough(new TextDecoderStream())) this.text += text;
    })();
  }

  /** Waits for words after those that were waited for before. */
  async sees(pattern: RegExp): Promise<void> {
    await eventually(`"${pattern}" in:\n${this.text}`, () => {
      const found = pattern.exec(this.text.slice(this.#at));
      if (found) this.#at += found.index + found[0].length;
      return found !== null;
    }, 120_000).catch((error) => {
      throw new Error(`${(error as Error).message}\n---\n${this.text}`);
    });
  }

  async types(text: string): Promise<void> {
    // A prompt takes its keys once it is set up.
    await new Promise((resolve) => setTimeout(resolve, 500));
    await this.#writer.write(new TextEncoder().encode(text));
  }

  /** Its exit status. */
  async ends(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#writer.close().catch(() => {});
    return code;
  }
}

const CTRL_C = "\x03";

Deno.test("otb setup: from nothing to devices on the bond, with wrong answers, left and taken up again; every verb says what it should; away again", async () => {
  await using world = await World.up(`setup${Deno.pid}`, {
    links: links("20/10/5", "20/10/10"),
    modems: [{ dhcp: "dnsmasq" }, { cable: "lan", dhcp: "udhcpd", address: "192.168.1.1/24" }],
  }, { found: true, start: false });
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  const box = new End(world.lab, "box", `${folder}/new`);
  const verbs = new Verbs(box.state), ofPeer = new Verbs(world.cloud.state);
  const hasSystemd = await Deno.stat("/run/systemd/system").then(() => true, () => false);
  const phase = (wanted: string) =>
    box.until(({ plugins }) => plugins.some(({ status }) => status.phase === wanted));
  try {
    await world.cloud.up({}, ["sh", "-c", 'exec "$@" --json >"$0"', `${folder}/cloud-said`]);
    const { joinCode } = await world.cloud.otb(["init", "code"]) as { joinCode: string };

    const first = new Dialogue(world, box.state);
    await first.sees(/Join code/);
    await first.types("not-a-code\n");
    await first.sees(/Cannot [^\n]*\n[^]*Join code/);
    // As a mail breaks it.
    await first.types(joinCode.replace(/.{70}/g, "$&\n") + "\n");
    await first.sees(/✓ Join a peer[^]*Which one leads to your devices\? \[\w+\]/);
    // What is usual is not typed for the person: their own words are not added to it.
    await first.types("lan0\r");
    await first.sees(/own address there: \[192\.168\.\d+\.1\/24\]/);
    await first.types("192.168.100.300/24\r");
    await first.sees(/Cannot [^\n]*\n[^]*Which one leads/);
    await first.types("lan0\r");
    await first.sees(/own address there/);
    await first.types("192.168.100.1/24\r");
    await first.sees(/✓ LAN on lan0, 192\.168\.100\.1\/24/);
    // Where systemd runs it asks whether to start; either way the person leaves.
    await first.sees(/Waiting until it runs|Start otb now/);
    await first.types(CTRL_C);
    assert.notEqual(await first.ends(), 0);

    await box.otb(["config", "set", "dhcp-takeover.silenceSeconds=6", "dhcp-takeover.watchSeconds=5"]);
    const up = new Dialogue(world, box.state, "up");
    await up.sees(/box runs \([^)]*\)\. Look at it with: \S*\/otb --state \S+ status/);
    await box.until(({ plugins }) => plugins.every(({ state }) => state === "ready"));
    await dhcpIn(verbs, "off");
    await dhcpAct(verbs, "text", "undo", "off");

    const second = new Dialogue(world, box.state);
    await second.sees(/✓ Start otb/);
    await second.sees(/✓ Reach the peer[^]*Shall the box give devices their addresses/);
    await second.types("hm\r");
    await second.sees(/Please answer yes or no\. Shall the box/);
    await second.types("\r");
    await second.sees(/192\.168\.1\.1/);
    await second.types(CTRL_C);
    assert.equal(await second.ends(), 1, second.text);
    assert.match(second.text, /Come back with: sudo \S*\/otb --state \S+ setup/);
    await dhcpIn(verbs, "instructions");
    await verbs.text("dhcp recheck", "…");

    const third = new Dialogue(world, box.state);
    // It does not ask again what was begun.
    await third.sees(/Looking who gives addresses[^]*1\. /);
    assert.doesNotMatch(third.text, /Shall the box/);
    await world.lab.dhcp("cable", undefined);
    await third.sees(/making sure that it stays so\.\s+If it does, the box serves addresses in \d s\./);
    await third.sees(/Does it work/);
    await dhcpIn(verbs, "trial");
    await third.types("not yet\r");
    await third.sees(/Please answer yes or no\.[^\n]*Does it work/);
    await third.types("yes\r");
    await third.sees(/✓ Devices use 192\.168\.100\.1 as their gateway[^]*Done\./);
    assert.equal(await third.ends(), 0);
    await verbs.both(
      "setup",
      "✓ Join a peer ✓ LAN on lan0, … ✓ Start otb ✓ Links: … ✓ Reach the peer ✓ Devices use …",
      "steps",
    );
    assert.equal((await world.transfer("device1", { bytes: 1_000_000 })).checksumOk, true);

    await dhcpIn(verbs, "confirmed");
    const link = (await box.status()).links.find(({ found }) => found)!.name;
    await boxVerbs(verbs, link, folder);
    const unsure = new Dialogue(world, box.state, "config set dhcp-takeover.confirmSeconds=700");
    await unsure.sees(/Keep this change\? \[Y\/n\]/);
    await unsure.types("keep it\n");
    await unsure.sees(/Please answer yes or no\. Keep this change\?/);
    await unsure.types("\n");
    await unsure.sees(/Kept\./);
    assert.equal(await unsure.ends(), 0);
    const code = await peerVerbs(ofPeer, folder);
    await verbs.text(`peer join @${code}`, "This box uses the peer … with the new key now.");
    await verbs.json(`peer join @${code}`, "peer");
    await box.until(({ plugins, links }) =>
      plugins.every(({ state }) => state === "ready") && links.some(({ path }) => path?.rttMs !== undefined)
    );
    await bonded(world, verbs);
    await verbs.text(`link test ${link}`, `Link ${link}: # Mbit/s down, # Mbit/s up.`);
    await verbs.refused(`link test ${link}`, "test-too-soon");

    const cable = (kind: "udhcpd" | undefined) => world.lab.dhcp("cable", kind);
    await cable("udhcpd");
    await phase("contested");
    await dhcpIn(verbs, "contested");
    await verbs.json("dhcp recheck", "…");
    await cable(undefined);
    await phase("confirmed");

    // Away again, while devices have nobody else.
    await up.types(CTRL_C);
    await up.sees(/once it stops they reach nothing[^]*otb --state \S+ dhcp undo[^]*Ctrl-C once more/);
    const leaving = new Dialogue(world, box.state, "down");
    await leaving.sees(/reach nothing[^]*within 45 min[^]*Give them back first/);
    await leaving.types("what?\r");
    await leaving.sees(/Please answer yes or no/);
    await leaving.types("yes\r");
    await leaving.sees(/Given back[^]*still runs/);
    assert.equal(await leaving.ends(), 1);
    await dhcpIn(verbs, "given-back");

    // The README from its first command to its last, with the names of this world.
    const commands = readmeCommands();
    const takeover = commands.indexOf("dhcp takeover");
    assert.ok(takeover > 10 && commands.at(-1) === "service remove", commands.join("\n"));
    const other = (await box.status()).links.find(({ name, found }) => found && name !== link)!.name;
    const way: Walk = {
      box: verbs,
      peer: ofPeer,
      names: [
        ...[["eth0", "lan0"], ["192.168.177.1/24", "192.168.100.1/24"], ["wan-eth2", other]] as Walk["names"],
        ...[["eth1", "wan1"], ["192.168.1.2/24", "192.168.11.2/24"]] as Walk["names"],
        ["--gateway 192.168.1.1", "--gateway 192.168.11.1"],
      ],
      folder,
      code,
      hasSystemd,
    };
    await walk(commands.slice(0, takeover + 1), way);
    await dhcpIn(verbs, "checking");
    await phase("trial");
    await dhcpAct(verbs, "text", "confirm", "confirmed");
    await walk(commands.slice(takeover + 1), way);
    await dhcpAct(verbs, "json", "takeover", "checking");
    await phase("trial");
    await dhcpAct(verbs, "json", "confirm", "confirmed");
    await dhcpAct(verbs, "json", "undo", "given-back");

    const away = new Dialogue(world, box.state, "down");
    await away.sees(/the modem's own DHCP server does not answer yet[^]*Leave the box running/);
    await away.types("no\r");
    await away.sees(/Stopped\./);
    assert.equal(await away.ends(), 0);
    assert.equal(await up.ends(), 0);
    verbs.saw("up", "text");
    verbs.saw("down", "text");
    await ofPeer.json("down", "loss remains stopped wasRunning");
    const [said] = (await Deno.readTextFile(`${folder}/cloud-said`)).split("\n");
    assert.deepEqual(Object.keys(JSON.parse(said!)), ["started", "role", "pid"]);
    // Where systemd runs, these would do it; elsewhere the README's walk has seen them refuse.
    if (hasSystemd) {
      for (const verb of ["install", "remove"]) verbs.saw(`service ${verb}`, "text", "json");
    }
    assert.deepEqual(verbs.missing(ofPeer), []);
  } finally {
    await box.down();
    await box.tryOtb(["down"]);
    await Deno.remove(folder, { recursive: true });
  }
});

/** A connection over the bond: nothing is told of it but that it leaves the peer with the peer's address. */
async function bonded(world: World, verbs: Verbs): Promise<void> {
  const running = world.transfer("device1", { seconds: 8 });
  await eventually("the connection is known", async () => {
    const { running } = await verbs.json(`why '192.168.100.10 -> ${SERVER_ADDRESS}:${SERVER_PORT}/tcp'`, "…");
    return running && (assert.equal(running.link, null), assert.ok(!("leavesAs" in running)), true);
  });
  await verbs.text(
    `why '192.168.100.10 -> ${SERVER_ADDRESS}:${SERVER_PORT}/tcp'`,
    "… goes through the peer, with the peer's address.…",
  );
  assert.equal((await running).error, undefined);
}
