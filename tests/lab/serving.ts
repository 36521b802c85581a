// Whether a server that a lab started does serve: one that is missing or ends would look like a modem without DHCP.
import { OtbError } from "@otb/plugin";

/** DHCP's port as /proc/net/udp writes it (proc_net_udp(5)). */
const DHCP_PORT = /^ *\d+: [0-9A-F]{8}:0043 /m;
const LOOK_MS = 20;

/**
 * Resolves when a process that was started in another network namespace has DHCP's port there.
 * @param errors the file with what it said
 * @throws OtbError `lab-failed` when it ended instead
 */
export async function untilServing(
  { pid, status }: Deno.ChildProcess,
  what: string,
  errors: string,
): Promise<void> {
  let code: number | undefined;
  void status.then((ended) => code = ended.code);
  const here = Deno.readLinkSync("/proc/self/ns/net");
  while (code === undefined) {
    try {
      // Until it is there, it would see who serves here.
      const isThere = Deno.readLinkSync(`/proc/${pid}/ns/net`) !== here;
      if (isThere && DHCP_PORT.test(await Deno.readTextFile(`/proc/${pid}/net/udp`))) return;
    } catch {
      // It is ending.
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  const said = (await Deno.readTextFile(errors).catch(() => "")).trim().slice(-500) || "it said nothing";
  throw new OtbError(
    "lab-failed",
    `Cannot serve DHCP as ${what} ended with ${code}: current value is "${said}"`,
    "./otb test installs what modems run; without it, have it on PATH",
  );
}
