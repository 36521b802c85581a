// Datagrams and QUIC downloads between the Internet server of a lab and a role in it; the servers start with the first use.
import type { Received } from "./datagram_meter.ts";
import type { FlowSpec, Sent } from "./datagram_traffic.ts";
import type { Lab } from "./lab.ts";
import { Lines } from "./programs.ts";

/** What came of one direction. */
export interface Datagrams extends Omit<Received, "lastUs"> {
  sent: number;
  lost: number;
  lostShare: number;
  reorderedShare: number;
}

/** Both directions as far as they were asked for. */
export interface DatagramsReport {
  up?: Datagrams;
  down?: Datagrams;
  /** `address:port` where the server saw datagrams come from, each once, in order of appearance; `[address]:port` for IPv6. */
  seenFrom: string[];
}

export interface DatagramsOptions {
  up?: DatagramFlow;
  down?: DatagramFlow;
  seconds: number;
  /** The first seconds count for nothing but the order. */
  skipSeconds?: number;
  /** Sockets of the client, each with a port of its own, that take turns; default 1. */
  flows?: number;
  /** The client's port; default any. */
  localPort?: number;
  /** Too large datagrams are refused by the sender's kernel rather than fragmented. */
  whole?: boolean;
  /** How long the server may leave the client without an answer before it is an error; default 15. */
  patienceSeconds?: number;
  /** Another address of the server. */
  host?: string;
  /** Another port, which leads to the server's own by a rule of the caller's. */
  port?: number;
  /** Every 100 ms and direction; `gapMs` is the longest time without a datagram since the last. */
  onProgress?: (
    progress: { direction: "up" | "down"; tMs: number; received: number; gapMs: number },
  ) => void;
}

/** A constant rate, by number of datagrams or by bits of UDP payload. */
export type DatagramFlow =
  & Omit<FlowSpec, "packetsPerSecond">
  & ({ packetsPerSecond: number } | { mbps: number });

export interface QuicOptions {
  seconds: number;
  /** Left out of `mbps`. */
  skipSeconds?: number;
  /** Of the one connection; default 6. */
  streams?: number;
  onProgress?: (progress: { tMs: number; bytes: number; stallMs: number }) => void;
}

/** What a QUIC download did, as quic_client.ts reports it. */
export interface QuicTransfer {
  bytes: number;
  ms: number;
  mbps: number;
  longestStallMs: number;
  error?: string;
}

/** Where the server hears datagrams and QUIC. */
export const DATAGRAM_PORT = 9200, QUIC_PORT = 8444;

/** What one end of a session of datagrams says in the end. */
interface EndSaid {
  received?: Received;
  sent?: Sent;
  from?: string[];
  error?: string;
}

/** The servers of one lab; `stop` ends them. */
export class Traffic {
  #datagramServer: Promise<Lines> | undefined;
  #quicServer: Promise<Lines> | undefined;

  /**
   * @param server address of the role `server`
   * @param folder for a certificate
   */
  constructor(
    private readonly lab: Pick<Lab, "spawn">,
    private readonly server: string,
    private readonly folder: string,
  ) {}

  /**
   * Numbered UDP datagrams at constant rates between a role and the server, in one direction or both. What the server says of
   * them reaches this process past the network.
   *
   * ```ts
   * const { down, seenFrom } = await world.datagrams("device1", { down: { mbps: 20, bytes: 1200 }, seconds: 5 });
   * assert.ok(down!.lostShare < 0.01 && down!.longestGapMs < 300 && seenFrom.length === 1);
   * ```
   *
   * @throws Error when the server never answered
   */
  async datagrams(role: string, options: DatagramsOptions): Promise<DatagramsReport> {
    const server =
      await (this.#datagramServer ??= this.#start("tests/lab/datagrams.ts", "serve", DATAGRAM_PORT));
    const session = crypto.getRandomValues(new Uint32Array(1))[0]!;
    const {
      onProgress,
      host = this.server,
      port = DATAGRAM_PORT,
      localPort = 0,
      whole = false,
      patienceSeconds = 15,
      ...rest
    } = options;
    const spec = { skipSeconds: 0, flows: 1, ...rest, up: flowOf(rest.up), down: flowOf(rest.down) };
    const ask = JSON.stringify({
      ...spec,
      host,
      port,
      session,
      localPort,
      whole,
      patienceSeconds,
    });
    const client = new Lines(this.lab, role, ["tests/lab/datagrams.ts", "ask", ask]);
    const tell = (direction: "up" | "down") => (line: { session?: number; tMs?: number }) => {
      if (line.session === session && line.tMs !== undefined) onProgress?.({ ...line, direction } as never);
    };
    const stop = server.listen(tell("up"));
    client.listen(tell("down"));
    const isLast = (line: object) => "session" in line && line.session === session && !("tMs" in line);
    try {
      const near = await client.next<EndSaid>(isLast);
      if (near.error) throw new Error(`no datagrams between ${role} and ${host}: ${near.error}`);
      const told = server.next<EndSaid>(isLast);
      await server.write(`report ${session}`);
      const far = await told;
      const up = far.received && near.sent && joined(near.sent, far.received);
      const down = near.received && far.sent && joined(far.sent, near.received);
      return { ...(up && { up }), ...(down && { down }), seenFrom: far.from ?? [] };
    } finally {
      stop();
      await client.stop();
    }
  }

  /** One download by QUIC over one connection from the server. */
  async quic(role: string, options: QuicOptions): Promise<QuicTransfer> {
    const { seconds, skipSeconds = 0, streams = 6, onProgress } = options;
    const [certificate, key] = [`${this.folder}/quic.crt`, `${this.folder}/quic.key`];
    await (this.#quicServer ??= makeCertificate(certificate, key).then(() =>
      this.#start("tests/lab/quic_server.ts", QUIC_PORT, certificate, key)
    ));
    const words = [this.server, QUIC_PORT, certificate, seconds, skipSeconds, streams].map(String);
    const client = new Lines(this.lab, role, ["tests/lab/quic_client.ts", ...words]);
    if (onProgress) client.listen((line) => "tMs" in line && onProgress(line as never));
    try {
      return await client.next<QuicTransfer>((line) => !("tMs" in line));
    } finally {
      await client.stop();
    }
  }

  async stop(): Promise<void> {
    for (const server of [this.#datagramServer, this.#quicServer]) {
      await server?.then((one) => one.stop(), () => {});
    }
  }

  /** Starts a server of ours; resolves once it listens. */
  async #start(...words: (string | number)[]): Promise<Lines> {
    const server = new Lines(this.lab, "server", words.map(String));
    await server.next((line) => "listening" in line);
    return server;
  }
}

function flowOf(flow: DatagramFlow | undefined): FlowSpec | undefined {
  if (!flow) return undefined;
  const packetsPerSecond = "mbps" in flow ? flow.mbps * 1e6 / 8 / flow.bytes : flow.packetsPerSecond;
  return { ...flow, packetsPerSecond };
}

/** Both ends' halves of one direction; when nothing more comes until its end, that is a gap as well. */
function joined({ sent, refused, lastUs: sentUs }: Sent, { lastUs, ...received }: Received): Datagrams {
  const lost = Math.max(refused, sent - received.received);
  return {
    ...received,
    sent,
    lost,
    lostShare: sent > 0 ? lost / sent : 0,
    reorderedShare: received.received > 0 ? received.reordered / received.received : 0,
    longestGapMs: Math.max(received.longestGapMs, (sentUs - lastUs) / 1000),
  };
}

/** A certificate of its own for `lab`, which clients are told to trust. */
async function makeCertificate(certificate: string, key: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3000"],
      ...["-subj", "/CN=lab", "-addext", "subjectAltName=DNS:lab"],
      // As an authority it could not stand for the server itself.
      ...["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", certificate],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`openssl made no certificate: ${new TextDecoder().decode(stderr)}`);
}
