import { strict as assert } from "node:assert";
import * as z from "zod/mini";
import { type ProgramKind, SupervisedProgram } from "./supervised_program.ts";
import { FakeContext } from "./testing/mod.ts";

const KIND: ProgramKind = {
  command: ["dnsmasq", "--conf-file=-"],
  capabilities: ["net_raw"],
  ready: /sockets bound/,
  prefix: /^dnsmasq\[\d+\]: /,
};

/** One program of a plugin, and what was told of it. */
function supervised(kind: Partial<ProgramKind> = {}) {
  const ctx = new FakeContext({ config: z.object({}) });
  const failures: (string | undefined)[] = [];
  const supervisor = new SupervisedProgram(ctx, { ...KIND, ...kind }, {
    onFailure: (reason) => failures.push(reason),
  });
  return { ctx, supervisor, failures, program: ctx.programs.get("dnsmasq")! };
}

Deno.test("a configuration is what the program reads, and its end in time goes along", async () => {
  const { supervisor, program } = supervised();
  const spec = { command: KIND.command, capabilities: KIND.capabilities, input: "port=0\n" };
  await supervisor.apply("port=0\n");
  assert.deepEqual(program.spec, spec);
  await supervisor.apply("port=0\n", 5_000);
  assert.deepEqual(program.spec, { ...spec, withinSeconds: 5 });
  await supervisor.apply(undefined);
  assert.equal(program.spec, undefined);
});

Deno.test("it serves once it says so; its last words are told and logged without its own name", async () => {
  const { supervisor, program, failures, ctx } = supervised();
  await supervisor.apply("port=0\n");
  program.says("dnsmasq[7]: started");
  assert.deepEqual(failures, []);
  program.ends("dnsmasq[7]: failed to bind");
  program.says("dnsmasq-dhcp[7]: DHCP, sockets bound exclusively");
  assert.deepEqual(failures, ["failed to bind", undefined]);
  assert.deepEqual(ctx.lines.map(({ properties }) => properties), [
    { program: "dnsmasq", reason: "failed to bind" },
  ]);
});

Deno.test("one that says nothing serves once it lasted: one that ends again and again never does", async () => {
  const { supervisor, program, failures } = supervised({ ready: undefined, provenMs: 30 });
  await supervisor.apply("");
  for (let run = 0; run < 3; run++) program.ends("no such interface");
  while (failures.at(-1) !== undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(failures, [...Array(3).fill("no such interface"), undefined]);
});

Deno.test("what is not wanted has not failed, and nothing runs on when the plugin stops", async () => {
  const { supervisor, program, failures, ctx } = supervised({ ready: undefined, provenMs: 60_000 });
  await supervisor.apply("a");
  program.ends("it broke");
  await supervisor.apply(undefined);
  assert.deepEqual(failures, ["it broke", undefined]);
  await supervisor.apply("b");
  await ctx.stop();
  assert.equal(program.spec, undefined);
  assert.deepEqual(failures, ["it broke", undefined]);
});
