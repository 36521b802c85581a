// `otb setup` as a person meets it, in a terminal: from nothing to devices on the bond, with wrong answers, left and taken up again.
import { strict as assert } from "node:assert";
import { eventually } from "../lan.ts";
import { links } from "../measure.ts";
import { End, ROOT, World } from "../world.ts";

/** A dialogue in a terminal of its own (script(1)). */
class Dialogue {
  text = "";
  #at = 0;
  #child: Deno.ChildProcess;
  #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(world: World, state: string) {
    this.#child = world.lab.spawn("box", [
      ...["script", "--quiet", "--flush", "--return", "--command"],
      // A shell that stays in between would have its own end by Ctrl-C.
      `exec ${ROOT}/otb setup --state ${state}`,
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

Deno.test("otb setup: from nothing to devices on the bond, with wrong answers, left by Ctrl-C and taken up again", async () => {
  await using world = await World.up(`setup${Deno.pid}`, {
    links: links("20/10/5", "20/10/10"),
    modems: [{ dhcp: "dnsmasq" }, { cable: "lan", dhcp: "udhcpd", address: "192.168.1.1/24" }],
  }, { found: true, start: false });
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  const box = new End(world.lab, "box", `${folder}/new`);
  try {
    await world.cloud.up();
    const { joinCode } = await world.cloud.otb(["init", "code"]) as { joinCode: string };

    const first = new Dialogue(world, box.state);
    await first.sees(/Join code/);
    await first.types("not-a-code\r");
    await first.sees(/Cannot [^\n]*\n[^]*Join code/);
    await first.types(`${joinCode}\r`);
    await first.sees(/✓ Join a peer[^]*Which one leads to your devices\?/);
    await first.types("\x15lan0\r");
    await first.sees(/own address there/);
    await first.types("\x15192.168.100.300/24\r");
    await first.sees(/Cannot [^\n]*\n[^]*Which one leads/);
    await first.types("\x15lan0\r");
    await first.sees(/own address there/);
    await first.types("\x15192.168.100.1/24\r");
    await first.sees(/✓ LAN on lan0, 192\.168\.100\.1\/24/);
    // Where systemd runs it asks whether to start; either way the person leaves.
    await first.sees(/Waiting until it runs|Start otb now/);
    await first.types(CTRL_C);
    assert.notEqual(await first.ends(), 0);

    await box.otb(["config", "set", "dhcp-takeover.silenceSeconds=4"]);
    await box.up();
    const second = new Dialogue(world, box.state);
    await second.sees(/✓ Start otb/);
    await second.sees(/✓ Reach the peer[^]*Shall the box give devices their addresses/);
    await second.types("\r");
    await second.sees(/192\.168\.1\.1/);
    await second.types(CTRL_C);
    assert.equal(await second.ends(), 1, second.text);
    assert.match(second.text, /Come back with: sudo otb setup/);

    const third = new Dialogue(world, box.state);
    // It does not ask again what was begun.
    await third.sees(/Looking who gives addresses[^]*1\. /);
    assert.doesNotMatch(third.text, /Shall the box/);
    await world.lab.dhcp("cable", undefined);
    await third.sees(/Does it work/);
    await third.types("yes\r");
    await third.sees(/✓ Devices use 192\.168\.100\.1 as their gateway[^]*Done\./);
    assert.equal(await third.ends(), 0);

    const { steps } = JSON.parse((await box.tryOtb(["setup"])).stdout) as { steps: { done: boolean }[] };
    assert.ok(steps.every(({ done }) => done));
    assert.equal((await world.transfer("device1", { bytes: 1_000_000 })).checksumOk, true);
  } finally {
    await box.down();
    await Deno.remove(folder, { recursive: true });
  }
});
