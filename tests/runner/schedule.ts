// Which whole-system tests may run beside others, and in which order: the longest first. The one place for both.

/**
 * Files that have the machine to themselves, and why: they measure rates or times so closely that neighbours would be
 * measured too. Everything else waits for its own network most of the time, and must bear company.
 */
export const ALONE: { [file: string]: string } = {
  "dhcp_leases_test.ts":
    "cuts the power at 70 leases a second: who keeps copies must not be starved meanwhile",
  "dhcp_rate_test.ts": "loses no answer at 100 devices a second, and answers within 5 s of a kill",
  "lab_test.ts": "measures how exactly the lab keeps rates, delays and loss",
  "path_rate_test.ts": "demands most of the sum of all links",
  "soak_test.ts": "puts in faults by the second: how one box bears them is asked, and not how three do",
  "tunnel_load_test.ts": "loses next to nothing under load",
  "tunnel_rate_test.ts": "loses next to nothing at most of the sum of all links",
};

/** Seconds that each file takes on two busy cores, to the order of which it matters; one that is not named is taken for long and begins early. */
const SECONDS: { [file: string]: number } = {
  "discovery_test.ts": 405,
  "path_test.ts": 215,
  "faults_test.ts": 210,
  "tunnel_protocols_test.ts": 200,
  "pinning_test.ts": 180,
  "health_test.ts": 160,
  "dhcp_hand_back_test.ts": 145,
  "tunnel_test.ts": 140,
  "dhcp_test.ts": 135,
  "dhcp_orders_test.ts": 135,
  "setup_test.ts": 130,
  "addresses_test.ts": 120,
  "survival_test.ts": 105,
  "resolver_test.ts": 70,
  "multicast_test.ts": 65,
  "disk_test.ts": 65,
  "qos_test.ts": 50,
  "dhcp_hostile_test.ts": 45,
  "stand_in_test.ts": 45,
  "clock_test.ts": 35,
  "dhcp_ipv6_test.ts": 40,
  "hot_plug_test.ts": 25,
};
const UNKNOWN_SECONDS = 120;

/** What `deno test` is asked to run. */
export interface Job {
  /** Path from the root of the tree. */
  name: string;
  alone: boolean;
}

/** The jobs for some files of tests/system/, longest first; those that run alone come last. */
export function schedule(files: string[]): Job[] {
  const base = (name: string) => name.slice(name.lastIndexOf("/") + 1);
  const seconds = (name: string) => SECONDS[base(name)] ?? UNKNOWN_SECONDS;
  return files.map((name) => ({ name, alone: base(name) in ALONE }))
    .sort((a, b) =>
      Number(a.alone) - Number(b.alone) || seconds(b.name) - seconds(a.name) || (a.name < b.name ? -1 : 1)
    );
}

/** How many run at once: one a core, as a box that starts is work and tests wait for it, as long as there is memory for each. */
export function slots(cores: number, availableBytes: number): number {
  return Math.max(1, Math.min(cores, Math.floor(availableBytes / BYTES_EACH)));
}

/** Three houses with a box each, the most that one file raises at once. */
const BYTES_EACH = 1.2e9;
