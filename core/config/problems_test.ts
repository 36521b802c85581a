import { strict as assert } from "node:assert";
import { checkNetwork, networkSchema } from "./network.ts";
import { problemsOf } from "./problems.ts";

const box = { role: "box", peers: [{ address: "198.51.100.11" }] };
const fibre = { interface: "wan1", address: "192.168.11.2/24", gateway: "192.168.11.1" };

Deno.test("what a schema refuses is told as the house tells it: rule and current value", () => {
  const cases: [unknown, string][] = [
    [{ ...box, role: "router" }, 'role as it must be one of "box" or "cloud": current value is "router"'],
    [
      { ...box, links: { Fibre: fibre } },
      'links.Fibre as a name has 1 to 15 small letters, digits or dashes and starts with a letter: current value is "Fibre"',
    ],
    [
      { ...box, peers: [{ address: "198.51.100.11", port: 70_000 }] },
      "peers.0.port as it must be at most 65535: current value is 70000",
    ],
    [
      { ...box, peers: [{ address: "198.51.100.11", port: 0 }] },
      "peers.0.port as it must be at least 1: current value is 0",
    ],
    [
      { ...box, peers: [{ address: "198.51.100.11", port: "80" }] },
      'peers.0.port as it must be number: current value is "80"',
    ],
    [
      { ...box, links: { fibre: { ...fibre, downMbps: 0 } } },
      "links.fibre.downMbps as it must be more than 0: current value is 0",
    ],
    [{ ...box, lan: { interface: "lan0" } }, 'lan.address as it must be string: current value is "nothing"'],
  ];
  for (const [raw, expected] of cases) {
    const { error } = networkSchema.safeParse(raw);
    assert.deepEqual(problemsOf("network", error!.issues, raw).map(({ message }) => message), [
      `Cannot set network.${expected}`,
    ]);
  }
});

Deno.test("everything wrong is told at once, unknown names with the nearest known one", () => {
  const raw = { role: "router", lnks: {}, links: { dsl: { interface: "a b", adress: "x" } } };
  const known = (path: PropertyKey[]) =>
    path.length === 0 ? ["role", "lan", "links"] : ["interface", "address"];
  const problems = problemsOf("network", networkSchema.safeParse(raw).error!.issues, raw, known);
  assert.deepEqual(problems.map(({ path, next }) => [path, next]).sort(), [
    ["network.links.dsl.adress", 'Did you mean "address"?'],
    ["network.links.dsl.interface", undefined],
    ["network.lnks", 'Did you mean "links"?'],
    ["network.role", undefined],
  ]);
});

Deno.test("an address is the same however it is written, and contradicts also without its gateway", () => {
  const codes = (change: object) =>
    checkNetwork(networkSchema.parse({ ...box, ...change })).map(({ code }) => code);
  const six = (address: string) => ({ interface: "wan1", address, gateway: "2001:db8::1" });
  assert.deepEqual(codes({ links: { a: six("2001:db8::2/64"), b: six("2001:DB8:0::2/64") } }), [
    "address-twice",
  ]);
  assert.deepEqual(
    codes({
      links: { fibre: { interface: "wan1", address: "192.168.11.2/24" } },
      lan: { interface: "lan0", address: "192.168.11.9/24" },
    }),
    ["gateway-missing", "lan-overlaps-link"],
  );
  assert.deepEqual(codes({ links: { fibre: { ...fibre, gateway: "2001:db8::1" } } }), ["gateway-outside"]);
});
