import { strict as assert } from "node:assert";
import * as z from "zod/mini";
import { fact, factOf } from "../fact.ts";
import { OtbError } from "../errors.ts";
import { FakeContext } from "./mod.ts";

const schema = { config: z.strictObject({ atLeast: z._default(z.number(), 1) }) };
const PATHS = factOf("path", "link", z.object({ up: z.boolean() }));
const SEEN = fact("seen", z.object({ up: z.boolean(), reason: z.optional(z.string()) }));
const manifest = {
  reads: ["path"],
  publishes: ["seen"],
  claims: ["address"],
  programs: [{ name: "dnsmasq" }],
  secrets: ["psk"],
};
const refused = (code: string) => (error: unknown) => error instanceof OtbError && error.code === code;

Deno.test("settings are as the schema has them: defaults filled in, unknown ones refused", () => {
  assert.deepEqual(new FakeContext(schema).config, { atLeast: 1 });
  assert.throws(() => new FakeContext(schema, { config: { atLeats: 2 } }));
});

Deno.test("what the manifest does not declare is refused, as the core refuses it", async () => {
  const ctx = new FakeContext(schema, { manifest, secrets: { psk: "a", other: "b" } });
  ctx.facts.publish(SEEN, { up: true });
  assert.throws(() => ctx.facts.publish(PATHS, "fibre", { up: true }), refused("fact-not-declared"));
  assert.throws(() => ctx.facts.watch(SEEN), refused("fact-not-declared"));
  await assert.rejects(
    ctx.claim("c", [{ kind: "neighbour", interface: "x", address: "192.0.2.1", mac: "02:00:00:00:00:01" }]),
    refused("claim-not-declared"),
  );
  const program = ctx.program("p", { onEnd() {} });
  assert.throws(
    () => program.apply({ command: ["rm"], capabilities: [], input: "" }),
    refused("program-not-declared"),
  );
  assert.equal(ctx.secret("psk"), "a");
  assert.throws(() => ctx.secret("other"), refused("secret-missing"));
});

Deno.test("facts of others are followed, told once while they are equal, and gone when they are taken back", () => {
  const ctx = new FakeContext(schema);
  ctx.tell(PATHS, "fibre", { up: true });
  const paths = ctx.facts.watch(PATHS);
  const heard: string[][] = [];
  paths.subscribe((facts) => heard.push([...facts.keys()]));
  assert.deepEqual([...paths.current], [["fibre", { up: true }]]);
  ctx.tell(PATHS, "fibre", { up: true });
  ctx.tell(SEEN, { up: true });
  ctx.tell(PATHS, "lte", { up: false });
  ctx.tell(PATHS, "fibre", undefined);
  assert.deepEqual(heard, [["fibre", "lte"], ["lte"]]);
  assert.throws(() => ctx.tell(PATHS, "lte", { up: "no" } as never));
});

Deno.test("what is published and told is what is left of it on its way to another process", () => {
  const ctx = new FakeContext(schema);
  ctx.facts.publish(SEEN, { up: true, reason: undefined });
  ctx.publishStatus({ at: 1, none: undefined as never });
  assert.deepEqual([ctx.published.get("seen"), ctx.status], [{ up: true }, { at: 1 }]);
  ctx.facts.publish(SEEN, undefined);
  assert.equal(ctx.published.size, 0);
});

Deno.test("claims are recorded once they are applied, and the kernel may refuse", async () => {
  const ctx = new FakeContext(schema);
  const address = { kind: "address" as const, interface: "lan0", cidr: "192.0.2.1/24" };
  await ctx.claim("lan", [address]);
  ctx.onClaim = () => Promise.reject(new Error("no such device"));
  await assert.rejects(ctx.claim("lan", []), /no such device/);
  assert.deepEqual([...ctx.claims], [["lan", [address]]]);
  ctx.onClaim = undefined;
  await ctx.claim("lan", []);
  assert.equal(ctx.claims.size, 0);
});

Deno.test("time stands still until the test moves it; the system's clock may jump, the other does not", () => {
  const { clock } = new FakeContext(schema);
  const beganMs = clock.now();
  clock.pass(1_500);
  assert.deepEqual([clock.now() - beganMs, clock.monotonicMs()], [1_500, 1_500]);
  clock.set(0);
  assert.deepEqual([clock.now(), clock.monotonicMs()], [0, 1_500]);
  clock.pass(10);
  assert.deepEqual([clock.now(), clock.monotonicMs()], [10, 1_510]);
});

Deno.test("a stop aborts the signal, then undoes what was deferred, the last first", async () => {
  const ctx = new FakeContext(schema);
  const undone: string[] = [];
  ctx.defer(() => void undone.push(`first, ${ctx.signal.aborted}`));
  ctx.defer(() => Promise.resolve(void undone.push("second")));
  await ctx.stop();
  assert.deepEqual(undone, ["second", "first, true"]);
});

Deno.test("a program starts when it is wanted, once, and again when it ends or is wanted otherwise", async () => {
  const ctx = new FakeContext(schema);
  const told: string[] = [];
  const program = ctx.program("p", {
    isReady: (line) => line === "ready",
    onStart: () => told.push("start"),
    onReady: () => told.push("ready"),
    onEnd: (reason) => told.push(reason),
  });
  const spec = { command: ["dnsmasq"], capabilities: [], input: "" };
  await program.apply(spec);
  await program.apply({ ...spec });
  program.says("ready");
  program.ends("it broke");
  await program.apply({ ...spec, input: "port=0" });
  await program.apply(undefined);
  assert.deepEqual(told, ["start", "ready", "it broke", "start", "start"]);
  assert.equal(program.starts, 3);
});
