import { strict as assert } from "node:assert";
import type { ProgramSpec, ProgramWatcher } from "./program.ts";
import { type ProgramKind, SupervisedProgram } from "./supervised_program.ts";

const KIND: ProgramKind = {
  command: ["dnsmasq", "--conf-file=-"],
  capabilities: ["net_raw"],
  ready: /sockets bound/,
  prefix: /^dnsmasq\[\d+\]: /,
};

/** One program of a plugin, its core being the test. */
function supervised(kind: Partial<ProgramKind> = {}) {
  const applied: (ProgramSpec | undefined)[] = [],
    failures: (string | undefined)[] = [],
    lines: string[] = [];
  const releases: (() => void | Promise<void>)[] = [], warnings: unknown[] = [];
  let watcher!: ProgramWatcher, key = "";
  const ctx = {
    program: (name: string, given: ProgramWatcher) => {
      [key, watcher] = [name, given];
      return { apply: (spec: ProgramSpec | undefined) => Promise.resolve(void applied.push(spec)) };
    },
    defer: (release: () => void | Promise<void>) => void releases.push(release),
    log: { debug() {}, info() {}, warn: (...said: unknown[]) => void warnings.push(said), error() {} },
  };
  const program = new SupervisedProgram(ctx, { ...KIND, ...kind }, {
    onFailure: (reason) => failures.push(reason),
    onLine: (line) => lines.push(line),
  });
  return { program, watcher, key, applied, failures, lines, releases, warnings };
}

Deno.test("a configuration is what the program reads, and its end in time goes along", async () => {
  const { program, applied, key } = supervised();
  await program.apply("port=0\n");
  await program.apply("port=0\n", 5_000);
  await program.apply(undefined);
  const spec = { command: KIND.command, capabilities: KIND.capabilities, input: "port=0\n" };
  assert.deepEqual(applied, [spec, { ...spec, withinSeconds: 5 }, undefined]);
  assert.equal(key, "dnsmasq");
});

Deno.test("it serves once it says so; its last words are told and logged without its own name", () => {
  const { watcher, failures, warnings } = supervised();
  assert.equal(watcher.isReady!("dnsmasq-dhcp[7]: DHCP, sockets bound exclusively"), true);
  assert.equal(watcher.isReady!("dnsmasq[7]: started"), false);
  watcher.onEnd("dnsmasq[7]: failed to bind");
  watcher.onReady!();
  assert.deepEqual(failures, ["failed to bind", undefined]);
  assert.deepEqual(warnings, [[
    "A program ended and is started again",
    { program: "dnsmasq", reason: "failed to bind" },
  ]]);
});

Deno.test("one that says nothing has served once it lasted: one that ends again and again never does", async () => {
  const { watcher, failures } = supervised({ ready: undefined, provenMs: 30 });
  assert.equal(watcher.isReady, undefined);
  for (let run = 0; run < 3; run++) {
    watcher.onReady!();
    watcher.onEnd("no such interface");
  }
  watcher.onReady!();
  while (failures.at(-1) !== undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(failures, [...Array(3).fill("no such interface"), undefined]);
});

Deno.test("what is not wanted has not failed, and nothing runs on when the plugin stops", async () => {
  const { program, watcher, failures, applied, releases } = supervised({ provenMs: 60_000 });
  await program.apply("a");
  watcher.onEnd("it broke");
  // Its test of time must not hold up the end either.
  watcher.onReady!();
  await program.apply(undefined);
  assert.deepEqual(failures, ["it broke", undefined]);
  await program.apply("b");
  for (const release of releases) await release();
  assert.equal(applied.at(-1), undefined);
  assert.deepEqual(failures, ["it broke", undefined]);
});
