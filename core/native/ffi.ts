// The one door to libotb_native.so: a typed file for each section of its interface stands in ffi/, and mirrors one Rust file.
//
// Three rules hold everywhere. Setup calls throw OtbError; calls of the hot path (read, write, wait, seal, open, send,
// receive) return a count or a negative errno, so that a relay pays neither exceptions nor allocation. Buffers are
// borrowed for the call only, except by `Poll.waitAsync`. Numbers in binary records are in host order (little-endian).
export { nativeLibraryPath, openNative } from "./ffi/library.ts";
export { Native } from "./ffi/native.ts";
export { Errno, errnoName } from "./ffi/errors.ts";
export { type Address, ADDRESS_BYTES, decodeAddress, encodeAddress } from "./ffi/address.ts";
export { type Keepalive, readBuffer, type Socket } from "./ffi/socket.ts";
export { type TcpInfo } from "./ffi/tcp_info.ts";
export { Poll, PollEvents, WAKE_TAG } from "./ffi/poll.ts";
export {
  type AeadMethod,
  AeadSession,
  openCapacity,
  SALT_BYTES,
  sealedLength,
  TAG_BYTES,
} from "./ffi/aead.ts";
export { MAX_PACKETS, Tun, type TunOptions } from "./ffi/tun.ts";
export { UDP_META_BYTES, type UdpOptions } from "./ffi/udp.ts";
export { NOISE_OVERHEAD, NoiseHandshake, type NoiseOptions } from "./ffi/noise.ts";
export { TUNNEL_OVERHEAD, TunnelKeys } from "./ffi/tunnel.ts";
export {
  FIRST_PACKET,
  MIN_FREE_SLOTS,
  RAW_TAG,
  RECORD_WORDS,
  TunnelReceiver,
  TunnelRecord,
} from "./ffi/receiver.ts";
export { type BpfInstruction } from "./ffi/packet.ts";
