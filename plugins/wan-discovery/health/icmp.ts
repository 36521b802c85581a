// ICMP echo, as a ping socket takes and gives it (RFC 792, icmp(7)); the kernel fills in checksum and identifier. Pure.
import type { Bytes } from "../frames/addresses.ts";

const ECHO = 8, ECHO_REPLY = 0;

/** A request with 8 random bytes as its content. */
export function encodeEcho(content: Bytes): Bytes {
  return new Uint8Array([ECHO, 0, 0, 0, 0, 0, 0, 1, ...content]);
}

/** Whether a message is the reply to it. */
export function isEchoReply(message: Bytes, content: Bytes): boolean {
  return message[0] === ECHO_REPLY && message.length === 8 + content.length &&
    content.every((byte, index) => message[8 + index] === byte);
}
