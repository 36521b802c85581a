// Who listens on this machine beyond loopback, as the kernel tells in /proc (proc_net_tcp(5), proc_pid_fd(5)).
import type { Listener } from "../contract/mod.ts";

/** As include/net/tcp_states.h numbers them; a UDP socket that is connected to nobody is in the latter. */
const LISTEN = "0A", CLOSE = "07";
/** Programs that look for an answer from anybody take a port from here (ip_local_port_range); nobody comes to them uninvited. */
const FIRST_EPHEMERAL = 32_768;
/** Who lets people in by ssh; systemd holds the port for it on some machines. */
const SSHD = ["sshd", "dropbear"], SSH_PORT = 22;
const PROC = "/proc";

/** One line of /proc/net/tcp and its like. */
interface Socket {
  protocol: "tcp" | "udp";
  port: number;
  uid: number;
  /** 0 for a socket of the kernel's own. */
  inode: string;
}

/** Looks again and again; programs are looked up only when sockets are new. */
export class Listeners {
  #programs = new Map<string, string | undefined>();

  /** What listens now: sorted, each once. */
  read(): Listener[] {
    const sockets = (["tcp", "udp"] as const).flatMap((protocol) =>
      [protocol, `${protocol}6`].flatMap((file) => parseSockets(firstLines(`${PROC}/net/${file}`), protocol))
    );
    const inodes = new Set(sockets.map(({ inode }) => inode).filter((inode) => inode !== "0"));
    if ([...inodes].some((inode) => !this.#programs.has(inode))) this.#programs = programsOf(inodes);
    const found = new Map<string, Listener>();
    for (const { protocol, port, uid, inode } of sockets) {
      const program = this.#programs.get(inode);
      // Root made it, or anybody could open a port by the name of a program.
      const isSsh = protocol === "tcp" && uid === 0 &&
          (SSHD.includes(program ?? "") || program === "systemd" && port === SSH_PORT) || undefined;
      found.set(`${protocol} ${port} ${program}`, { protocol, port, program, isSsh });
    }
    return [...found.values()].sort((a, b) =>
      a.port - b.port || (`${a.protocol} ${a.program}` < `${b.protocol} ${b.program}` ? -1 : 1)
    );
  }
}

/** Sockets that others can reach, of the text of one of these files. Pure. */
export function parseSockets(text: string, protocol: "tcp" | "udp"): Socket[] {
  return text.split("\n").slice(1).flatMap((line): Socket[] => {
    const [, local = "", , state, , , , uid, , inode = "0"] = line.trim().split(/\s+/);
    const [address = "", hex = ""] = local.split(":");
    const port = parseInt(hex, 16);
    if (state !== (protocol === "tcp" ? LISTEN : CLOSE) || !(port > 0) || isLoopback(address)) return [];
    if (protocol === "udp" && port >= FIRST_EPHEMERAL && inode !== "0") return [];
    return [{ protocol, port, uid: Number(uid), inode }];
  });
}

/** Addresses are hexadecimal words in the machine's byte order, which is little-endian wherever this runs. */
function isLoopback(address: string): boolean {
  return address.length === 8
    ? address.endsWith("7F")
    : address === "00000000000000000000000001000000" || /^0{16}FFFF0000.{6}7F$/.test(address);
}

/** A file as far as needed: listening sockets of TCP stand before all connections, of which there may be very many. */
function firstLines(path: string): string {
  let text = "";
  try {
    using file = Deno.openSync(path);
    const buffer = new Uint8Array(65_536), decoder = new TextDecoder();
    for (let length = file.readSync(buffer); length; length = file.readSync(buffer)) {
      text += decoder.decode(buffer.subarray(0, length), { stream: true });
      const last = text.split("\n").at(-2)?.trim().split(/\s+/);
      if (path.includes("/tcp") && last && last[0] !== "sl" && last[3] !== LISTEN) break;
    }
  } catch {
    // A kernel without IPv6 has no file for it.
  }
  return text;
}

function programsOf(inodes: ReadonlySet<string>): Map<string, string | undefined> {
  const programs = new Map<string, string | undefined>([...inodes].map((inode) => [inode, undefined]));
  for (const { name: pid } of Deno.readDirSync(PROC)) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      for (const { name } of Deno.readDirSync(`${PROC}/${pid}/fd`)) {
        const inode = /^socket:\[(\d+)\]$/.exec(linkTarget(`${PROC}/${pid}/fd/${name}`))?.[1];
        // Of several that hold it (a program and who started it), the one that is called like a service.
        if (inode === undefined || !inodes.has(inode)) continue;
        const program = Deno.readTextFileSync(`${PROC}/${pid}/comm`).trim().replace(/[^\x20-\x7e]/g, "?");
        const known = programs.get(inode);
        if (known === undefined || known === "systemd") programs.set(inode, program);
      }
    } catch {
      // It has ended, or is another user's.
    }
  }
  return programs;
}

function linkTarget(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return "";
  }
}
