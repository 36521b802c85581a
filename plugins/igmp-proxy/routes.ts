// The kernel's multicast routes, as ip-mroute(8) shows them.
import { runCommand } from "@otb/plugin";

/** One stream that is passed on to the LAN. */
export interface Channel {
  group: string;
  source: string;
  /** Since it began. */
  bytes: number;
}

/** Streams that go to an interface now; none where the kernel has no multicast routing. */
export async function channels(to: string): Promise<Channel[]> {
  const { success, stdout } = await runCommand("ip", {
    args: ["-4", "-s", "-j", "mroute", "show"],
    stderr: "null",
  });
  return success ? parse(stdout, to) : [];
}

/** The same from its text. Pure. */
export function parse(text: string, to: string): Channel[] {
  const routes = text.trim() === "" ? [] : JSON.parse(text) as {
    src: string;
    dst: string;
    bytes?: number | string;
    // ip(8) writes either, by version.
    multipath?: { oif?: string; dev?: string }[];
    oifs?: { oif?: string; dev?: string }[];
  }[];
  return routes.flatMap(({ src, dst, bytes, multipath, oifs }) =>
    [...multipath ?? [], ...oifs ?? []].some(({ oif, dev }) => (oif ?? dev) === to)
      ? [{ group: dst, source: src, bytes: Number(bytes ?? 0) }]
      : []
  );
}
