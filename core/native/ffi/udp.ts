// UDP sockets, and what their messages look like.

/** How to open a UDP socket. */
export interface UdpOptions {
  mark?: number;
  /** SO_BINDTODEVICE. */
  device?: string;
  /** Receive runs of equal datagrams as one (UDP_GRO). */
  gro?: boolean;
  reusePort?: boolean;
  /** Instead of UDP, ICMP echo requests, to send and hear whole from the type on; the port is their identifier (icmp(7), "ping socket"). */
  icmp?: boolean;
  /** Datagrams are not fragmented, and path MTU that was learnt is not heeded (ip(7), IP_PMTUDISC_PROBE). */
  whole?: boolean;
  /** Size of both socket buffers; without CAP_NET_ADMIN at most net.core.rmem_max and wmem_max. */
  bufferBytes?: number;
  /** The kernel tells the outer TOS byte and the time of arrival of each message, for `TunnelReceiver.receive`. */
  marks?: boolean;
  /** The kernel tells to which own address each message came, for `TunnelReceiver.receive`; to answer from there give it to `send`. */
  local?: boolean;
}

/** One record of `udpReceive`: u32 offset, u32 length, u32 segment size, then the remote address record. */
export const UDP_META_BYTES = 32;

/** Messages one `udpReceive` takes at most. */
export const MAX_MESSAGES = 64;
