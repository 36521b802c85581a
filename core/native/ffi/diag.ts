// All TCP sockets of this network namespace (sock_diag(7)).
import { Buffer } from "node:buffer";
import { type Address, decodeAddress } from "./address.ts";
import type { Bytes } from "./symbols.ts";
import { decodeTcpInfo, TCP_INFO_BYTES, type TcpInfo } from "./tcp_info.ts";

/** One TCP socket of this network namespace as `ss -ti` would show it. */
export interface TcpDiag extends TcpInfo {
  local: Address;
  remote: Address;
  /** It carries MPTCP: its upper layer protocol is `mptcp` and it has not fallen back to plain TCP. */
  isMptcpSubflow: boolean;
  /**
   * Tokens and ids of the MPTCP connection; 0 on plain TCP, or without CAP_NET_ADMIN. The local token tells connections
   * apart; the remote one is 0 on subflows that the other end joined.
   */
  tokenLocal: number;
  tokenRemote: number;
  idLocal: number;
  idRemote: number;
  /** This end asked the other not to use it (`backup` endpoint here), or the other asked us. */
  backupLocal: boolean;
  backupRemote: boolean;
  /** It was joined to a connection that began on another subflow. */
  joined: boolean;
  /** `cubic`, `bbr`... */
  congestion: string;
  /** Inode number of the socket; 0 on additional subflows. */
  inode: number;
}

/** Bytes of one record. */
export const DIAG_BYTES = 80 + TCP_INFO_BYTES;

export function decodeDiag(bytes: Bytes, at: number): TcpDiag {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint32(at + 52, true);
  const name = bytes.subarray(at + 56, at + 72);
  return {
    ...decodeTcpInfo(view, at + 80),
    local: decodeAddress(bytes, at),
    remote: decodeAddress(bytes, at + 20),
    state: view.getUint8(at + 40),
    // MPTCP_SUBFLOW_FLAG_MCAP_REM | JOIN_REM | JOIN_LOC: MCAP_LOC alone only asked for it.
    isMptcpSubflow: view.getUint8(at + 41) === 1 && (flags & 0x0d) !== 0,
    idLocal: view.getUint8(at + 42),
    idRemote: view.getUint8(at + 43),
    tokenLocal: view.getUint32(at + 44, true),
    tokenRemote: view.getUint32(at + 48, true),
    joined: (flags & 0x0c) !== 0, // MPTCP_SUBFLOW_FLAG_JOIN_REM | JOIN_LOC
    backupRemote: (flags & 0x10) !== 0, // MPTCP_SUBFLOW_FLAG_BKUP_REM
    backupLocal: (flags & 0x20) !== 0, // MPTCP_SUBFLOW_FLAG_BKUP_LOC
    congestion: Buffer.from(name).toString("latin1").replace(/\0.*$/s, ""),
    inode: view.getUint32(at + 72, true),
  };
}
