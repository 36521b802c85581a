// How the box reaches the peer: one reliable stream per connection over all links. Kernel MPTCP is the first of its kind;
// a striped transport for links that it does badly on takes the same place.
import { encodeAddress, type Native } from "../../../core/native/ffi.ts";
import type { FirstPathFact, Peer } from "@otb/plugin";

/** Below what modems forget: a silent connection keeps its place in their NAT. */
export const KEEPALIVE_SECONDS = 55;

/** Where a stream starts: a link's own address, or what routing chooses. */
export type Path = FirstPathFact["choices"][number] | undefined;

/** A link that may carry now. */
export type Way = NonNullable<Path>;

/** Opens streams to one peer; what comes back is a descriptor that connects and then reads and writes like TCP. */
export interface Transport {
  /**
   * Starts to connect over a path; throws OtbError when that fails at once.
   * @param mark the firewall mark of everything sent; 0 for none
   * @param alone over this path and no other
   */
  connect(path: Path, mark?: number, alone?: boolean): number;
  /** `mptcp`, or `tcp` when a connected stream has fallen back. */
  protocol(fd: number): "mptcp" | "tcp";
}

/** Kernel Multipath TCP (RFC 8684): the kernel's path manager adds the other links, configured by mptcp-scheduler. */
export class MptcpTransport implements Transport {
  readonly #remote: Uint8Array<ArrayBuffer>;
  /** Address records of the links' own addresses; they are few. */
  readonly #sources = new Map<string, Uint8Array<ArrayBuffer>>();

  /** @param mptcp false for plain TCP: one path, for comparisons */
  constructor(private readonly native: Native, peer: Peer, private readonly mptcp = true) {
    this.#remote = encodeAddress({ host: peer.address, port: peer.port });
  }

  connect(path: Path, mark = 0, alone = false): number {
    const { fd } = this.native.connect(this.#remote, {
      mptcp: this.mptcp && !alone,
      resetOnClose: true,
      source: path && this.#source(path.source),
      mark: mark || undefined,
    });
    this.native.setNoDelay(fd, true);
    this.native.setKeepalive(fd, KEEPALIVE_SECONDS);
    return fd;
  }

  #source(host: string): Uint8Array<ArrayBuffer> {
    let record = this.#sources.get(host);
    if (!record) {
      if (this.#sources.size >= 64) this.#sources.clear();
      this.#sources.set(host, record = encodeAddress({ host, port: 0 }));
    }
    return record;
  }

  protocol(fd: number): "mptcp" | "tcp" {
    return this.native.isMptcp(fd) ? "mptcp" : "tcp";
  }
}

/** Paths in the order to try them: one drawn by weight, then the others from the heaviest. */
export function order(choices: FirstPathFact["choices"], random: number): Path[] {
  if (choices.length === 0) return [undefined];
  let left = random;
  const drawn = choices.find(({ weight }) => (left -= weight) < 0) ?? choices[0]!;
  return [drawn, ...choices.filter((choice) => choice !== drawn).sort((a, b) => b.weight - a.weight)];
}
