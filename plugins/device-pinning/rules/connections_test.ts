// What the table does to connections that run while settings, links and the peer change, in a real kernel.
import { strict as assert } from "node:assert";
import { compile, type Wish } from "./compile.ts";
import { CONNECTION_MARK, RULE_SHIFT } from "@otb/plugin";
import { NOTHING } from "../flows/kernel.ts";
import { Box, MAC, QUIET, settings, way, wish } from "../testing/pinning.ts";

const { moves: MOVES, decided: DECIDED, open: OPEN, tunnelled: TUNNELLED } = CONNECTION_MARK;

function inKernel(name: string) {
  return { name, ignore: Deno.uid() !== 0 || Deno.build.os !== "linux" };
}

Deno.test(inKernel("a decision holds for the whole connection, until its link is dead"), async () => {
  await using box = await Box.up();
  const config = settings({ rules: [{ name: "tv", match: { device: MAC }, way: "link", link: "cable" }] });
  const listen = `const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
    for await (const _ of Deno.stdin.readable) {
      await socket.send(new Uint8Array(8), { transport: "udp", hostname: "10.9.9.9", port: 9 }).catch(() => {});
      console.log("sent");
    }`;
  await box.load(compile(wish(config), NOTHING));
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, listen);
  const child = new Deno.Command("ip", {
    args: [
      "netns",
      "exec",
      box.device,
      Deno.execPath(),
      "run",
      "-A",
      "--quiet",
      "--no-lock",
      "--unstable-net",
      file,
    ],
    stdin: "piped",
    stdout: "piped",
    env: QUIET,
  }).spawn();
  const writer = child.stdin.getWriter();
  const reader = child.stdout.getReader();
  try {
    const sendBy = async () => {
      const before = await box.left();
      await writer.write(new TextEncoder().encode("now\n"));
      await reader.read();
      const after = await box.left();
      const ways = ["wan1", "wan2", "otb0"] as const;
      return ways.find((way) => after[way] > before[way]) ?? "none";
    };
    assert.equal(await sendBy(), "wan2");
    // The rule is gone, the connection goes on.
    await box.load(compile(wish(settings({})), NOTHING));
    assert.equal(await sendBy(), "wan2");
    const tracked = await box.inBox(["conntrack", "-L", "-p", "udp", "--orig-dst", "10.9.9.9"]);
    assert.equal(Number(/mark=(\d+)/.exec(tracked)?.[1]) >>> 0, 2 ** RULE_SHIFT + DECIDED + 0x200);
    assert.match(tracked, /dst=192\.168\.12\.2/);
    const ways = [way("fibre", 1), way("cable", 2, { usable: false })];
    await box.load(compile(wish(config, { ways }), NOTHING));
    assert.equal(await sendBy(), "none");
    await box.inBox(["conntrack", "-D", "-m", "0x200/0xff00"]);
    assert.equal(await sendBy(), "otb0");
    // So it is with the tunnel: on until it is down, then past it.
    await box.load(compile(wish(config, { ways, tunnel: { state: "down" } }), NOTHING));
    assert.equal(await sendBy(), "otb0");
    await box.inBox(["conntrack", "-D", "-m", `${TUNNELLED}/${TUNNELLED}`]);
    assert.equal(await sendBy(), "wan1");
    // And that it keeps, too.
    await box.load(compile(wish(config, { ways }), NOTHING));
    assert.equal(await sendBy(), "wan1");
  } finally {
    await writer.close();
    await reader.cancel();
    await child.status;
    await Deno.remove(file);
  }
});

/** Sockets of the device that each send one datagram to 10.9.9.9 when they are told to. */
class Talkers implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(private readonly box: Box) {
    this.#child = new Deno.Command("ip", {
      args: [
        ...["netns", "exec", box.device, Deno.execPath(), "eval", "--unstable-net"],
        `const sockets = [0, 1].map(() =>
          Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 }));
        for await (const [which] of Deno.stdin.readable) {
          await sockets[which].send(new Uint8Array(8), { transport: "udp", hostname: "10.9.9.9", port: 9 }).catch(() => {});
          console.log("sent");
        }`,
      ],
      stdin: "piped",
      stdout: "piped",
      env: QUIET,
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.getReader();
  }

  /** By which way what one says leaves. */
  async by(which: 0 | 1): Promise<string> {
    const before = await this.box.left();
    await this.#writer.write(Uint8Array.of(which));
    await this.#reader.read();
    const after = await this.box.left();
    return (["wan1", "wan2", "otb0"] as const).find((way) => after[way] > before[way]) ?? "none";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#reader.cancel();
    await this.#child.status;
  }
}

Deno.test(
  inKernel("who is not TCP changes between the tunnel and the way past it when it speaks, and not before"),
  async () => {
    await using box = await Box.up();
    await using talkers = new Talkers(box);
    const load = (moving: Wish["moving"], state: Wish["tunnel"]["state"]) =>
      box.load(compile(wish(settings({}), { moving, tunnel: { state } }), NOTHING));
    const flows = async () => {
      const text = await box.inBox(["conntrack", "-L", "-p", "udp", "--orig-dst", "10.9.9.9"]);
      return text.split("\n").filter(Boolean).length;
    };
    /** What the plugin does while things move. */
    const forget = (bit: number) =>
      box.inBox(["conntrack", "-D", "-m", `${MOVES | bit}/${MOVES | bit}`]).catch(() => "");
    await load(undefined, "up");
    assert.deepEqual([await talkers.by(0), await talkers.by(1)], ["otb0", "otb0"]);
    await load("doubted", "waiting");
    assert.equal(await talkers.by(0), "otb0");
    await load("leaving", "down");
    await forget(TUNNELLED);
    assert.equal(await flows(), 1, "the silent one is still known, and can be called");
    assert.equal(await talkers.by(0), "wan1", "who spoke before has moved at once");
    assert.equal(await talkers.by(1), "none", "who speaks only now is held up for a moment");
    await forget(TUNNELLED);
    assert.equal(await talkers.by(1), "wan1");
    await load("soon", "up");
    assert.equal(await talkers.by(0), "wan1", "the tunnel may go again");
    await load("returning", "up");
    await forget(OPEN);
    assert.equal(await flows(), 1, "the silent one is still known where it is");
    assert.deepEqual([await talkers.by(0), await talkers.by(1)], ["otb0", "none"]);
    await forget(OPEN);
    assert.equal(await talkers.by(1), "otb0");
    await forget(OPEN);
    assert.equal(await flows(), 2, "who is back is left alone");
  },
);

Deno.test(
  inKernel("while no peer answers the proxy, what it held is reset, and what it takes anew is not"),
  async () => {
    await using box = await Box.up();
    const ffi = new URL("../../../core/native/ffi.ts", import.meta.url).href;
    const proxy = new Deno.Command("ip", {
      args: ["netns", "exec", box.box, Deno.execPath(), "run", "-A", "--quiet", "-"],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const device = new Deno.Command("ip", {
      args: ["netns", "exec", box.device, Deno.execPath(), "run", "-A", "--quiet", "--no-lock", "-"],
      stdin: "piped",
      stdout: "piped",
    });
    const children = [proxy];
    /** A device's connection: greeted, it says something once more when the file is there, and prints what came of it. */
    const connecting = (file: string) => {
      const child = device.spawn();
      children.push(child);
      void say(
        child.stdin,
        `const connection = await Deno.connect({ hostname: "203.0.113.10", port: 80 });
        await connection.read(new Uint8Array(9));
        console.log("greeted");
        while (!await Deno.stat("${file}").catch(() => {})) await new Promise((resolve) => setTimeout(resolve, 20));
        await connection.write(new Uint8Array(1));
        console.log(await connection.read(new Uint8Array(9)).catch((error) => error.name));`,
      );
      return child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    };
    const folder = await Deno.makeTempDir();
    try {
      void say(
        proxy.stdin,
        `import { ADDRESS_BYTES, decodeAddress, openNative } from "${ffi}";
        const native = openNative(), address = new Uint8Array(ADDRESS_BYTES);
        const { fd } = native.listen({ host: "127.0.0.1", port: 0 }, { transparent: true });
        native.localAddress(fd, address);
        console.log(decodeAddress(address).port);
        const open = [];
        for (;;) {
          const taken = native.accept(fd, address, address);
          if (taken >= 0) native.write(taken, new Uint8Array(2), 0, 2);
          for (const one of open) if (native.read(one, new Uint8Array(9), 0, 9) > 0) native.write(one, new Uint8Array(3), 0, 3);
          if (taken >= 0) open.push(taken);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }`,
      );
      const port = Number((await proxy.stdout.pipeThrough(new TextDecoderStream()).getReader().read()).value);
      await box.ip(box.box, [
        "link set lo up",
        "rule add fwmark 0x10000/0x10000 lookup 1157 priority 157",
        "route add local default dev lo table 1157",
      ]);
      await box.inBox(
        ["nft", "-f", "-"],
        `table ip proxy { chain prerouting { type filter hook prerouting priority mangle;
          iifname "lan0" meta l4proto tcp tproxy to 127.0.0.1:${port} meta mark set meta mark or 0x10000 accept
        }
        }`,
      );
      await box.load(compile(wish(settings({})), NOTHING));
      const held = connecting(`${folder}/held`);
      assert.equal((await held.read()).value, "greeted\n");
      await box.load(compile(wish(settings({}), { proxyGone: true }), NOTHING));
      await box.inBox(["conntrack", "-D", "-m", `${DECIDED}/${DECIDED}`]);
      const anew = connecting(`${folder}/anew`);
      assert.equal((await anew.read()).value, "greeted\n", "the proxy may be back before this table knows");
      await Deno.writeTextFile(`${folder}/held`, "");
      assert.equal((await held.read()).value, "ConnectionReset\n");
      await Deno.writeTextFile(`${folder}/anew`, "");
      assert.equal((await anew.read()).value, "3\n");
    } finally {
      for (const child of children) {
        try {
          child.kill("SIGKILL");
        } catch {
          // It ended by itself.
        }
        await child.status;
      }
      await Deno.remove(folder, { recursive: true });
    }
  },
);

async function say(to: WritableStream<Uint8Array<ArrayBuffer>>, text: string): Promise<void> {
  const writer = to.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
}
