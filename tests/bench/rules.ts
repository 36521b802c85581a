// `otb bench rules`: what a thousand pinning rules cost: a connection forwarded through the table of one rule and of a thousand,
// in turns, every packet on its own as it would come from a wire.
import { compile } from "../../plugins/device-pinning/rules/compile.ts";
import { NOTHING } from "../../plugins/device-pinning/flows/kernel.ts";
import { run as program, script, settings, wish } from "../../plugins/device-pinning/testing/pinning.ts";
import { median, round } from "./measure.ts";

const RULES = 1_000;
/** Of the throughput with a single rule. */
const BAR = 0.97;
const DEVICE = "02:00:00:00:00:0a", FAR = "203.0.113.10";

/** Gbit/s, medians of the rounds. */
export interface RulesResult {
  rules: number;
  oneGbps: number;
  thousandGbps: number;
  ratio: number;
  pass: boolean;
}

/** Alternates the two tables. */
export async function run({ rounds, seconds }: { rounds: number; seconds: number }): Promise<RulesResult> {
  const id = `otbrules-${crypto.randomUUID().slice(0, 8)}`;
  const [device, box, far] = ["device", "box", "far"].map((role) => `${id}-${role}`) as [
    string,
    string,
    string,
  ];
  const server = new AbortController();
  try {
    await build(device, box, far);
    const listening = new Deno.Command("ip", {
      args: ["netns", "exec", far, "iperf3", "-s", "-B", FAR],
      stdin: "null",
      stdout: "null",
      stderr: "null",
      signal: server.signal,
    }).spawn();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const tables = [rules(1), rules(RULES)].map((config) => script(compile(wish(settings(config)), NOTHING)));
    const found: [number[], number[]] = [[], []];
    for (let turn = 0; turn < 2 * rounds; turn++) {
      // Each is first as often as it is second.
      const index = (turn + (turn >> 1)) % 2;
      await program(["ip", "netns", "exec", box, "nft", "-f", "-"], tables[index]);
      const said = await program(
        [
          "ip",
          "netns",
          "exec",
          device,
          "iperf3",
          "-J",
          "-c",
          FAR,
          "-t",
          String(seconds),
          "-O",
          "1",
          "-C",
          "reno",
        ],
      );
      found[index as 0 | 1].push(JSON.parse(said).end.sum_received.bits_per_second / 1e9);
    }
    server.abort();
    await listening.status;
    const [oneGbps, thousandGbps] = found.map((runs) => round(median(runs))) as [number, number];
    const ratio = round(thousandGbps / oneGbps, 3);
    return { rules: RULES, oneGbps, thousandGbps, ratio, pass: ratio >= BAR };
  } finally {
    server.abort();
    for (const name of [device, box, far]) await program(["ip", "netns", "delete", name]).catch(() => {});
  }
}

/** The result as lines for a person. */
export function rows({ rules, oneGbps, thousandGbps, ratio }: RulesResult): string[][] {
  return [
    ["forwarded through the box", "Gbit/s"],
    ["one rule", oneGbps.toFixed(2)],
    [`${rules} rules`, thousandGbps.toFixed(2)],
    ["ratio", `${ratio} (bar ${BAR})`],
  ];
}

/** Rules of every kind; the one that decides is the last. */
function rules(count: number): object {
  const kinds = [
    (index: number) => ({
      match: { addresses: [`10.${index >> 8}.${index & 255}.0/24`] },
      way: "link",
      link: "cable",
    }),
    (index: number) => ({ match: { ports: [String(10_000 + index)], protocol: "udp" }, way: "bonded" }),
    (index: number) => ({
      match: { device: `02:00:00:00:${hex(index >> 8)}:${hex(index)}` },
      way: "link",
      link: "fibre",
    }),
    (index: number) => ({
      match: { addresses: [`172.${16 + index % 16}.${index & 255}.1/32`], ports: ["443"] },
      way: "block",
    }),
  ];
  const others = Array.from(
    { length: count - 1 },
    (_, index) => ({ name: `r${index}`, ...kinds[index % 4]!(index) }),
  );
  return { rules: [...others, { name: "last", match: { device: DEVICE }, way: "link", link: "fibre" }] };
}

function hex(value: number): string {
  return (value & 255).toString(16).padStart(2, "0");
}

/** A device behind a box with one link, over veth pairs that carry one segment a packet. */
async function build(device: string, box: string, far: string): Promise<void> {
  for (const name of [device, box, far]) await program(["ip", "netns", "add", name]);
  const ip = (namespace: string, lines: string[]) =>
    program(["ip", "-n", namespace, "-batch", "-"], lines.join("\n"));
  await ip(box, [
    "link set lo up",
    `link add lan0 type veth peer name eth0 netns ${device}`,
    `link add wan1 type veth peer name eth0 netns ${far}`,
    `link add wan2 type veth peer name eth1 netns ${far}`,
    ...["lan0", "wan1"].map((name) => `link set ${name} gso_max_segs 1 up`),
    "link set wan2 up",
    "address add 192.168.100.1/24 dev lan0",
    "address add 192.168.11.2/24 dev wan1",
    "route add default via 192.168.11.1 dev wan1 table 1001",
    "route add default via 192.168.11.1 dev wan1",
    "rule add fwmark 0x100/0xff00 lookup 1001 priority 901",
  ]);
  await program(["ip", "netns", "exec", box, "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
  await ip(device, [
    `link set eth0 address ${DEVICE}`,
    "link set eth0 gso_max_segs 1 up",
    "address add 192.168.100.10/24 dev eth0",
    "route add default via 192.168.100.1",
  ]);
  await ip(far, [
    "link set eth0 gso_max_segs 1 up",
    "address add 192.168.11.1/24 dev eth0",
    "link set lo up",
    `address add ${FAR}/32 dev lo`,
  ]);
}
