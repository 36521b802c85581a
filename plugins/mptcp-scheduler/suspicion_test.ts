import { strict as assert } from "node:assert";
import fc from "fast-check";
import { type Evidence, Suspicion } from "./suspicion.ts";
import { type SocketSample, Telemetry } from "./telemetry.ts";

const quiet: Evidence = {
  nowMs: 0,
  rttMs: 20,
  heard: false,
  silentMs: 0,
  backoff: 0,
  wentQuiet: false,
  stale: false,
  isOnly: false,
};

Deno.test("evidence alone takes no path out: a probe decides", () => {
  const path = new Suspicion();
  assert.deepEqual(path.beat({ ...quiet, nowMs: 1_000 }), { out: false });
  const judged = path.beat({ ...quiet, nowMs: 1_200, silentMs: 400 });
  assert.equal(judged.out, false);
  assert.ok(judged.probeWithinMs! >= 60);
  assert.deepEqual(
    path.beat({ ...quiet, nowMs: 1_250, silentMs: 450 }),
    { out: false },
    "one probe at a time",
  );
  assert.equal(path.probed(true, 1_300), false);
  assert.deepEqual(
    path.beat({ ...quiet, nowMs: 1_400, silentMs: 500 }),
    { out: false },
    "a proven path is believed for a while",
  );
});

Deno.test("a path over which something comes is not suspected, whatever waits in its queue", () => {
  fc.assert(fc.property(fc.nat(10_000), fc.nat(5), fc.boolean(), (silentMs, backoff, wentQuiet) => {
    const evidence = { ...quiet, nowMs: 5_000, silentMs, backoff, wentQuiet };
    assert.deepEqual(new Suspicion().beat({ ...evidence, heard: true }), { out: false });
  }));
});

Deno.test("a silent path is out after its probe, and back after two answers", () => {
  const path = new Suspicion();
  path.beat({ ...quiet, nowMs: 1_000, backoff: 1 });
  path.probed(false, 1_200);
  assert.equal(path.beat({ ...quiet, nowMs: 1_250 }).out, true);
  let nowMs = 1_250;
  const untilProbe = () => {
    for (;; nowMs += 50) if (path.beat({ ...quiet, nowMs }).probeWithinMs !== undefined) return;
  };
  untilProbe();
  assert.ok(nowMs - 1_200 <= 500, "a path that fell is looked at again soon");
  assert.equal(path.probed(true, nowMs), false);
  untilProbe();
  assert.equal(path.probed(true, nowMs), true);
  assert.deepEqual(path.beat({ ...quiet, nowMs: nowMs + 10 }), { out: false });
  assert.ok(nowMs < 2_500, `back after ${nowMs - 1_200} ms`);
});

Deno.test("a path that fell just now is asked twice a second, and one that is out for long, or of unknown distance, seldom", () => {
  const gaps = (rttMs: number | undefined) => {
    const path = new Suspicion();
    let nowMs = 1_000;
    path.beat({ ...quiet, rttMs, nowMs, backoff: 1 });
    path.probed(false, nowMs);
    const asked: number[] = [];
    for (; nowMs < 60_000; nowMs += 50) {
      const { probeWithinMs } = path.beat({ ...quiet, rttMs, nowMs });
      if (probeWithinMs === undefined) continue;
      asked.push(nowMs);
      path.probed(false, nowMs += probeWithinMs);
    }
    return asked.slice(1).map((atMs, index) => ({ atMs, gapMs: atMs - asked[index]! }));
  };
  const near = gaps(20), unknown = gaps(undefined);
  assert.ok(near.filter(({ atMs }) => atMs < 14_000).every(({ gapMs }) => gapMs <= 600));
  assert.ok(near.filter(({ atMs }) => atMs > 25_000).every(({ gapMs }) => gapMs >= 2_400));
  assert.ok(unknown.every(({ gapMs }) => gapMs >= 1_500));
});

Deno.test("once no other path stands, one that flapped is asked at once and back after one answer", () => {
  const path = new Suspicion();
  let nowMs = 0;
  for (let fall = 0; fall < 4; fall++) {
    path.beat({ ...quiet, nowMs: nowMs += 2_000, backoff: 1 });
    path.probed(false, nowMs += 10);
    while (path.beat({ ...quiet, nowMs }).out) {
      if (path.beat({ ...quiet, nowMs: nowMs += 50 }).probeWithinMs !== undefined) {
        path.probed(fall < 3, nowMs);
      }
      if (fall === 3 && nowMs > 40_000) break;
    }
  }
  const { probeWithinMs } = path.beat({ ...quiet, nowMs: nowMs += 1, isOnly: true });
  assert.notEqual(probeWithinMs, undefined);
  assert.equal(path.probed(true, nowMs), true);
});

Deno.test("a path that flaps has to answer ever more often", () => {
  const path = new Suspicion();
  let nowMs = 0;
  const answersNeeded = () => {
    path.beat({ ...quiet, nowMs: nowMs += 2_000, backoff: 1 });
    path.probed(false, nowMs += 10);
    for (let answers = 1;; answers++) {
      while (path.beat({ ...quiet, nowMs }).probeWithinMs === undefined) nowMs += 50;
      if (path.probed(true, nowMs)) return answers;
    }
  };
  const needed = Array.from({ length: 6 }, answersNeeded);
  assert.deepEqual(
    needed,
    [2, 4, 6, 6, 6, 6],
  );
});

Deno.test("whatever happens, a path that answers comes back and one that never does stays out", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ bad: fc.boolean(), answers: fc.boolean() }), { maxLength: 60 }),
      (history) => {
        const path = new Suspicion();
        let nowMs = 0;
        for (const { bad, answers } of history) {
          nowMs += 300;
          const { probeWithinMs } = path.beat({ ...quiet, nowMs, backoff: bad ? 1 : 0 });
          if (probeWithinMs !== undefined) path.probed(answers, nowMs);
        }
        for (let beat = 0; beat < 400; beat++) {
          nowMs += 300;
          if (path.beat({ ...quiet, nowMs }).probeWithinMs !== undefined) {
            path.probed(true, nowMs);
          }
        }
        assert.equal(path.beat({ ...quiet, nowMs }).out, false);
      },
    ),
  );
});

function socket(change: Partial<SocketSample> = {}): SocketSample {
  return {
    local: { host: "192.168.11.2", port: 40_000 },
    remote: { host: "198.51.100.11", port: 8443 },
    state: 1,
    isMptcpSubflow: true,
    tokenLocal: 7,
    rttUs: 20_000,
    minRttUs: 18_000,
    bytesReceived: 0,
    bytesAcked: 0,
    dataSegmentsOut: 0,
    retransSegments: 0,
    unacked: 0,
    backoff: 0,
    lastAckReceivedMs: 0,
    lastDataReceivedMs: 0,
    congestion: "cubic",
    ...change,
  };
}

Deno.test("rates come from differences, a new socket counts from its second sample, loss needs enough segments", () => {
  const telemetry = new Telemetry();
  const path = () => "fibre";
  assert.equal(
    telemetry.beat([socket({ bytesReceived: 5_000_000 })], 1000, path).get("fibre")!.rxBitsPerSecond,
    0,
  );
  const second = telemetry.beat(
    [socket({ bytesReceived: 6_000_000, dataSegmentsOut: 100, retransSegments: 10 })],
    500,
    path,
  ).get("fibre")!;
  assert.equal(second.rxBitsPerSecond, 16e6);
  assert.equal(second.loss, undefined);
  const third = telemetry.beat(
    [socket({ bytesReceived: 6_000_000, dataSegmentsOut: 1100, retransSegments: 20 })],
    500,
    path,
  ).get("fibre")!;
  assert.equal(third.loss, 20 / 1100);
  assert.deepEqual([...third.tokens], [7]);
});

Deno.test("probes are no fallen-back connections, and sockets of nobody's path are left out", () => {
  const telemetry = new Telemetry();
  const probe = socket({ isMptcpSubflow: false, bytesAcked: 1 });
  const fallen = socket({
    isMptcpSubflow: false,
    bytesAcked: 3_000,
    local: { host: "192.168.11.2", port: 40_001 },
  });
  const foreign = socket({ local: { host: "10.0.0.1", port: 1 } });
  const sample = telemetry.beat(
    [probe, fallen, foreign],
    1000,
    ({ local }) => local.host === "10.0.0.1" ? undefined : "fibre",
  );
  assert.equal(sample.size, 1);
  assert.equal(sample.get("fibre")!.plain, 1);
});

Deno.test("addresses that connected once to the peer, any of the Internet, are forgotten", () => {
  const telemetry = new Telemetry();
  for (let beat = 0; beat < 5_000; beat++) {
    telemetry.beat(
      [socket({ remote: { host: `198.18.${beat >> 8}.${beat & 255}`, port: 1_000 + beat } })],
      100,
      ({ remote }) => remote.host,
    );
  }
  assert.ok(telemetry.known <= 1_024, `${telemetry.known}`);
  for (let beat = 0; beat < 601; beat++) telemetry.beat([], 1_000, ({ remote }) => remote.host);
  assert.equal(telemetry.known, 0);
});
