import assert from "node:assert/strict";
import { breaches, circles, type Edge, type House } from "./arch.ts";
import { readHouse } from "./house.ts";

Deno.test("the house is in order: who may know whom", async () => {
  const house = await readHouse();
  assert.ok(house.edges.length > 100, "the graph is suspiciously small");
  assert.deepEqual(breaches(house), []);
});

function house(parts: Partial<House>): House {
  return { edges: [], sources: {}, manifests: {}, imports: {}, ...parts };
}

const allowed: Edge[] = [
  { from: "plugins/a/mod.ts", to: "core/contract/mod.ts" },
  { from: "core/contract/context.ts", to: "core/net/model.ts", typeOnly: true },
  { from: "plugins/a/mod.ts", to: "plugins/a/config.ts" },
  { from: "plugins/a/mod.ts", to: "npm:/zod@4.6.7/mini" },
  { from: "plugins/native/mod.ts", to: "core/native/ffi.ts" },
  { from: "plugins/a/mod_test.ts", to: "core/net/os_fake.ts" },
  { from: "core/cli/link.ts", to: "core/client/mod.ts" },
  { from: "core/cli/run.ts", to: "core/main.ts", dynamic: true },
  { from: "core/net/plan.ts", to: "core/net/model.ts" },
  { from: "core/net/plan.ts", to: "core/net/os.ts", typeOnly: true },
  { from: "core/main.ts", to: "core/net/os_linux.ts" },
  { from: "webui/app.ts", to: "core/client/mod.ts" },
  { from: "tests/worlds/world.ts", to: "core/client/mod.ts" },
];

const forbidden: Edge[] = [
  { from: "plugins/a/mod.ts", to: "plugins/b/mod.ts" },
  { from: "plugins/a/mod.ts", to: "core/client/mod.ts" },
  { from: "plugins/a/mod.ts", to: "core/net/model.ts", typeOnly: true },
  { from: "plugins/a/mod.ts", to: "core/native/ffi.ts" },
  { from: "plugins/a/mod.ts", to: "plugins/a/mod_test.ts" },
  { from: "plugins/ab/mod.ts", to: "plugins/a/mod.ts" },
  { from: "plugins/a/mod.ts", to: "https://example.org/x.ts" },
  { from: "plugins/a/mod_test.ts", to: "jsr:@std/assert" },
  { from: "core/running/links.ts", to: "plugins/a/mod.ts" },
  { from: "core/running/links.ts", to: "webui/app.ts" },
  { from: "core/running/links.ts", to: "core/cli/format.ts" },
  { from: "core/running/links.ts", to: "core/main.ts", dynamic: true },
  { from: "core/net/net.ts", to: "core/net/os_linux.ts" },
  { from: "core/net/plan.ts", to: "core/net/os.ts" },
  { from: "core/net/plan.ts", to: "core/net/net.ts", typeOnly: true },
  { from: "core/net/plan.ts", to: "node:fs" },
  { from: "core/net/model.ts", to: "core/contract/mod.ts", typeOnly: true },
  { from: "core/net/numbers.ts", to: "core/net/model.ts", typeOnly: true },
  { from: "plugins/a/mod.ts", to: "core/contract/context.ts", typeOnly: true },
  { from: "core/contract/context.ts", to: "core/client/mod.ts", typeOnly: true },
  { from: "core/cli/run.ts", to: "core/main.ts" },
  { from: "core/cli/link.ts", to: "core/config/patch.ts" },
  { from: "webui/app.ts", to: "core/contract/mod.ts" },
];

for (const edge of allowed) {
  Deno.test(`${edge.from} may import ${edge.to}`, () =>
    assert.deepEqual(breaches(house({ edges: [edge], manifests: { native: { native: true } } })), []));
}

for (const edge of forbidden) {
  Deno.test(`${edge.from} must not import ${edge.to}${edge.typeOnly ? " (types)" : ""}`, () => {
    const found = breaches(house({ edges: [edge] }));
    assert.equal(found.length, 1);
    assert.ok(found[0]!.startsWith(`${edge.from} imports ${edge.to}: `));
  });
}

Deno.test("only core/net/os_linux runs ip, nft and tc", () => {
  const text = `new Deno.Command("ip", { args: [] })`;
  assert.deepEqual(
    breaches(house({ sources: { "core/net/os_linux.ts": text, "core/net/net_test.ts": text } })),
    [],
  );
  for (const path of ["core/net/net.ts", "core/cli/link.ts", "plugins/a/mod.ts", "webui/app.ts"]) {
    assert.equal(breaches(house({ sources: { [path]: text } })).length, 1, path);
  }
  assert.equal(breaches(house({ sources: { "core/x.ts": `new Deno.Command(\n  program, {})` } })).length, 1);
  assert.equal(
    breaches(house({ sources: { "core/x.ts": `import { spawn } from "node:child_process";` } })).length,
    1,
  );
});

Deno.test("a plugin runs programs only when its manifest names some; core runs Deno and systemctl", () => {
  const manifests = { a: { permissions: { run: ["dnsmasq"] } } };
  for (const text of [`new Deno.Command("dnsmasq")`, `await runCommand("dnsmasq")`]) {
    const sources = { "plugins/a/mod.ts": text };
    assert.equal(breaches(house({ sources })).length, 1, text);
    assert.deepEqual(breaches(house({ sources, manifests })), []);
    assert.equal(breaches(house({ sources: { "core/x.ts": text } })).length, 1, text);
  }
  assert.deepEqual(
    breaches(house({
      sources: {
        "core/contract/command.ts": "new Deno.Command(program, {}).output()",
        "core/supervisor/process.ts": "new Deno.Command(Deno.execPath(), {})",
        "core/supervisor/inspect.ts": "await runCommand(Deno.execPath(), {})",
        "core/cli/service.ts": `new Deno.Command("systemctl", {})`,
      },
    })),
    [],
  );
});

Deno.test("who runs on and on reads what programs print by runCommand", () => {
  const text = `await new Deno.Command(Deno.execPath(), {}).output()`;
  const manifests = { a: { permissions: { run: ["deno"] } } };
  for (const path of ["plugins/a/mod.ts", "core/supervisor/inspect.ts", "core/net/os_linux.ts"]) {
    assert.equal(breaches(house({ sources: { [path]: text }, manifests })).length, 1, path);
  }
  for (const path of ["core/cli/service.ts", "core/net/os_linux_test.ts"]) {
    assert.deepEqual(breaches(house({ sources: { [path]: text }, manifests })), [], path);
  }
});

Deno.test("the CLI prints by its terminal alone", () => {
  for (const text of [`console.log("x")`, "Deno.stdout.writeSync(x)", "Deno\n  .stderr"]) {
    assert.equal(breaches(house({ sources: { "core/cli/link.ts": text } })).length, 1, text);
    assert.deepEqual(
      breaches(house({ sources: { "core/cli/terminal.ts": text, "core/cli/x_test.ts": text } })),
      [],
    );
  }
});

Deno.test("modules that import each other are found, by however many steps", () => {
  const edges = [["a", "b"], ["b", "c"], ["c", "a"], ["c", "d"], ["d", "e"], ["a", "e"]].map((
    [from, to],
  ) => ({
    from: `tests/${from}.ts`,
    to: `tests/${to}.ts`,
  }));
  assert.deepEqual(circles(edges), [["tests/a.ts", "tests/b.ts", "tests/c.ts"]]);
  assert.equal(breaches(house({ edges })).length, 1);
  assert.deepEqual(circles(edges.slice(1)), []);
});

Deno.test("a plugin's module has no state", () => {
  for (const text of ["let running: Box | undefined;", "const a = 1;\nexport let b = 2;\nb++;"]) {
    assert.equal(breaches(house({ sources: { "plugins/a/mod.ts": text } })).length, 1, text);
    assert.deepEqual(breaches(house({ sources: { "plugins/a/mod_test.ts": text, "core/x.ts": text } })), []);
  }
  assert.deepEqual(breaches(house({ sources: { "plugins/a/mod.ts": "  let inside = 1;" } })), []);
});

Deno.test("core names no plugin, nor its settings and conditions", () => {
  const manifests = { "link-count": {}, qos: {}, clock: {} };
  for (const text of ["// As link-count does.", `act("qos", x)`, `"qos-full"`, "`qos.mode=off`", `"clock"`]) {
    assert.equal(breaches(house({ manifests, sources: { "core/cli/x.ts": text } })).length, 1, text);
    const elsewhere = { "core/cli/x_test.ts": text, "plugins/qos/y.ts": text, "tests/z.ts": text };
    assert.deepEqual(breaches(house({ manifests, sources: elsewhere })), [], text);
  }
  for (const text of ["// By qos.", "link-counts", "clock.now()"]) {
    assert.deepEqual(breaches(house({ manifests, sources: { "core/cli/x.ts": text } })), [], text);
  }
});

Deno.test("the contract has a name, which everybody outside of core uses", () => {
  const text = `import type { Link } from "../../${"core/contract"}/mod.ts";`;
  assert.equal(breaches(house({ sources: { "plugins/a/mod_test.ts": text } })).length, 1);
  assert.deepEqual(breaches(house({ sources: { "core/net/net.ts": text } })), []);
  assert.deepEqual(breaches(house({ imports: { "@otb/plugin": "./core/contract/mod.ts" } })), []);
  assert.equal(breaches(house({ imports: { "@otb/plugin": "./plugins/a/mod.ts" } })).length, 1);
});

Deno.test("npm packages have exact versions", () => {
  const imports = { zod: "npm:zod@4.6.7", "@a/b": "npm:@a/b@1.0.0-rc.1" };
  const sources = { "core/x.ts": `import * as z from "zod/mini";\nimport { c } from "@a/b";\n` };
  assert.deepEqual(breaches(house({ imports, sources })), []);
  for (
    const target of ["npm:zod", "npm:zod@^4.6.7", "npm:@a/b", "jsr:@std/assert@1.0.0", "https://x.org/y.ts"]
  ) {
    const sources = { "core/x.ts": `import x from "x";\n` };
    assert.equal(breaches(house({ imports: { x: target }, sources })).length, 1, target);
  }
});

Deno.test("an npm package that nobody imports is found", () => {
  const imports = { zod: "npm:zod@4.6.7" };
  assert.match(
    breaches(house({ imports, sources: { "core/x.ts": `// "zod"` } }))[0]!,
    /nobody imports "zod"/,
  );
});

Deno.test("no file is longer than 500 lines", () => {
  const lines = (count: number) => house({ sources: { "core/x.ts": "\n".repeat(count) } });
  assert.deepEqual(breaches(lines(500)), []);
  assert.equal(breaches(lines(501)).length, 1);
});

Deno.test("a plugin's module only joins", () => {
  const plugin = (text: string) => breaches(house({ sources: { "plugins/a/mod.ts": text } })).length;
  assert.equal(plugin("class Running {}\nnew Running();"), 1);
  assert.equal(plugin("// line\n".repeat(90)), 1);
  assert.equal(plugin("// line\n".repeat(50)), 0);
});

Deno.test("only tests import what stands in a folder testing", () => {
  const edge = (from: string) => house({ edges: [{ from, to: "plugins/a/testing/world.ts" }] });
  assert.equal(breaches(edge("plugins/a/mod.ts")).length, 1);
  assert.deepEqual(breaches(edge("plugins/a/x_test.ts")), []);
  assert.deepEqual(breaches(edge("plugins/a/testing/other.ts")), []);
});
