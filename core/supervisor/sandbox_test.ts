import { strict as assert } from "node:assert";
import { OtbError } from "../contract/mod.ts";
import { Backoff } from "./backoff.ts";
import { parseManifest } from "./manifest.ts";
import { describePermissions, sandboxFlags } from "./sandbox.ts";

const minimal = {
  name: "@otb/echo",
  version: "1.2.3",
  exports: "./mod.ts",
  otb: { contract: "^2", summary: "Echoes", roles: ["box"] },
};
const where = {
  socket: "/s/run/echo.sock",
  directory: "/s/plugins/echo",
  nativeLibrary: "/otb/lib/libotb_native.so",
};

function parse(change: object, otb: object = {}) {
  return parseManifest(
    JSON.stringify({ ...minimal, ...change, otb: { ...minimal.otb, ...otb } }),
    "/otb/plugins/echo",
  );
}

Deno.test("a manifest without permissions gets its own socket and folders, nothing else", () => {
  assert.deepEqual(sandboxFlags(parse({}), where).filter((flag) => flag.startsWith("--allow")), [
    "--allow-net=unix:/s/run/echo.sock",
    "--allow-read=/s/run/echo.sock,/s/plugins/echo,/otb/plugins/echo",
    "--allow-write=/s/run/echo.sock,/s/plugins/echo",
  ]);
});

Deno.test("native code is allowed by the one library only", () => {
  const flags = sandboxFlags(parse({}, { tier: "trusted", native: true }), where);
  assert.ok(flags.includes("--allow-ffi=/otb/lib/libotb_native.so"));
});

Deno.test("who consents to a plugin is told each program once, whoever runs it", () => {
  const programs = [{ name: "dnsmasq", debian: "dnsmasq-base" }, { name: "conntrack", debian: "conntrack" }];
  const manifest = parse({}, { tier: "trusted", programs, permissions: { run: ["conntrack"] } });
  assert.deepEqual(describePermissions(manifest), ["runs the programs conntrack, dnsmasq"]);
});

Deno.test("manifests that ask for the wrong thing are refused with a code", () => {
  const cases: [string, () => unknown][] = [
    ["tier-too-low", () => parse({}, { native: true })],
    ["tier-too-low", () => parse({}, { permissions: { run: ["ip"] } })],
    ["tier-too-low", () => parse({}, { programs: [{ name: "dnsmasq", debian: "dnsmasq-base" }] })],
    ["manifest-invalid", () => parse({}, { tier: "trusted", programs: ["dnsmasq"] })],
    [
      "manifest-invalid",
      () => parse({}, { tier: "trusted", programs: [{ name: "x", debian: "x; reboot" }] }),
    ],
    ["contract-unknown", () => parse({}, { contract: "^1" })],
    ["contract-unknown", () => parse({}, { contract: "^2.1" })],
    ["manifest-invalid", () => parse({}, { contract: 2 })],
    ["manifest-invalid", () => parse({ name: "echo" })],
    ["manifest-invalid", () => parse({ name: "@otb/../x" })],
    ["manifest-invalid", () => parse({}, { surprise: true })],
    ["manifest-invalid", () => parse({}, { roles: ["router"] })],
    ["manifest-invalid", () => parse({}, { claims: ["moon"] })],
    ["manifest-invalid", () => parseManifest("{", "/x")],
  ];
  for (const [code, run] of cases) {
    assert.throws(run, (error: Error) => error instanceof OtbError && error.code === code, code);
  }
});

Deno.test("crashes wait longer each time, a long healthy run forgives, a loop rests", () => {
  const backoff = new Backoff();
  const delays = Array.from({ length: 6 }, () => backoff.crashed(0));
  assert.ok(delays.every(({ delayMs }, index) => index === 0 || delayMs > delays[index - 1]!.delayMs));
  assert.deepEqual(delays.map(({ loop }) => loop), [false, false, false, false, false, true]);
  assert.equal(backoff.crashed(3_600_000).loop, false);
});
