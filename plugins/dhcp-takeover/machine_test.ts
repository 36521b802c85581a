import assert from "node:assert/strict";
import fc from "fast-check";
import {
  acceptable,
  answering,
  type Event,
  initial,
  lasting,
  nextProbeMs,
  resume,
  type Rules,
  serving,
  silentByMs,
  type State,
  step,
} from "./machine.ts";

const RULES: Rules = { mode: "off", silenceMs: 30_000, confirmMs: 600_000, watchMs: 60_000 };
const LIVEBOX = {
  mac: "02:00:00:00:00:01",
  server: "192.168.1.1",
  router: "192.168.1.1",
  network: "192.168.1.0/24",
  vendor: "Livebox",
};

/** A machine with its clock, told what happens. */
class Bench {
  nowMs = 1_000_000;
  state = initial(this.nowMs);
  heardMs = -Infinity;
  /** Questions since then. */
  unanswered = 0;

  constructor(readonly rules = RULES) {}

  be(kind: Exclude<Event["kind"], "heard">): this {
    this.state = step(this.state, { kind }, this.nowMs, this.rules);
    return this;
  }

  hear(server = LIVEBOX, isRefusal = false): this {
    this.heardMs = this.nowMs;
    this.unanswered = 0;
    this.state = step(this.state, { kind: "heard", server, isRefusal }, this.nowMs, this.rules);
    return this;
  }

  /** Time passes, a tick a second; who wants to know is answered, and so is the question while the server is on. */
  pass(seconds: number, isServerOn = false, isRefusal = false): this {
    for (let second = 0; second < seconds; second++) {
      this.nowMs += 1_000;
      if ((nextProbeMs(this.state, this.rules) ?? Infinity) <= this.nowMs) {
        this.be("probed");
        this.unanswered++;
        if (isServerOn) this.hear(LIVEBOX, isRefusal);
      }
      this.be("tick");
    }
    return this;
  }

  get at(): string {
    return `${this.state.phase}/${serving(this.state)}`;
  }
}

function onTrial(rules = RULES): Bench {
  return new Bench(rules).hear().be("takeover").pass(20, true).pass(60);
}

Deno.test("nothing happens until a person starts it", () => {
  const bench = new Bench().pass(100).hear().pass(1_000);
  assert.equal(bench.at, "off/no");
  assert.deepEqual(bench.state.servers, [], "who was not heard for long is forgotten");
});

Deno.test("a takeover waits for the other server's end and its silence, then is on trial, then is kept", () => {
  const bench = new Bench().hear().be("takeover");
  assert.equal(bench.at, "instructions/no");
  assert.equal(bench.pass(300, true).at, "instructions/no");
  assert.equal(bench.pass(16).at, "checking/no");
  assert.equal(bench.pass(10).at, "checking/no");
  assert.equal(bench.pass(40).at, "trial/trial");
  assert.equal(bench.be("confirm").at, "confirmed/confirmed");
  assert.equal(bench.pass(100_000).at, "confirmed/confirmed");
});

Deno.test("while it makes sure, it is known when that will be over, to the second", () => {
  const bench = new Bench().hear().be("takeover");
  assert.equal(silentByMs(bench.state, bench.rules), undefined, "a person is waited for");
  bench.pass(16);
  const byMs = silentByMs(bench.state, bench.rules)!;
  assert.ok(byMs > bench.nowMs && byMs <= bench.nowMs + RULES.silenceMs);
  const left = Math.ceil((byMs - bench.nowMs) / 1_000);
  assert.equal(bench.pass(left - 1).at, "checking/no");
  assert.equal(bench.pass(1).at, "trial/trial");
  assert.equal(silentByMs(bench.state, bench.rules), undefined);
});

Deno.test("a server that still answers after a recheck sends back to the instructions", () => {
  const bench = new Bench().hear().be("takeover").be("recheck");
  assert.equal(bench.at, "checking/no");
  assert.equal(bench.pass(2, true).at, "instructions/no");
});

Deno.test("silence proves nothing where nobody asked", () => {
  const bench = new Bench().be("takeover");
  for (let second = 0; second < 3_600; second++) {
    bench.nowMs += 1_000;
    bench.be("tick");
  }
  assert.equal(bench.at, "checking/no");
});

Deno.test("where there was nobody to take over from, it serves after the silence and there is nothing to confirm", () => {
  assert.equal(new Bench().be("takeover").pass(40).at, "confirmed/confirmed");
});

Deno.test("another server silences ours at once, is asked after each minute, and its end brings ours back", () => {
  const bench = onTrial().be("confirm").pass(1_000);
  bench.hear();
  assert.equal(bench.at, "contested/no");
  bench.be("probed");
  assert.equal(nextProbeMs(bench.state, RULES), bench.nowMs + 60_000);
  assert.equal(bench.pass(600, true).at, "contested/no");
  assert.equal(bench.pass(130).at, "confirmed/confirmed");
});

Deno.test("what nobody confirms is given back in time, through interruptions too, and the modem's answer ends it", () => {
  const bench = onTrial().pass(300);
  bench.hear();
  assert.equal(bench.at, "contested/no");
  assert.equal(bench.pass(200).at, "trial/trial", "the other server went away again");
  const since = bench.state.trialSinceMs!;
  bench.pass((since + RULES.confirmMs - bench.nowMs) / 1_000 - 2);
  assert.equal(bench.at, "trial/trial");
  assert.equal(bench.pass(4).at, "given-back/for-modem");
  assert.equal(bench.state.reason, "unconfirmed");
  assert.equal(bench.pass(1_000).at, "given-back/for-modem");
  assert.equal(bench.hear().at, "off/no");
});

Deno.test("a contested trial ends in time as well", () => {
  assert.equal(onTrial().hear().pass(700, true).at, "off/no");
});

Deno.test("undo ends it from everywhere: devices are led to the modem where ours served", () => {
  assert.equal(new Bench().hear().be("takeover").be("undo").at, "off/no");
  assert.equal(onTrial().be("undo").at, "given-back/for-modem");
  assert.equal(onTrial().be("confirm").be("undo").at, "given-back/for-modem");
  assert.equal(onTrial().be("undo").be("undo").at, "off/no");
  assert.equal(onTrial().hear().be("undo").at, "off/no");
  assert.equal(new Bench().be("takeover").pass(40).be("undo").at, "off/no", "nobody to give back to");
});

Deno.test("mode auto starts by itself but is confirmed by a person; what was given back stays so", () => {
  const rules = { ...RULES, mode: "auto" as const };
  const bench = new Bench(rules).hear().pass(60, true);
  assert.equal(bench.at, "instructions/no");
  assert.equal(bench.pass(60).at, "trial/trial");
  bench.pass(700);
  assert.equal(bench.at, "given-back/for-modem");
  bench.hear().pass(1_000);
  assert.equal(bench.at, "off/no");
  assert.equal(bench.be("takeover").at === "off/no", false);
});

Deno.test("mode on needs no confirmation, and its end is the end of what it started", () => {
  const bench = new Bench({ ...RULES, mode: "on" }).hear().pass(60, true).pass(60);
  assert.equal(bench.at, "confirmed/confirmed");
  const off = step(bench.state, { kind: "tick" }, bench.nowMs, RULES);
  assert.equal(serving(off), "for-modem");
});

Deno.test("who answers is told from who answered", () => {
  const bench = new Bench().hear().be("takeover").pass(30, true);
  assert.equal(answering(bench.state, bench.nowMs, RULES).length, 1);
  bench.pass(16);
  assert.equal(answering(bench.state, bench.nowMs, RULES).length, 0);
});

const BOX2 = { ...LIVEBOX, mac: "02:00:00:00:00:02", server: "192.168.2.1", router: "192.168.2.1" };

/** Servers that are said to answer. */
function accused({ state, nowMs, rules }: Bench): string[] {
  return answering(state, nowMs, rules).map(({ server }) => server);
}

Deno.test("of two modems that were switched off, one that comes back is accused alone, from its first word on", () => {
  for (const phase of ["confirmed", "trial", "checking"]) {
    const bench = new Bench().hear().hear(BOX2).be("takeover");
    bench.pass(16);
    if (phase !== "checking") bench.pass(50);
    if (phase === "confirmed") bench.be("confirm").pass(1_000);
    assert.equal(bench.state.phase, phase);
    bench.hear(BOX2);
    for (let second = 0; second < 30; second++) {
      assert.deepEqual(accused(bench), ["192.168.2.1"], `${phase}, after ${second} s`);
      bench.pass(1).hear(BOX2);
    }
    // Nor by a run that starts just then.
    bench.state = resume(JSON.parse(JSON.stringify(lasting(bench.state))), bench.nowMs);
    assert.deepEqual(accused(bench), ["192.168.2.1"], `${phase}, after a restart`);
  }
});

Deno.test("a server that only refuses: ours goes on beside it when a person says so again, until it offers", () => {
  const bench = new Bench().hear(LIVEBOX, true).be("takeover").pass(30, true, true);
  assert.equal(bench.at, "instructions/no");
  assert.deepEqual(acceptable(bench.state, bench.nowMs, RULES).map(({ server }) => server), ["192.168.1.1"]);
  assert.equal(bench.be("takeover").at, "checking/no");
  assert.equal(bench.pass(60, true, true).at, "trial/trial");
  assert.equal(bench.be("confirm").pass(1_000, true, true).at, "confirmed/confirmed");
  bench.state = resume(JSON.parse(JSON.stringify(lasting(bench.state))), bench.nowMs);
  assert.equal(bench.pass(1_000, true, true).at, "confirmed/confirmed", "also after a restart");
  assert.equal(bench.hear().at, "contested/no");
  // What was accepted is a server that gives nothing.
  assert.equal(bench.pass(100, true).be("takeover").at, "contested/no");
  bench.pass(100, true, true);
  assert.equal(bench.be("takeover").pass(60, true, true).at, "confirmed/confirmed");
});

Deno.test("nobody goes on beside a server that offers, whether it refuses before that or another one only refuses", () => {
  const slow = new Bench().hear().be("takeover");
  for (let turn = 0; turn < 10; turn++) {
    slow.pass(10).hear(LIVEBOX, true).pass(1).hear();
    assert.deepEqual(acceptable(slow.state, slow.nowMs, RULES), []);
    assert.equal(slow.be("takeover").at, "instructions/no");
  }
  const both = new Bench().hear().be("takeover").pass(5);
  for (let turn = 0; turn < 10; turn++) both.pass(3).hear(BOX2).hear(LIVEBOX, true);
  assert.equal(both.be("takeover").at, "instructions/no");
});

Deno.test("a refusal does not end the leading back: who refuses serves nobody yet", () => {
  const bench = onTrial().be("undo");
  assert.equal(bench.hear(LIVEBOX, true).at, "given-back/for-modem");
  assert.equal(bench.hear().at, "off/no");
});

type Happening =
  | { what: "pass"; seconds: number }
  | { what: "server"; on: boolean }
  | { what: "person"; kind: "takeover" | "recheck" | "confirm" | "undo" }
  | { what: "crash"; downMs: number }
  | { what: "flood" };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ what: fc.constant("pass" as const), seconds: fc.integer({ min: 1, max: 200 }) }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("server" as const), on: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant("person" as const),
      kind: fc.constantFrom("takeover" as const, "recheck" as const, "confirm" as const, "undo" as const),
    }),
  },
  {
    weight: 2,
    // A box without a clock of its own may come back in the past.
    arbitrary: fc.record({
      what: fc.constant("crash" as const),
      downMs: fc.integer({ min: -1_000_000, max: 1_000_000 }),
    }),
  },
  fc.constant({ what: "flood" as const }),
);

Deno.test("property: whatever happens, killed at any moment, it never starts beside another server and never tries for too long", () => {
  fc.assert(
    fc.property(
      fc.array(happening, { maxLength: 40 }),
      fc.constantFrom("off" as const, "auto" as const, "on" as const),
      fc.integer({ min: 6_000, max: 60_000 }),
      (happenings, mode, silenceMs) => {
        const rules = { mode, silenceMs, confirmMs: 120_000, watchMs: 60_000 };
        const bench = new Bench(rules);
        let isOn = false;
        const second = () => {
          const before = bench.state;
          bench.pass(1, isOn);
          const { state, nowMs } = bench;
          // A trial ends in time.
          if (state.trialSinceMs !== undefined) assert.ok(nowMs - state.trialSinceMs < rules.confirmMs);
          // Ours starts only after a silence in which everybody was asked.
          if (serving(state) !== "no" && serving(before) === "no") {
            assert.ok(nowMs - bench.heardMs >= silenceMs && bench.unanswered >= 2);
          }
          assert.ok(state.servers.length <= 16 && state.probesMs.length <= 16);
        };
        for (const one of happenings) {
          switch (one.what) {
            case "pass":
              for (let i = 0; i < one.seconds; i++) second();
              break;
            case "server":
              isOn = one.on;
              break;
            case "person": {
              bench.be(one.kind);
              if (one.kind === "undo") assert.ok(["no", "for-modem"].includes(serving(bench.state)));
              break;
            }
            case "crash": {
              const stored = JSON.parse(JSON.stringify(lasting(bench.state))) as State;
              const was = bench.at;
              bench.nowMs += one.downMs;
              bench.heardMs = Math.min(bench.heardMs, bench.nowMs);
              bench.state = resume(stored, bench.nowMs);
              assert.equal(bench.at, was, "it goes on where it was");
              break;
            }
            case "flood":
              for (let i = 0; i < 40; i++) bench.hear({ ...LIVEBOX, mac: `02:00:00:00:01:${i + 10}` });
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("property: hearing another server silences ours in every state, except to finish giving back", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom("takeover", "confirm", "undo", "wait"), { maxLength: 8 }),
      (words) => {
        const bench = new Bench();
        for (const word of words) {
          if (word === "wait") bench.pass(50);
          else bench.be(word as "takeover");
        }
        assert.equal(serving(bench.hear().state), "no");
      },
    ),
  );
});
