import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { canonicalAddress } from "../contract/address.ts";
import { canonical, canonicalMark, canonicalPrefix } from "./canonical.ts";
import { commandsOf } from "./commands.ts";
import type { Resource } from "./model.ts";
import { EVERYTHING } from "./testing/namespace.ts";

Deno.test("addresses, prefixes and marks get the kernel's spelling", () => {
  strictEqual(canonicalAddress("FD00:0:0::0002"), "fd00::2");
  strictEqual(canonicalAddress("10.0.0.1", 6), undefined);
  for (const bad of ["10.1", "0x7f.1", "010.0.0.1", "fe80::1%wan0", "", "1.2.3.4 dev lo", "1.2.3.4\n"]) {
    strictEqual(canonicalAddress(bad), undefined, JSON.stringify(bad));
  }
  strictEqual(canonicalPrefix("10.1.2.3/8", 4), "10.0.0.0/8");
  strictEqual(canonicalPrefix("10.1.2.3/32", 4), "10.1.2.3");
  strictEqual(canonicalPrefix("2001:DB8::1/32", 6), "2001:db8::/32");
  for (const bad of ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "::/8"]) {
    strictEqual(canonicalPrefix(bad, 4), undefined, bad);
  }
  strictEqual(canonicalMark("1/0xFF"), "0x1/0xff");
  strictEqual(canonicalMark("0x1/0xffffffff"), "0x1");
});

Deno.test("canonical is idempotent, and no command of it has a second line", () => {
  for (const resource of EVERYTHING.map(canonical)) {
    deepStrictEqual(canonical(resource), resource);
    if (resource.kind === "nftTable") continue;
    for (const verb of ["add", "replace", "delete"] as const) {
      for (const { line } of commandsOf({ verb, resource })) strictEqual(line.includes("\n"), false);
    }
  }
});

Deno.test("words that would end a command line are refused in every field", () => {
  const poison = fc.constantFrom(
    "x\nlink delete lo",
    "a b",
    "x;y",
    'x"',
    "x'",
    "x\\",
    "#x",
    "",
    "../x",
    "-x",
    "x\0",
  );
  const fields = EVERYTHING.flatMap((resource) =>
    Object.entries(resource).flatMap(([field, value]) =>
      typeof value === "string" && !["kind", "body"].includes(field) &&
        !(resource.kind === "sysctl" && field === "value")
        ? [{ resource, field }]
        : []
    )
  );
  fc.assert(fc.property(fc.constantFrom(...fields), poison, ({ resource, field }, word) => {
    // An empty optional selector means the same as none.
    if (word === "" && ["via", "source", "from", "to", "mark"].includes(field)) return;
    throws(() => canonical({ ...resource, [field]: word } as Resource), { code: "resource-invalid" });
  }));
  const qdisc = { kind: "qdisc", interface: "wan0", parent: "root", spec: ["tbf"] } as const;
  fc.assert(fc.property(poison, (word) => {
    if (word === "../x" || word === "-x") return;
    throws(() => canonical({ ...qdisc, spec: ["tbf", word] }), { code: "resource-invalid" });
    throws(() => canonical({ ...qdisc, spec: ["tbf"], then: [["class", "add", "dev", "wan0", word]] }));
  }));
  throws(
    () => canonical({ ...qdisc, spec: ["tbf"], then: [["qdisc", "del", "dev", "wan0"]] }),
    /further line/,
  );
  throws(
    () => canonical({ ...qdisc, spec: ["tbf"], then: [["class", "add", "dev", "lan0"]] }),
    /further line/,
  );
  throws(() => canonical({ kind: "sysctl", name: "net/ipv4/ip_forward", value: "1\n2" }));
});

Deno.test("a table's body cannot leave its table", () => {
  const table = (body: string) => canonical({ kind: "nftTable", family: "inet", name: "otb_x", body });
  table('chain c { comment "}"; } # }');
  for (const body of ["} table inet other {", "chain c {", "}{"]) {
    throws(() => table(body), /close every brace/);
  }
  throws(() => canonical({ kind: "nftTable", family: "inet", name: "filter", body: "" }), /starts with otb_/);
});

Deno.test("a claim whose words are lists, or are not there, is refused: a pattern would take them for text", () => {
  for (
    const claim of [
      { kind: "address", cidr: "192.0.2.1/24" },
      { kind: "address", interface: "eth0" },
      { kind: "address", interface: ["eth0"], cidr: "192.0.2.1/24" },
      { kind: "rule", family: 4, priority: 1, table: 1, mark: ["0x1"] },
      { kind: "sysctl", name: "net/ipv4/ip_forward", value: 1 },
      { kind: "nftTable", family: "inet", name: ["otb_a"], body: "" },
      { kind: "nftTable", family: "inet", name: "otb_a" },
      { kind: "qdisc", interface: "eth0", parent: "root", spec: "fq" },
      { kind: "mptcpEndpoint", id: 1, address: "192.0.2.1", interface: "eth0" },
      { kind: "interfaceState", interface: "eth0", up: "no" },
    ]
  ) {
    throws(
      () => canonical(claim as unknown as Resource),
      { code: "resource-invalid" },
      JSON.stringify(claim),
    );
  }
});
