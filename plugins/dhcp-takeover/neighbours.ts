// Who is on the LAN whether or not we gave it an address: the kernel's ARP table, and a nudge that fills it.
import { createSocket, type Socket } from "node:dgram";
import { isIpv4, runCommand } from "@otb/plugin";
import { MAC } from "./config.ts";

/** A station that answered ARP. */
export interface Neighbour {
  address: string;
  mac: string;
  interface: string;
}

const NOBODY = "00:00:00:00:00:00";
/** The discard service (RFC 863): nobody minds what comes there. */
const DISCARD_PORT = 9;
/** ATF_COM of arp(7): the address is known to be there. */
const COMPLETE = 0x2;

/** Entries of /proc/net/arp (arp(7)) that are complete. Pure. */
export function parseArpTable(text: string): Neighbour[] {
  return text.split("\n").slice(1).flatMap((line) => {
    const [address = "", , flags = "", mac = "", , device] = line.trim().split(/\s+/);
    if (!device || !isIpv4(address) || !MAC.test(mac) || mac === NOBODY) return [];
    return Number(flags) & COMPLETE ? [{ address, mac, interface: device }] : [];
  });
}

/** Stations that the kernel knows of now. @throws Error when the table can't be read */
export async function neighbours(): Promise<Neighbour[]> {
  // Deno keeps /proc from whoever may not do everything; a program that may do nothing else reads it for us.
  const { success, stdout, stderr } = await runCommand("setpriv", {
    args: [
      ...["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", "--inh-caps=-all"],
      ...["--bounding-set=-all", "cat", "/proc/net/arp"],
    ],
    clearEnv: true,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
  if (!success) throw new Error(stderr.trim().slice(0, 200));
  return parseArpTable(stdout);
}

/** Has the kernel ask by ARP who has an address: no host can hide from that behind a firewall. */
export class Nudger {
  readonly #socket: Socket = createSocket("udp4");

  constructor() {
    // An address that is not on this segment is nobody's business beyond the first router.
    this.#socket.bind(0, () => this.#socket.setTTL(1));
    this.#socket.on("error", () => {});
    this.#socket.unref();
  }

  nudge(address: string): void {
    this.#socket.send(new Uint8Array(1), DISCARD_PORT, address, () => {});
  }

  close(): void {
    this.#socket.close();
  }
}
