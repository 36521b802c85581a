// Operators that change a link's public address, or carry less than they say: TCP goes on over it at once, by either transport.
import { strict as assert } from "node:assert";
import { links, median } from "../bench/measure.ts";
import { SERVER_ADDRESS, TRANSPORTS, World } from "../worlds/world.ts";

const IDLE_PORT = 9000;

Deno.test("a new public address: the link carries again, whatever the modem does with what it knew; the silent are heard after both have one", async () => {
  await using world = await World.up(`address${Deno.pid}`, { links: links("20/10/10", "20/10/15") });
  for (const transport of TRANSPORTS) {
    await world.over(transport);
    for (const nat of ["picks up", "resets", "drops"] as const) {
      await carriesOn(world, `${transport}, a NAT that ${nat}`, nat);
    }
    await idleIsHeard(world, transport);
  }
});

/** Fails unless a download of ten seconds has a good part over the link whose address changed after two. */
async function carriesOn(world: World, name: string, nat: "picks up" | "resets" | "drops"): Promise<void> {
  await world.box.until(({ links }) => links.every(({ path }) => path?.state === "active"));
  const carried = async () => (await world.lab.counters()).map(({ down }) => down.bytes);
  let before: Promise<number[]> | undefined;
  const result = await world.transfer("device1", {
    bytes: 40_000_000,
    onProgress({ bytes }) {
      if (bytes < 8_000_000) return;
      before ??= world.lab.readdress("fibre", nat).then(carried);
    },
  });
  assert.equal(result.checksumOk, true, `${name}: ${result.error}`);
  const at = await before!, [fibre, cable] = (await carried()).map((bytes, index) => bytes - at[index]!);
  const share = fibre! / (fibre! + cable!);
  console.log(
    `${name}: the link had ${(share * 100).toFixed(0)} % of what came after; longest stall ${
      result.longestStallMs.toFixed(0)
    } ms`,
  );
  assert.ok(share > 0.25, `${name}: the link had ${share} of what came after its address changed`);
}

/** Fails unless what a server says to a silent device comes, after both links had a new address. */
async function idleIsHeard(world: World, transport: string): Promise<void> {
  const go = await Deno.makeTempFile({ prefix: "otb-go" });
  const run = (role: string, code: string) =>
    world.lab.spawn(role, [Deno.execPath(), "eval", code], {
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    });
  const server = run(
    "server",
    `const listener = Deno.listen({ hostname: "0.0.0.0", port: ${IDLE_PORT} });
     console.log("listening");
     const c = await listener.accept();
     await c.read(new Uint8Array(9));
     while (Deno.statSync("${go}").size === 0) await new Promise((done) => setTimeout(done, 100));
     await c.write(new TextEncoder().encode("late"));
     await c.read(new Uint8Array(9));
     Deno.exit();`,
  );
  const said = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assert.match((await said.read()).value ?? "", /listening/);
  const device = run(
    "device1",
    `const c = await Deno.connect({ hostname: "${SERVER_ADDRESS}", port: ${IDLE_PORT} });
     await c.write(new TextEncoder().encode("hello"));
     console.log("connected");
     const bytes = new Uint8Array(9);
     console.log(new TextDecoder().decode(bytes.subarray(0, await c.read(bytes))));
     c.close();`,
  );
  const heard = device.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    assert.match((await heard.read()).value ?? "", /connected/);
    const before = new Map(
      (await world.box.status()).tunnel!.paths.map((path) => [path.link, path.publicAddress]),
    );
    for (const { name } of world.lab.links) await world.lab.readdress(name, "drops");
    await world.box.until(({ links, tunnel }) =>
      links.every(({ path }) => path?.state === "active") &&
      tunnel!.paths.every(({ link, state, publicAddress }) =>
        state === "up" && publicAddress !== before.get(link)
      )
    );
    await Deno.writeTextFile(go, "go");
    assert.match((await heard.read()).value ?? "", /late/, `${transport}: what the server said did not come`);
  } finally {
    await Promise.all([said.cancel(), heard.cancel()]);
    for (const child of [device, server]) {
      try {
        child.kill();
      } catch { /* it ended */ }
      await child.status;
    }
    await Deno.remove(go);
  }
}

Deno.test("links that carry less than they say are used with what they carry from the first segment, both ways", async () => {
  await using world = await World.up(`narrow${Deno.pid}`, { links: links("20/10/10", "20/10/15") });
  const page = async (upload: boolean) => {
    const ms: number[] = [];
    for (let turn = 0; turn < 5; turn++) {
      const result = await world.transfer("device1", { bytes: 60_000, upload });
      assert.equal(result.checksumOk, true, result.error);
      ms.push(result.ms);
    }
    return median(ms);
  };
  const pages = async () => {
    const ms: number[] = [];
    for (const transport of TRANSPORTS) {
      await world.over(transport);
      ms.push(await page(false), await page(true));
    }
    return ms;
  };
  const whole = await pages();
  await world.box.down();
  await world.lab.set("fibre", { wholeBytes: 1400 });
  await world.lab.set("cable", { wholeBytes: 1300 });
  await world.box.up();
  await untilRoutes(world, [1280, 1400]);
  const narrow = await pages();
  console.log(`pages of 60 kB, down and up by ${TRANSPORTS}: ${whole}, with narrow links ${narrow} ms`);
  for (const [index, ms] of narrow.entries()) {
    assert.ok(ms < 2 * whole[index]!, `${narrow} ms instead of ${whole}`);
  }
});

/** Waits until the routes of the links' tables are bound to these sizes. */
async function untilRoutes(world: World, sizes: number[]): Promise<void> {
  for (;;) {
    const { stdout } = await world.lab.spawn("box", ["ip", "route", "show", "table", "all"], {
      stdout: "piped",
    }).output();
    const found = [...new TextDecoder().decode(stdout).matchAll(/^default .*table 100\d .*mtu (\d+)/gm)];
    if (found.map(([, size]) => Number(size)).sort().join() === sizes.join()) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
