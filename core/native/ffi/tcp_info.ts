// What the kernel tells of one TCP connection.

/** The parts of `struct tcp_info` (linux/tcp.h) in use here. */
export interface TcpInfo {
  /** TCP state number: 1 established, 2 SYN sent, 8 close wait, 10 listen. */
  state: number;
  rttUs: number;
  rttVarUs: number;
  minRttUs: number;
  /** Congestion window, segments. */
  cwnd: number;
  mss: number;
  /** Segments sent again, since the start. */
  retransSegments: number;
  /** Segments sent, data and acknowledgements. */
  segmentsOut: number;
  /** Segments with data sent, those sent again included. */
  dataSegmentsOut: number;
  bytesSent: number;
  bytesAcked: number;
  bytesReceived: number;
  bytesRetransmitted: number;
  deliveryRateBytesPerSecond: number;
  pacingRateBytesPerSecond: number;
  lastDataSentMs: number;
  lastDataReceivedMs: number;
  lastAckReceivedMs: number;
  /** Segments in flight without acknowledgement. */
  unacked: number;
  /** Segments taken as lost. */
  lost: number;
  /** Times the retransmission timer doubled since the last acknowledgement. */
  backoff: number;
  /** Timeouts, and probes of a closed window or by keepalive, in a row without an answer. */
  unanswered: number;
  /** Bytes in the send queue that were never sent. */
  notSentBytes: number;
}

/** Bytes of `struct tcp_info` copied by the library; shorter ones of old kernels read as zero. */
export const TCP_INFO_BYTES = 232;

/** Reads a record as the library copied it. */
export function decodeTcpInfo(view: DataView, at: number): TcpInfo {
  const u32 = (offset: number) => view.getUint32(at + offset, true);
  const u64 = (offset: number) => Number(view.getBigUint64(at + offset, true));
  return {
    state: view.getUint8(at),
    unanswered: view.getUint8(at + 2) + view.getUint8(at + 3),
    backoff: view.getUint8(at + 4),
    mss: u32(16),
    unacked: u32(24),
    lost: u32(32),
    lastDataSentMs: u32(44),
    lastDataReceivedMs: u32(52),
    lastAckReceivedMs: u32(56),
    rttUs: u32(68),
    rttVarUs: u32(72),
    cwnd: u32(80),
    retransSegments: u32(100),
    pacingRateBytesPerSecond: u64(104),
    bytesAcked: u64(120),
    bytesReceived: u64(128),
    segmentsOut: u32(136),
    notSentBytes: u32(144),
    // The kernel says ~0 before the first sample.
    minRttUs: u32(148) === 0xffffffff ? 0 : u32(148),
    dataSegmentsOut: u32(156),
    deliveryRateBytesPerSecond: u64(160),
    bytesSent: u64(200),
    bytesRetransmitted: u64(208),
  };
}
