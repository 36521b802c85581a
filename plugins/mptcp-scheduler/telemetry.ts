// From the kernel's socket dump to figures per path: rates, round trip, loss, share, protocol. Pure.
import { LineLoss } from "./line_loss.ts";

/** What is used of one TCP socket (sock_diag(7)); bytes and segments count since its start. */
export interface SocketSample {
  local: { host: string; port: number };
  remote: { host: string; port: number };
  state: number;
  isMptcpSubflow: boolean;
  tokenLocal: number;
  rttUs: number;
  minRttUs: number;
  bytesReceived: number;
  bytesAcked: number;
  dataSegmentsOut: number;
  retransSegments: number;
  unacked: number;
  backoff: number;
  lastAckReceivedMs: number;
  lastDataReceivedMs: number;
  congestion: string;
}

/** One path over the last beat. */
export interface PathSample {
  subflows: number;
  /** Sockets to the peer that are plain TCP: MPTCP was stripped or refused there. */
  plain: number;
  rxBitsPerSecond: number;
  txBitsPerSecond: number;
  rttMs?: number;
  minRttMs?: number;
  /** Over about ten seconds, as LossFound has them. */
  loss?: number;
  lineLoss?: number;
  congestion: string;
  /** The oldest data without an acknowledgement waits this long, over the sockets with data in flight. */
  silentMs: number;
  backoff: number;
  tokens: Set<number>;
}

/** A path while it is summed up. */
interface Sums extends PathSample {
  weight: number;
  rttSum: number;
  sent: number;
  again: number;
}

const ESTABLISHED = 1;
/** What was learned of a path's losses is kept this long without a socket on it. */
const REMEMBERED_MS = 600_000, MOST_REMEMBERED = 1_024;

/** Keeps the last sample of each socket to make rates of counters. */
export class Telemetry {
  #sockets = new Map<string, SocketSample>();
  #losses = new Map<string, { watch: LineLoss; seenMs: number }>();
  #nowMs = 0;

  /** Paths of which something is known. */
  get known(): number {
    return this.#losses.size;
  }

  /**
   * @param pathOf the path a socket belongs to, undefined for none
   * @returns figures by path; paths without sockets are absent
   */
  beat(
    samples: SocketSample[],
    elapsedMs: number,
    pathOf: (sample: SocketSample) => string | undefined,
  ): Map<string, PathSample> {
    const paths = new Map<
      string,
      PathSample & { weight: number; rttSum: number; sent: number; again: number }
    >();
    const sockets = new Map<string, SocketSample>();
    this.#nowMs += elapsedMs;
    for (const sample of samples) {
      const name = pathOf(sample);
      if (name === undefined || sample.state !== ESTABLISHED) continue;
      const key = `${sample.local.host}|${sample.local.port}|${sample.remote.host}|${sample.remote.port}`;
      const before = this.#sockets.get(key);
      sockets.set(key, sample);
      const path = paths.get(name) ?? empty();
      paths.set(name, path);
      const rx = grown(before?.bytesReceived, sample.bytesReceived);
      const tx = grown(before?.bytesAcked, sample.bytesAcked);
      path.rxBitsPerSecond += rx * 8000 / elapsedMs;
      path.txBitsPerSecond += tx * 8000 / elapsedMs;
      path.sent += grown(before?.dataSegmentsOut, sample.dataSegmentsOut);
      path.again += grown(before?.retransSegments, sample.retransSegments);
      const weight = 1 + rx + tx;
      path.weight += weight;
      path.rttSum += weight * sample.rttUs / 1000;
      if (sample.minRttUs > 0) path.minRttMs = Math.min(path.minRttMs ?? Infinity, sample.minRttUs / 1000);
      if (sample.isMptcpSubflow) {
        path.subflows++;
        path.tokens.add(sample.tokenLocal);
        // A probe is plain by intention, and says nothing.
      } else if (sample.bytesReceived > 0 || sample.bytesAcked > 64) path.plain++;
      if (sample.unacked > 0) {
        path.silentMs = Math.max(path.silentMs, sample.lastAckReceivedMs);
        path.backoff = Math.max(path.backoff, sample.backoff);
      }
      path.congestion = sample.congestion;
    }
    this.#sockets = sockets;
    for (const [name, path] of paths) {
      path.rttMs = path.rttSum / path.weight;
      const { watch } = this.#losses.get(name) ?? { watch: new LineLoss() };
      this.#losses.delete(name);
      this.#losses.set(name, { watch, seenMs: this.#nowMs });
      Object.assign(
        path,
        watch.beat({
          ...{ atMs: this.#nowMs, sent: path.sent, again: path.again, bitsPerSecond: path.txBitsPerSecond },
          ...{ rttMs: path.rttMs, minRttMs: path.minRttMs },
        }),
      );
    }
    // The longest unseen come first. At the peer a path is whoever connects, the whole Internet.
    for (const [name, { seenMs }] of this.#losses) {
      if (this.#nowMs - seenMs <= REMEMBERED_MS && this.#losses.size <= MOST_REMEMBERED) break;
      this.#losses.delete(name);
    }
    return paths;
  }
}

/** A socket seen for the first time says nothing of the last beat. */
function grown(before: number | undefined, now: number): number {
  return before === undefined ? 0 : Math.max(0, now - before);
}

function empty(): Sums {
  return {
    subflows: 0,
    plain: 0,
    rxBitsPerSecond: 0,
    txBitsPerSecond: 0,
    congestion: "",
    silentMs: 0,
    backoff: 0,
    tokens: new Set<number>(),
    weight: 0,
    rttSum: 0,
    sent: 0,
    again: 0,
  };
}
