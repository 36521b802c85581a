// What the kernel knows of our table and of running connections, read by nft(8) and conntrack(8); the table itself is claimed.
import { runCommand } from "@otb/plugin";

/** Address family: 4 or 6. */
export type Family = 4 | 6;

/** What outlives a replacement of the table: counters by name, and DNS answers by set. */
export interface Carried {
  counters: ReadonlyMap<string, { packets: number; bytes: number }>;
  answers: ReadonlyMap<string, { address: string; expiresSeconds: number }[]>;
}

/** Nothing to carry over. */
export const NOTHING: Carried = { counters: new Map(), answers: new Map() };

/** A running connection as conntrack(8) lists it. */
export interface Tracked {
  mark: number;
  /** The address as which it leaves this box: that of the link where it was translated, otherwise still the device's. */
  leavesAs: string;
}

/** Reads counters, and with `answers` the DNS answers too; undefined when there is no such table. */
export async function readTable(table: string, { answers = true } = {}): Promise<Carried | undefined> {
  const words = answers
    ? ["-j", "list", "table", "inet", table]
    : ["-j", "list", "counters", "table", "inet", table];
  const { success, stdout } = await run("nft", words);
  return success ? parseTable(stdout) : undefined;
}

/** Counters and sets from `nft -j list`. Pure. */
export function parseTable(text: string): Carried {
  const counters = new Map<string, { packets: number; bytes: number }>();
  const answers = new Map<string, { address: string; expiresSeconds: number }[]>();
  for (const { counter, set } of JSON.parse(text).nftables) {
    if (counter) counters.set(counter.name, { packets: counter.packets, bytes: counter.bytes });
    if (set?.elem) {
      answers.set(
        set.name,
        // deno-lint-ignore no-explicit-any
        set.elem.flatMap(({ elem }: any) =>
          typeof elem?.val === "string" && elem.expires > 0
            ? [{ address: elem.val, expiresSeconds: elem.expires }]
            : []
        ),
      );
    }
  }
  return { counters, answers };
}

/** An established TCP connection that was forgotten; `source` is who opened it. */
export interface Ended {
  source: string;
  target: string;
  sourcePort: number;
  targetPort: number;
}

/** Has the kernel forget connections by their mark, so that their next packet is decided anew; gives those of TCP. */
export async function forgetConnections(mark: number, mask: number, protocol?: "tcp"): Promise<Ended[]> {
  const only = protocol ? ["-p", protocol] : [];
  // Nothing found is exit status 1, and no failure.
  const families = await Promise.all(
    ["ipv4", "ipv6"].map((family) =>
      run("conntrack", ["-D", "-f", family, ...only, "-m", `${mark}/${mask}`])
    ),
  );
  return families.flatMap(({ stdout }) => parseEnded(stdout));
}

/** Established TCP connections from what `conntrack -D` prints. Pure. */
export function parseEnded(text: string): Ended[] {
  return [...text.matchAll(/^tcp .*\bESTABLISHED src=(\S+) dst=(\S+) sport=(\d{1,5}) dport=(\d{1,5}) /gm)]
    .map(
      ([, source, target, sourcePort, targetPort]) => ({
        source: source!,
        target: target!,
        sourcePort: Number(sourcePort),
        targetPort: Number(targetPort),
      }),
    );
}

/** The running connection with these ends, if any; ports absent for what has none. */
export async function findConnection(
  { source, target, protocol, port }: { source: string; target: string; protocol?: string; port?: number },
): Promise<Tracked | undefined> {
  const family = target.includes(":") ? "ipv6" : "ipv4";
  const words = ["-L", "-f", family, "--orig-src", source, "--orig-dst", target];
  if (protocol) words.push("-p", protocol);
  if (port) words.push("--orig-port-dst", String(port));
  const { stdout } = await run("conntrack", words);
  return parseTracked(stdout);
}

/** The first line of `conntrack -L` that says something of a connection that is not over yet. Pure. */
export function parseTracked(text: string): Tracked | undefined {
  for (const line of text.split("\n")) {
    // The kernel remembers for two minutes what has ended (nf_conntrack-sysctl), which tells nothing of now.
    if (/^tcp\s.*\s(TIME_WAIT|CLOSE)\s/.test(line)) continue;
    const mark = /\bmark=(\d{1,10})\b/.exec(line)?.[1];
    const [, leavesAs] = [...line.matchAll(/\bdst=(\S+)/g)].map(([, address]) => address!);
    if (mark && leavesAs) return { mark: Number(mark), leavesAs };
  }
}

async function run(
  program: "nft" | "conntrack",
  args: string[],
): Promise<{ success: boolean; stdout: string }> {
  return await runCommand(program, {
    args,
    stderr: "null",
    env: { LC_ALL: "C" },
  });
}
