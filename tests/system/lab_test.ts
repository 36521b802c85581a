// The lab against its own promises: rate, delay, loss, queue, cut, stripping, neighbours and leftovers. Needs root.
import assert from "node:assert/strict";
import { SERVER_IPV6 } from "../lab/ipv6.ts";
import { Lab, type LabSpec, type LinkSpec, sweepDeadLabs } from "../lab/lab.ts";
import { Traffic } from "../lab/traffic.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
const RUN = [Deno.execPath(), "run", "-A", "--quiet", "--no-lock", `--config=${ROOT}/deno.json`];
/** TCP payload in a full packet with timestamps: what a rate in IP bytes leaves for goodput. */
const PAYLOAD_SHARE = 1448 / 1500;
const root = Deno.uid() === 0;

const unique = () => `t${crypto.randomUUID().replaceAll("-", "").slice(0, 8)}`;
const link = (name: string, mbps: number, delayMs: number, more: Partial<LinkSpec> = {}): LinkSpec => ({
  name,
  downMbps: mbps,
  upMbps: mbps,
  delayMs,
  ...more,
});

async function withLab(links: LinkSpec[], body: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await Lab.up(unique(), { links, owner: true });
  try {
    await body(lab);
  } finally {
    await lab.down();
  }
}

function test(name: string, body: () => Promise<void>): void {
  Deno.test({ name, ignore: !root, fn: body });
}

/** Runs a program to its end in a namespace and returns its last line as JSON. */
async function ask<T>(lab: Lab, role: string, command: string[]): Promise<T> {
  const child = lab.spawn(role, command, { stdin: "null", stdout: "piped", stderr: "piped" });
  const { stdout, stderr } = await child.output();
  const last = new TextDecoder().decode(stdout).trim().split("\n").at(-1)!;
  assert.notEqual(last, "", new TextDecoder().decode(stderr));
  return JSON.parse(last);
}

/** The lab's Internet server, ready; ends with `using`. */
async function serve(lab: Lab): Promise<AsyncDisposable> {
  const child = lab.spawn("server", [...RUN, `${ROOT}/tests/lab/server.ts`, "--port", "8080"], {
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  });
  const reader = child.stdout.getReader();
  await reader.read();
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    },
  };
}

interface Outcome {
  mbps: number;
  bytes: number;
  checksumOk?: boolean;
  longestStallMs: number;
  error?: string;
}

function transfer(lab: Lab, role: string, ...words: string[]): Promise<Outcome> {
  return ask(lab, role, [...RUN, `${ROOT}/tests/lab/client.ts`, "--url", "203.0.113.10:8080", ...words]);
}

/** Milliseconds of TCP handshakes, sorted. */
function handshakes(lab: Lab, role: string, count: number, pauseMs = 0): Promise<number[]> {
  const script = `const all = [];
    for (let i = 0; i < ${count}; i++) {
      const t = performance.now();
      (await Deno.connect({ hostname: "203.0.113.10", port: 8080 })).close();
      all.push(performance.now() - t);
      await new Promise((r) => setTimeout(r, ${pauseMs}));
    }
    console.log(JSON.stringify(all.sort((a, b) => a - b)));`;
  return ask(lab, role, [Deno.execPath(), "eval", "--no-lock", script]);
}

test("a modem whose DHCP server does not start is told of, and not taken for one without a server", async () => {
  const name = unique();
  const up = Lab.up(name, {
    links: [link("fibre", 10, 5)],
    modems: [{ dhcp: "isc", pool: ["10.9.9.1", "10.9.9.2"] }],
    owner: true,
  });
  await assert.rejects(up, { code: "lab-failed", message: /isc of fibre ended with 1:/ });
  assert.ok(!Lab.list().includes(name));
});

test("a link carries its rate in both directions, at 5, 50, 200 and 500 Mbit/s", () =>
  withLab([link("a", 5, 2), link("b", 50, 5), link("c", 200, 5), link("d", 500, 1)], async (lab) => {
    await using _server = await serve(lab);
    for (const [index, { downMbps }] of lab.links.entries()) {
      for (const words of [[], ["--upload"]]) {
        const { mbps } = await transfer(lab, `solo${index + 1}`, "--seconds", "3", "--skip", "1", ...words);
        const ratio = mbps / (downMbps * PAYLOAD_SHARE);
        console.log(`  ${downMbps} Mbit/s ${words[0] ?? "--download"}: ${ratio.toFixed(3)} of the rate`);
        assert.ok(ratio > 0.95 && ratio < 1.02, `${downMbps} Mbit/s ${words}: ${ratio}`);
      }
    }
  }));

test("a round trip takes twice the delay", () =>
  withLab([link("near", 100, 0), link("far", 100, 40)], async (lab) => {
    await using _server = await serve(lab);
    const [near, far] = [await handshakes(lab, "solo1", 20), await handshakes(lab, "solo2", 20)];
    const added = far[10]! - near[10]!;
    assert.ok(added > 79 && added < 84, `80 ms asked for, ${added} ms measured`);
  }));

test("a full queue delays by its length over the rate and no more", () =>
  withLab([link("a", 10, 5, { queueBytes: 125_000 })], async (lab) => {
    await using _server = await serve(lab);
    // Several at once, as one alone leaves slow start before the queue is full.
    const load = [1, 2, 3, 4].map(() => transfer(lab, "solo1", "--seconds", "4"));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const times = await handshakes(lab, "solo1", 8, 50);
    await Promise.all(load);
    // The median: a handshake that the queue itself dropped comes a second later.
    assert.ok(times[4]! < 125, `100 ms of queue and 10 ms of delay: ${times} ms`);
    assert.ok(times[4]! > 40, `the queue never filled: ${times} ms`);
    assert.ok((await lab.counters())[0]!.down.droppedQueue > 0);
  }));

test("loss is what was asked for, and every byte still arrives right", () =>
  withLab([link("a", 100, 1, { lossPercent: 5 })], async (lab) => {
    await using _server = await serve(lab);
    const { checksumOk } = await transfer(lab, "solo1", "--bytes", "8000000");
    assert.equal(checksumOk, true);
    const { packets, droppedLoss, droppedQueue } = (await lab.counters())[0]!.down;
    const offered = packets + droppedLoss + droppedQueue;
    const fiveSigma = 5 * Math.sqrt(offered * 0.05 * 0.95);
    assert.ok(
      offered > 5000 && Math.abs(droppedLoss - offered * 0.05) < fiveSigma,
      `${droppedLoss}/${offered}`,
    );
  }));

test("a cut is silent and a restored link goes on", () =>
  withLab([link("a", 20, 5)], async (lab) => {
    await using _server = await serve(lab);
    const moving = transfer(lab, "solo1", "--bytes", "5000000");
    // In the middle of it, however long the client takes to start.
    while ((await lab.counters())[0]!.down.bytes < 1_000_000) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await lab.cut("a");
    const carrier = await ask<{ operstate: string }[]>(lab, "modem1", ["ip", "-j", "link", "show", "wan"]);
    await new Promise((resolve) => setTimeout(resolve, 700));
    await lab.restore("a");
    const { checksumOk, longestStallMs, error } = await moving;
    assert.equal(carrier[0]!.operstate, "UP");
    assert.equal(error, undefined);
    assert.equal(checksumOk, true);
    assert.ok(longestStallMs >= 650, `it stalled for ${longestStallMs} ms only`);
    assert.ok((await lab.counters())[0]!.down.droppedCut > 0);
  }));

test("a modem that strips MPTCP makes it fall back, another does not", () =>
  withLab([link("clean", 50, 1), link("strips", 50, 1, { stripMptcp: true })], async (lab) => {
    const native = `import { openNative } from "${ROOT}/core/native/ffi.ts"; const native = openNative();`;
    const listener = lab.spawn("server", [
      Deno.execPath(),
      "eval",
      "--no-lock",
      `${native} native.listen({ host: "0.0.0.0", port: 8080 }, { mptcp: true });
       console.log("up"); setInterval(() => {}, 1000);`,
    ], { stdin: "null", stdout: "piped", stderr: "inherit" });
    const reader = listener.stdout.getReader();
    await reader.read();
    const client = `${native}
      const { fd } = native.connect({ host: "203.0.113.10", port: 8080 }, { mptcp: true });
      await new Promise((r) => setTimeout(r, 300));
      console.log(JSON.stringify({ result: native.connectResult(fd), mptcp: native.isMptcp(fd) }));`;
    try {
      for (const [role, mptcp] of [["solo1", true], ["solo2", false]] as const) {
        assert.deepEqual(await ask(lab, role, [Deno.execPath(), "eval", "--no-lock", client]), {
          result: 0,
          mptcp,
        });
      }
    } finally {
      listener.kill("SIGKILL");
      await reader.cancel();
      await listener.status;
    }
  }));

/** Runs a body with what sends datagrams and QUIC in a lab. */
async function withTraffic(
  links: LinkSpec[],
  spec: Partial<LabSpec>,
  body: (lab: Lab, traffic: Traffic) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  const lab = await Lab.up(unique(), { links, owner: true, ...spec });
  const traffic = new Traffic(lab, "203.0.113.10", folder);
  try {
    await body(lab, traffic);
  } finally {
    await traffic.stop();
    await lab.down();
    await Deno.remove(folder, { recursive: true });
  }
}

test("datagrams are counted both ways with their rate, delay and loss, and the address they came from", () =>
  withTraffic([link("a", 20, 30), link("lossy", 20, 5, { lossPercent: 5 })], {}, async (_, traffic) => {
    const options = { up: { mbps: 4, bytes: 500 }, down: { mbps: 8, bytes: 1000 }, seconds: 3 };
    const { up, down, seenFrom } = await traffic.datagrams("solo1", { ...options, localPort: 5000 });
    assert.deepEqual(seenFrom, ["198.18.1.2:5000"]);
    for (const [found, mbps] of [[up!, 4], [down!, 8]] as const) {
      assert.deepEqual([found.sent, found.lost, found.reordered, found.duplicates, found.damaged], [
        3000,
        0,
        0,
        0,
        0,
      ]);
      assert.ok(Math.abs(found.mbps - mbps) < mbps / 10, `${found.mbps} of ${mbps} Mbit/s`);
      assert.ok(found.delayMs.min > 30 && found.delayMs.min < 32, `${found.delayMs.min} ms`);
    }
    const lossy = await traffic.datagrams("solo2", { ...options, flows: 20 });
    for (const { sent, lost } of [lossy.up!, lossy.down!]) {
      assert.ok(Math.abs(lost - sent * 0.05) < 5 * Math.sqrt(sent * 0.05 * 0.95), `${lost} of ${sent}`);
    }
    assert.equal(lossy.seenFrom.length, 20);
  }));

test("a cut is a gap in a flow of datagrams, as long as it lasts; one without end is one too", () =>
  withTraffic([link("a", 20, 5)], {}, async (lab, traffic) => {
    let cutMs = 0;
    const stages: Promise<void>[] = [];
    const { down } = await traffic.datagrams("solo1", {
      down: { packetsPerSecond: 200, bytes: 200 },
      seconds: 3,
      onProgress: ({ received }) => {
        if (received < 100 || stages.length > 0) return;
        stages.push((async () => {
          const startMs = performance.now();
          await lab.cut("a");
          await new Promise((resolve) => setTimeout(resolve, 400));
          await lab.restore("a");
          cutMs = performance.now() - startMs;
        })());
      },
    });
    await Promise.all(stages);
    assert.ok(
      cutMs >= 400 && Math.abs(down!.longestGapMs - cutMs) < 150,
      `${down!.longestGapMs} of ${cutMs}`,
    );
    const ending = traffic.datagrams("solo1", { down: { packetsPerSecond: 200, bytes: 200 }, seconds: 3 });
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await lab.cut("a");
    assert.ok((await ending).down!.longestGapMs > 500, `${(await ending).down!.longestGapMs}`);
  }));

test("nobody who answers datagrams is an error, not a report of zeros", () =>
  withTraffic([link("a", 20, 5)], {}, async (lab, traffic) => {
    await lab.cut("a");
    await assert.rejects(
      traffic.datagrams("solo1", {
        down: { packetsPerSecond: 10, bytes: 100 },
        seconds: 1,
        patienceSeconds: 1,
      }),
      /0 of 1 greetings/,
    );
  }));

test("QUIC fills a link, and one packet too large for a black hole vanishes without a word", () =>
  withTraffic([link("a", 20, 10, { wholeBytes: 1400 })], {}, async (lab, traffic) => {
    // It finds by itself that 1452 do not pass.
    const { mbps, error } = await traffic.quic("solo1", { seconds: 4, skipSeconds: 2 });
    assert.ok(error === undefined && mbps > 17 && mbps < 20, `${mbps} Mbit/s ${error ?? ""}`);
    const size = async (bytes: number) => {
      const flow = { packetsPerSecond: 50, bytes };
      const { up, down } = await traffic.datagrams("solo1", {
        up: flow,
        down: flow,
        seconds: 1,
        whole: true,
      });
      return [up!, down!].map(({ received, sent }) => received / sent);
    };
    assert.deepEqual(await size(1400 - 28), [1, 1]);
    assert.deepEqual(await size(1401 - 28), [0, 0]);
    await lab.set("a", { wholeBytes: undefined });
    assert.deepEqual(await size(1472), [1, 1]);
  }));

test("a lab with IPv6 joins server and sites by it, and only when asked", () =>
  withTraffic([link("a", 20, 5)], { ipv6: true }, async (lab, traffic) => {
    const flow = { packetsPerSecond: 100, bytes: 100 };
    const { up, seenFrom } = await traffic.datagrams("site1", {
      ...{ up: flow, seconds: 1, host: SERVER_IPV6, localPort: 5000 },
    });
    assert.equal(up!.lost, 0);
    assert.deepEqual(seenFrom, ["[2001:db8:1::11]:5000"]);
    const shown = await ask<unknown[]>(lab, "modem1", ["ip", "-6", "-j", "address"]);
    assert.deepEqual(shown, []);
  }));

test("two labs live side by side, and one name twice is refused", () =>
  withLab([link("a", 10, 1)], (one) =>
    withLab([link("a", 10, 1)], async (two) => {
      await one.cut("a");
      for (const lab of [one, two]) assert.ok(Lab.list().includes(lab.name));
      await assert.rejects(Lab.up(two.name, { links: [link("a", 10, 1)] }), { code: "lab-exists" });
      await assert.rejects(two.cut("nosuch"), { code: "link-unknown" });
      assert.throws(() => Lab.attach(unique()), { code: "lab-unknown" });
    })));

test("what a killed owner left is swept", async () => {
  const name = unique();
  const script = `import { Lab } from "${ROOT}/tests/lab/lab.ts";
    await Lab.up("${name}", { links: [{ name: "a", downMbps: 1, upMbps: 1, delayMs: 1 }], owner: true });
    const made = [...Deno.readDirSync("/run/netns")].filter((entry) => entry.name.startsWith("otb-${name}-"));
    console.log(made.length); Deno.kill(Deno.pid, "SIGKILL");`;
  // Counted there: whoever raises a lab meanwhile sweeps as well.
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", "--no-lock", script] })
    .output();
  assert.ok(Number(new TextDecoder().decode(stdout)) > 0);
  const left = () =>
    [...Deno.readDirSync("/run/netns")].filter((entry) => entry.name.startsWith(`otb-${name}-`));
  await sweepDeadLabs();
  assert.deepEqual(left(), []);
  assert.equal(Lab.list().includes(name), false);
});
